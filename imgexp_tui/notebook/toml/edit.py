"""Changes one key of a version in the text of `experiments.toml`, or appends versions; every other byte is kept.

The scanner (`spans`) finds the value, and only its span is replaced; a missing key gets a line of its own next to
related keys. tomlkit, which rewrites whole documents and can move keys while it does, only formats values here. The
result is parsed again and refused unless exactly the edited key changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imgexp_tui.notebook.model import NotebookError
from imgexp_tui.notebook.schema.settings import SettingValue
from imgexp_tui.notebook.toml.spans import KeyPath, TomlEntry, TomlScan
from imgexp_tui.notebook.toml.tolerant import SyntaxProblem, parse_strict, parse_tolerant
from imgexp_tui.paths import NOTEBOOK
from imgexp_tui.text import clean

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_ESCAPED = {"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\r": "\\r", "\n": "\\n", '"': '\\"', "\t": "\\t"}
_PRECEDING_KEYS = {
    "summary": ("base",),
    "takeaways": ("summary", "base"),
    "observed": ("takeaways", "summary", "base"),
    "tags": ("group", "base"),
    "archived": ("tags", "group", "base"),
}
"""Where a missing key goes: after the first of these keys that the version has."""
_LITERAL_QUOTES, _INLINE_TABLE = "'''", '"inline'
_ValueFormatter = Callable[[str, str], str]
"""Formats a value as TOML, given the line ending there and the quotes to use if possible, or `_INLINE_TABLE`."""


def read_note(source: str, version: str, field: str) -> str:
    """Returns a note from the text of a notebook; "" if it is missing or not a text."""
    table = parse_tolerant(source)[0].get("versions")
    version_table = table.get(version) if isinstance(table, dict) else None
    text = version_table.get(field) if isinstance(version_table, dict) else None
    return text if isinstance(text, str) else ""


def set_note(source: str, version: str, field: str, text: str) -> str:
    """Returns `source` with one note of a version set to `text`.

    Raises:
        NotebookError: there is no such version, or the text cannot be written.
    """

    _reject_lone_surrogates(text)

    def written(newline: str, like: str) -> str:
        return f'"{_escape(text, chr(34))}"' if like == _INLINE_TABLE else format_toml_string(text, newline, like)

    return _set_key(source, version, field, text, written, str)


def set_tags(source: str, version: str, tags: Sequence[str]) -> str:
    """Returns `source` with the tags of a version set to `tags`; without tags the key is removed.

    Raises:
        NotebookError: there is no such version, or they cannot be written.
    """
    if not tags:
        return _remove_key(source, version, "tags", [])
    texts = ", ".join(f'"{_escape(tag, chr(34))}"' for tag in tags)
    return _set_key(source, version, "tags", list(tags), lambda newline, like: f"[{texts}]", list)


def set_archived(source: str, version: str, *, archived: bool) -> str:
    """Returns `source` with a version archived, or no longer archived.

    Raises:
        NotebookError: there is no such version, or it cannot be written.
    """
    if not archived:
        return _remove_key(source, version, "archived", False)
    return _set_key(source, version, "archived", True, lambda newline, like: "true", bool)


def _set_key(
    source: str, version: str, key: str, value: object, format_value: _ValueFormatter, value_type: type
) -> str:
    """Returns `source` with one key of a version set to `value`, written by `format_value`."""
    path = ("versions", version, key)
    data, faults, scan = parse_tolerant(source)
    table = _version_table(data, version)
    if key in table and not isinstance(table[key], value_type):
        what = {str: "text", bool: "true or false", list: "array"}[value_type]
        raise NotebookError(f"{'.'.join(path)} is no {what} in {NOTEBOOK}; mend it first: imgexp-tui check")
    own = _find_entry(scan, path)
    new = _replace_value(scan, own, format_value) if own else _insert_key(scan, version, key, format_value)
    verify_edit(new, {**data, "versions": {**data["versions"], version: {**table, key: value}}}, faults, path)
    return new


def _remove_key(source: str, version: str, key: str, empty_value: object) -> str:
    """Returns `source` without a key of a version; if its line holds more, the key is set to `empty_value` instead."""
    path = ("versions", version, key)
    data, faults, scan = parse_tolerant(source)
    table = _version_table(data, version)
    own = _find_entry(scan, path)
    if own is None or not own.value_span:
        return source
    start, end = scan.text.rfind("\n", 0, own.start) + 1, scan.text.find("\n", own.end)
    end = len(scan.text) if end < 0 else end + 1
    left = {name: value for name, value in table.items() if name != key}
    # A version that is written as dotted keys would go with the last of them.
    if not left or scan.text[start:end].strip() != scan.text[own.start : own.end]:
        new = _replace_value(scan, own, lambda newline, like: "[]" if empty_value == [] else "false")
        verify_edit(new, {**data, "versions": {**data["versions"], version: {**table, key: empty_value}}}, faults, path)
        return new
    new = scan.text[:start] + scan.text[end:]
    verify_edit(new, {**data, "versions": {**data["versions"], version: left}}, faults, path)
    return new


def _version_table(data: Mapping[str, Any], version: str) -> dict[str, Any]:
    versions = data.get("versions")
    version_table = versions.get(version) if isinstance(versions, dict) else None
    if not isinstance(version_table, dict):
        raise NotebookError(f"{NOTEBOOK} has no version {version} any more; nothing was written")
    return version_table


def _find_entry(scan: TomlScan, path: KeyPath) -> TomlEntry | None:
    return next((e for e in scan.entries if e.path == path and e.value_span), None)


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version to be written.

    Attributes:
        keys: base, group and notes; empty ones are left out.
        train: its settings.
        comment: lines to put above it; "" for none.
    """

    name: str
    keys: Mapping[str, str]
    train: Mapping[str, SettingValue] = field(default_factory=dict)
    comment: str = ""


def append_versions(source: str, versions: Sequence[NewVersion]) -> str:
    """Returns `source` with new versions at its end.

    Raises:
        NotebookError: a version exists already, or cannot be written.
    """
    if not versions:
        return source
    data, faults, _ = parse_tolerant(source)
    tables = data.get("versions", {})
    if not isinstance(tables, dict):
        raise NotebookError(f"versions is no table in {NOTEBOOK}; mend it first: imgexp-tui check")
    known = dict(tables)
    newline = "\r\n" if "\r\n" in source else "\n"
    parts = [source, "" if not source or source.endswith("\n") else newline]
    for version in versions:
        if version.name in known:
            raise NotebookError(f"{version.name} is in {NOTEBOOK} already; take another name")
        keys = {key: text for key, text in version.keys.items() if text}
        known[version.name] = {**keys, **({"train": dict(version.train)} if version.train else {})}
        _reject_lone_surrogates("".join(map(str, version.train.values())))
        parts += [newline if any(part.strip() for part in parts) else "", *_format_version(version, keys, newline)]
    new = "".join(parts)
    verify_edit(new, {**data, "versions": known}, faults, ("versions", versions[0].name))
    return new


def _format_version(version: NewVersion, keys: Mapping[str, str], newline: str) -> Iterator[str]:
    import tomlkit

    for line in clean(version.comment).split("\n") if version.comment else ():
        yield f"# {line}".rstrip() + newline
    header = f"versions.{tomlkit.key(version.name).as_string()}"
    yield f"[{header}]{newline}"
    for key, text in keys.items():
        quotes = '"' if key in ("base", "group") else "'''"
        yield f"{key} = {format_toml_string(text, newline, quotes)}{newline}"
    if version.train:
        yield f"[{header}.train]{newline}"
    for key, value in version.train.items():
        yield f"{tomlkit.key(key).as_string()} = {tomlkit.item(value).as_string()}{newline}"


def format_toml_string(text: str, newline: str = "\n", quotes: str = "'''") -> str:
    """Returns `text` as a TOML string, in `quotes` if they can hold it, with as few escapes as possible.

    Raises:
        NotebookError: the text has a lone surrogate, which no UTF-8 file can hold.
    """
    _reject_lone_surrogates(text)
    lines = "\n" in text
    plain = not _CONTROL_CHARACTERS.search(text)
    if quotes == "'" and plain and not lines and "'" not in text:
        return f"'{text}'"
    if quotes == '"' and not lines:
        return f'"{_escape(text, chr(34))}"'
    if quotes != '"""' and plain and "'''" not in text and not text.endswith("'"):
        return f"'''{newline if lines else ''}{text.replace(chr(10), newline)}'''"
    if not lines:
        return f'"{_escape(text, chr(34))}"'
    body = re.sub(r'"(?="")|"\Z', '\\\\"', _escape(text, "", unescaped="\n\t"))
    return f'"""{newline}{body.replace(chr(10), newline)}"""'


def _reject_lone_surrogates(text: str) -> None:
    if lone := re.search(r"[\ud800-\udfff]", text):
        line = text.count("\n", 0, lone.start()) + 1
        raise NotebookError(f"line {line} of the text holds half a character, which no file can hold; delete it there")


def _escape(text: str, quote: str, unescaped: str = "\t") -> str:
    def one(match: re.Match[str]) -> str:
        sign = match[0]
        return sign if sign in unescaped else _ESCAPED.get(sign) or f"\\u{ord(sign):04X}"

    return re.sub(rf"[\\\x00-\x1f\x7f{quote}]", one, text)


def _replace_value(scan: TomlScan, entry: TomlEntry, format_value: _ValueFormatter) -> str:
    assert entry.value_span is not None
    start, end = entry.value_span
    old = scan.text[start:end]
    like = next((q for q in ("'''", '"""', '"', "'") if old.startswith(q)), "'''")
    if old.startswith("[") and "#" in old:
        raise NotebookError(f"{'.'.join(entry.path)} has a comment in it, which would go; change it by hand")
    value = format_value(_line_ending_at(scan, entry.start), _INLINE_TABLE if entry.is_inline else like)
    return scan.text[:start] + value + scan.text[end:]


def _insert_key(scan: TomlScan, version: str, field: str, format_value: _ValueFormatter) -> str:
    """Returns the text with a line for a missing key, in the version's table, in whichever way that is written."""
    table: KeyPath = ("versions", version)
    header = next((e for e in scan.entries if e.path == table and not e.value_span), None)
    if header:
        kin = _insertion_anchor(scan, table, field) or header
        return _insert_line_after(scan, kin, field, format_value)
    inline = next((e for e in scan.entries if e.path == table and e.value_span), None)
    if inline and inline.value_span:
        start, end = inline.value_span
        body = scan.text[start : end - 1].rstrip()
        at = start + len(body)
        comma = "" if body.endswith(("{", ",")) else ","
        value = format_value(_line_ending_at(scan, start), _INLINE_TABLE)
        return f"{scan.text[:at]}{comma} {field} = {value}{scan.text[at:]}"
    dotted = [
        e
        for e in scan.entries
        if e.path[:2] == table and e.value_span and not e.is_inline and _header_of(scan, e) != table
    ]
    if dotted and len(_header_of(scan, dotted[0])) < 2:
        return _insert_line_after(scan, dotted[-1], _relative_key(scan, dotted[-1], (*table, field)), format_value)
    below = next(e for e in scan.entries if e.path[:2] == table)
    newline = _line_ending_at(scan, below.start)
    import tomlkit

    opening = f"[versions.{tomlkit.key(version).as_string()}]"
    line = f"{opening}{newline}{field} = {format_value(newline, _LITERAL_QUOTES)}{newline}"
    return scan.text[: below.start] + line + scan.text[below.start :]


def _insertion_anchor(scan: TomlScan, table: KeyPath, field: str) -> TomlEntry | None:
    """Returns the key after which a missing one goes."""
    written = {e.path[2]: e for e in scan.entries if e.path[:-1] == table and e.value_span and not e.is_inline}
    return next((written[key] for key in _PRECEDING_KEYS[field] if key in written), None)


def _header_of(scan: TomlScan, entry: TomlEntry) -> KeyPath:
    """Returns the path of the table header above a key."""
    above = [e.path for e in scan.entries if not e.value_span and e.start < entry.start]
    return above[-1] if above else ()


def _relative_key(scan: TomlScan, entry: TomlEntry, path: KeyPath) -> str:
    import tomlkit

    return ".".join(tomlkit.key(part).as_string() for part in path[len(_header_of(scan, entry)) :])


def _insert_line_after(scan: TomlScan, entry: TomlEntry, key: str, format_value: _ValueFormatter) -> str:
    """Returns the text with a line inserted after the one on which `entry` ends."""
    newline = _line_ending_at(scan, entry.start)
    end = scan.text.find("\n", entry.end)
    line = f"{key} = {format_value(newline, _LITERAL_QUOTES)}"
    if end < 0:
        return f"{scan.text}{newline}{line}"
    return f"{scan.text[: end + 1]}{line}{newline}{scan.text[end + 1 :]}"


def _line_ending_at(scan: TomlScan, offset: int) -> str:
    """Returns the line ending used at an offset."""
    end = scan.text.find("\n", offset)
    if end < 0:
        end = scan.text.rfind("\n", 0, offset)
    return "\r\n" if end > 0 and scan.text[end - 1] == "\r" else "\n"


def verify_edit(new: str, expected: dict[str, Any], old_problems: Sequence[SyntaxProblem], path: KeyPath) -> None:
    """Raises a NotebookError if `new` is not parsed as exactly `expected`, or has other syntax problems than before."""
    if not old_problems and toml_equal(parse_strict(new), expected):
        return
    parsed, remaining, _ = parse_tolerant(new)
    if not toml_equal(parsed, expected) or [fault.message for fault in remaining] != [
        fault.message for fault in old_problems
    ]:
        raise NotebookError(
            f"writing {'.'.join(path)} would change more of {NOTEBOOK} than that; nothing was written. "
            "Mend what imgexp-tui check tells, or write it by hand"
        )


def toml_equal(a: object, b: object) -> bool:
    """Compares TOML values: 1, 1.0 and true differ, and nan equals itself."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(toml_equal(value, b[key]) for key, value in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(toml_equal, a, b))
    return type(a) is type(b) and (a == b or repr(a) == repr(b))
