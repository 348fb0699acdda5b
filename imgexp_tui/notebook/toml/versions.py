"""Renames, moves and removes whole versions in the text of `experiments.toml`; every other byte is kept.

As in `edit`, the scanner finds the positions, and the result is parsed again and refused unless exactly the intended
change was made, including the order of the versions.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from imgexp_tui.notebook.model import VERSION_NAME, VERSION_NAME_RULE, NotebookError
from imgexp_tui.notebook.toml.edit import verify_edit
from imgexp_tui.notebook.toml.spans import TomlScan
from imgexp_tui.notebook.toml.tolerant import SyntaxProblem, parse_tolerant
from imgexp_tui.paths import NOTEBOOK
from imgexp_tui.text import clean_line, join_names

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_QUOTES = re.compile(r"'''|\"\"\"|'|\"")
_BLANK = re.compile(r"[ \t]*\r?\n(?:[ \t]*\r?\n)*")
_LAST_BLANK = re.compile(r"\n((?:[ \t]*\r?\n)+)\Z")
_COMMENT_LINE = re.compile(r"\r?\n[ \t]*#[^\n]*")
_NON_BLANK_LINE = re.compile(r"\r?\n[ \t]*\S")
_Span = tuple[int, int]
_VersionTables = Mapping[str, Any]


def rename(source: str, old: str, new: str) -> str:
    """Returns `source` with a version renamed, in its own tables and where others name it as their base.

    Notes and comments that mention it are left as they are.

    Raises:
        NotebookError: there is no such version, the name is taken or invalid, or it cannot be written.
    """
    data, faults, scan = parse_tolerant(source)
    versions = _version_tables(data, old)
    if fault := version_name_error(new, (name for name in versions if name != old)):
        raise NotebookError(fault)
    named = [span for e in scan.entries if e.path[:2] == ("versions", old) and (span := scan.key_part_span(e, 1))]
    based = [
        entry.value_span
        for entry in scan.entries
        if entry.value_span and entry.path[::2] == ("versions", "base") and _base_of(versions.get(entry.path[1])) == old
    ]
    text = source
    for start, end in sorted([*named, *based], reverse=True):
        quotes = _QUOTES.match(text, start)
        quote = quotes[0] if quotes else "" if _BARE.fullmatch(new) else '"'
        text = f"{text[:start]}{quote}{new}{quote}{text[end:]}"
    renamed = {new if name == old else name: _with_renamed_base(table, old, new) for name, table in versions.items()}
    _verify_edit(text, data, renamed, faults, old)
    return text


def version_name_error(name: str, other_names: Iterable[str]) -> str:
    """Returns why a version cannot be called `name` beside `other_names`; "" if it can."""
    if not VERSION_NAME.fullmatch(name):
        return f"{clean_line(name) or 'nothing'} is no name for a version, which {VERSION_NAME_RULE}"
    same = next((other for other in other_names if other.lower() == name.lower()), None)
    return f"{same} is there already; take another name" if same else ""


def move(source: str, name: str, target: str) -> str:
    """Returns `source` with a version moved to the position of another; those in between move by one.

    A version is moved with its tables and the comment right above it. Other text between versions stays in place.

    Raises:
        NotebookError: one of them does not exist, or is written in several places.
    """
    data, faults, scan = parse_tolerant(source)
    versions = _version_tables(data, name, target)
    order = list(versions)
    start, end = order.index(name), order.index(target)
    low, high = min(start, end), max(start, end)
    moved = order[low : high + 1]
    moved.insert(end - low, moved.pop(start - low))
    spans = [_version_span(scan, one) for one in order[low : high + 1]]
    pieces = dict(zip(order[low : high + 1], (source[a:b] for a, b in spans), strict=True))
    if any(before[1] > after[0] for before, after in itertools.pairwise(spans)):
        raise NotebookError(_format_scattered(name))
    text = source
    for (a, b), one in zip(reversed(spans), reversed(moved), strict=True):
        text = text[:a] + pieces[one] + text[b:]
    order[low : high + 1] = moved
    _verify_edit(text, data, {one: versions[one] for one in order}, faults, name)
    return text


def remove(source: str, name: str) -> str:
    """Returns `source` without a version, the comment right above it, and the blank lines after it.

    Raises:
        NotebookError: there is no such version, it is the base of others, or it is written in several places.
    """
    data, faults, scan = parse_tolerant(source)
    versions = _version_tables(data, name)
    if children := [other for other, table in versions.items() if other != name and _base_of(table) == name]:
        build = "builds" if len(children) == 1 else "build"
        raise NotebookError(f"{join_names(children)} {build} on {name}, so that it stays; it can be archived")
    start, end = _version_span(scan, name)
    following = _BLANK.match(source, end)
    after = source[following.end() if following else end :]
    before = source[:start]
    if not after and (blank := _LAST_BLANK.search(before)):
        before = before[: blank.start(1)]
    text = before + after
    _verify_edit(text, data, {other: table for other, table in versions.items() if other != name}, faults, name)
    return text


def removed_text(source: str, name: str) -> str:
    """Returns the text that `remove` would take out.

    Raises:
        NotebookError: as `remove`.
    """
    remove(source, name)
    start, end = _version_span(parse_tolerant(source)[2], name)
    return source[start:end]


def _version_tables(data: Mapping[str, Any], *names: str) -> _VersionTables:
    versions = data.get("versions")
    for name in names:
        if not isinstance(versions, dict) or name not in versions:
            raise NotebookError(f"{NOTEBOOK} has no version {clean_line(name)} (any more); nothing was written")
    assert isinstance(versions, dict)
    return versions


def _base_of(table: object) -> object:
    return table.get("base") if isinstance(table, dict) else None


def _with_renamed_base(table: Any, old: str, new: str) -> Any:
    return {**table, "base": new} if _base_of(table) == old else table


def _version_span(scan: TomlScan, name: str) -> _Span:
    """Returns the span from the comment right above a version to the end of its last line, without the line end.

    Raises:
        NotebookError: something else is in between, or it has no lines of its own.
    """
    statements = [entry for entry in scan.entries if not entry.is_inline]
    own = [i for i, entry in enumerate(statements) if entry.path[:2] == ("versions", name)]
    if not own or own[-1] - own[0] + 1 != len(own):
        raise NotebookError(_format_scattered(name))
    first, last = statements[own[0]], statements[own[-1]]
    if any(first.start <= start and end <= last.end for _, start, end in scan.broken_spans):
        raise NotebookError(f"{name} cannot be read whole; mend it first: imgexp-tui check")
    text = scan.text
    end = text.find("\n", last.end)
    end = len(text) if end < 0 else end
    end -= text[end - 1] == "\r"
    above = statements[own[0] - 1].end if own[0] else int(text.startswith("\ufeff"))
    return _comment_start(text, text.rfind("\n", 0, first.start) + 1 or above, above), _comment_end(text, end)


def _comment_start(text: str, start: int, limit: int) -> int:
    """Returns the start of the comment lines right above the line at `start`; at least `limit`."""
    while start > limit:
        before = text.rfind("\n", 0, start - 1) + 1 or int(text.startswith("\ufeff"))
        if before < limit or not text[before:start].lstrip().startswith("#"):
            break
        start = before
    return start


def _comment_end(text: str, end: int) -> int:
    """Returns the end of the comment lines right below, if a blank line or the end of the text follows them."""
    at = end
    while line := _COMMENT_LINE.match(text, at):
        at = line.end() - (line[0].endswith("\r"))
    return at if at == end or not _NON_BLANK_LINE.match(text, at) else end


def _format_scattered(name: str) -> str:
    return f"{clean_line(name)} is not written in one piece in {NOTEBOOK}; move or delete it there by hand"


def _verify_edit(
    text: str, data: Mapping[str, Any], expected: _VersionTables, old_problems: Sequence[SyntaxProblem], name: str
) -> None:
    """Raises a NotebookError if the text does not have the expected content in the expected order."""
    rest = {key: value for key, value in data.items() if key != "versions"}
    parsed = parse_tolerant(text)[0].get("versions", {})
    expected_tables = (
        {"versions": dict(expected)} if expected or (parsed == {} and "versions" in parse_tolerant(text)[0]) else {}
    )
    verify_edit(text, rest | expected_tables, old_problems, ("versions", name))
    if list(parsed) != list(expected):
        raise NotebookError(f"writing versions.{name} would change the order of others; nothing was written")
