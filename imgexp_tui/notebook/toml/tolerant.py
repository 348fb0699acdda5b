"""Parses TOML text that may have syntax errors, and reports each error with its line.

A TOML parser stops at the first error. Here each statement is parsed by itself, so that one broken version never
hides the others and all errors are reported at once.
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
"""Characters from which parsing takes tens of milliseconds."""
_CACHE_SIZE = 2
"""Texts whose result is cached: a save parses the same text several times, and the text that it writes."""


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """A place that cannot be parsed: its 1-based line, its key or table, what is wrong and how to fix it."""

    line: int
    path: KeyPath
    message: str


@functools.lru_cache(maxsize=_CACHE_SIZE)
def parse_tolerant(text: str) -> tuple[dict[str, Any], list[SyntaxProblem], TomlScan]:
    """Parses `text` as far as possible. Returns its tables, every problem and the scan.

    Callers share the result and must not change it.
    """
    scan = TomlScan(text)
    if (data := parse_strict(text)) is not None:
        return data, [], scan
    data, faults = _parse_statements(scan)
    return data, faults or [_whole_text_problem(text)], scan


@functools.lru_cache(maxsize=_CACHE_SIZE)
def parse_strict(text: str) -> dict[str, Any] | None:
    """Parses `text` into its tables; None if it has errors. The result is shared, so do not change it."""
    text = text.removeprefix("\ufeff")
    in_worker = threading.current_thread() is not threading.main_thread()
    try:
        return _parse_yielding(text) if in_worker and len(text) > _LARGE_TEXT else tomli.loads(text)
    except (ValueError, RecursionError):
        return None


def _parse_yielding(text: str) -> dict[str, Any]:
    """Parses as tomli does, but lets other threads run.

    The compiled tomli holds the interpreter until it is done, which for a large notebook delays every key press. The
    standard library's parser is the same one in Python; it takes twice as long and lets other threads run.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return tomli.loads(text)  # a newer tomli may accept what the standard library does not


def _parse_statements(scan: TomlScan) -> tuple[dict[str, Any], list[SyntaxProblem]]:
    """Parses the statements one by one."""
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
    """Puts one key's value into `data`; returns what is wrong with it."""
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
    """Returns the table at `path`, made if it is missing; None if a value is in its way."""
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
    """Returns the problem of a text whose statements can all be parsed by themselves."""
    try:
        tomli.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        return SyntaxProblem(getattr(error, "lineno", 1), (), _format_error(error))
    raise AssertionError


def _format_error(error: ValueError | RecursionError) -> str:
    reason = str(getattr(error, "msg", error)).rstrip(".")
    return f"this is no TOML: {reason[:1].lower() + reason[1:]}; mend this line"
