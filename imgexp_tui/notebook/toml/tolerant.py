"""What can be read of a TOML text that has syntax errors.

A TOML parser stops at the first error. Here every statement is parsed by itself, so that one broken version never
hides the others and all errors are told at once.
"""

from __future__ import annotations

import functools
import threading
import tomllib
from dataclasses import dataclass
from typing import Any

import tomli

from imgexp_tui.notebook.toml.spans import KeyPath, TomlEntry, TomlScan, join_key

_LARGE_TEXT = 1 << 18
"""Characters from which on reading takes tens of milliseconds."""
_CACHE_SIZE = 2
"""Texts whose parsing is kept: a save reads the same text several times, and the one that it writes."""


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """A place that cannot be read: its 1-based line, the key or table it belongs to, what is wrong and the mend."""

    line: int
    path: KeyPath
    message: str


@functools.lru_cache(maxsize=_CACHE_SIZE)
def parse_tolerant(text: str) -> tuple[dict[str, Any], list[SyntaxProblem], TomlScan]:
    """The tables of `text` as far as they can be read, and every fault. Shared between callers: not to be changed."""
    scan = TomlScan(text)
    if (data := parse_strict(text)) is not None:
        return data, [], scan
    data, faults = _parse_statements(scan)
    return data, faults or [_whole_text_problem(text)], scan


@functools.lru_cache(maxsize=_CACHE_SIZE)
def parse_strict(text: str) -> dict[str, Any] | None:
    """The tables of `text`; None where it has faults. Shared between callers: not to be changed."""
    text = text.removeprefix("\ufeff")
    aside = threading.current_thread() is not threading.main_thread()
    try:
        return _parse_yielding(text) if aside and len(text) > _LARGE_TEXT else tomli.loads(text)
    except (ValueError, RecursionError):
        return None


def _parse_yielding(text: str) -> dict[str, Any]:
    """As tomli does, for a thread beside the screen's.

    The compiled tomli lets no other thread run before it is done, which for a large notebook is long enough to be felt
    in every key. The standard library's parser is the same one in Python, takes twice as long and gives way.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return tomli.loads(text)  # a newer one may read what the library's does not


def _parse_statements(scan: TomlScan) -> tuple[dict[str, Any], list[SyntaxProblem]]:
    """The statements that can be read one by one."""
    data: dict[str, Any] = {}
    faults = [_broken_statement_problem(scan, *piece) for piece in scan.broken_spans]
    headers: dict[KeyPath, int] = {}
    for entry in scan.entries:
        if entry.is_inline:
            continue
        line = scan.line_at(entry.start)
        if entry.value_span is None and entry.path in headers:
            message = f"[{join_key(entry.path)}] stands on line {headers[entry.path]} already; join the two"
            faults.append(SyntaxProblem(line, entry.path, message))
        elif entry.value_span is None:
            headers[entry.path] = line
            if _ensure_table(data, entry.path) is None:
                faults.append(SyntaxProblem(line, entry.path, "this key has a value already; delete one of the two"))
        elif fault := _set_value(data, scan, entry, line):
            faults.append(fault)
    return data, sorted(faults, key=lambda f: f.line)


def _set_value(data: dict[str, Any], scan: TomlScan, entry: TomlEntry, line: int) -> SyntaxProblem | None:
    """Put one key's value into `data`; what is wrong with it."""
    assert entry.value_span is not None
    start, end = entry.value_span
    try:
        value = tomli.loads("x = " + scan.text[start:end])["x"]
    except (ValueError, RecursionError) as error:
        first = scan.line_at(start)
        return SyntaxProblem(first + getattr(error, "lineno", 1) - 1, entry.path, _format_error(error))
    table = _ensure_table(data, entry.path[:-1])
    if table is None or entry.path[-1] in table:
        return SyntaxProblem(line, entry.path, f"{join_key(entry.path[-1:])} is set twice; delete one of the two")
    table[entry.path[-1]] = value
    return None


def _ensure_table(data: dict[str, Any], path: KeyPath) -> dict[str, Any] | None:
    """The table at `path`, made where it is missing; None where a value is in its way."""
    for part in path:
        below = data.setdefault(part, {})
        if not isinstance(below, dict):
            return None
        data = below
    return data


def _broken_statement_problem(scan: TomlScan, table: KeyPath, start: int, end: int) -> SyntaxProblem:
    piece = scan.text[start:end]
    line = scan.line_at(start)
    key, _, value = piece.partition("\n")[0].partition("=")
    value = value.strip()
    for opening, closing in (('"""', '"""'), ("'''", "'''"), ('"', '"'), ("'", "'"), ("[", "]"), ("{", "}")):
        if value.startswith(opening):
            what = {"]": "array", "}": "table"}.get(closing, "text")
            rest = f"the {what} of {key.strip()} does not end where it should; close it with {closing}"
            return SyntaxProblem(
                line, table, f"{rest}, and see that no {closing} stands within it" if what == "text" else rest
            )
    try:
        tomli.loads(piece)
    except (ValueError, RecursionError) as error:
        return SyntaxProblem(line, table, _format_error(error))
    return SyntaxProblem(line, table, "this is no TOML; write [table] or key = value")


def _whole_text_problem(text: str) -> SyntaxProblem:
    """The fault of a text each of whose statements can be read by itself."""
    try:
        tomli.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        return SyntaxProblem(getattr(error, "lineno", 1), (), _format_error(error))
    raise AssertionError


def _format_error(error: ValueError | RecursionError) -> str:
    reason = str(getattr(error, "msg", error)).rstrip(".")
    return f"this is no TOML: {reason[:1].lower() + reason[1:]}; mend this line"
