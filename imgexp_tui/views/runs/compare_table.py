"""Builds and draws the comparison table of all versions: results and differing settings as sortable columns.

A metric that is new in the table gets its column in `all_columns`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from imgexp_tui.notebook.diff import format_value
from imgexp_tui.notebook.model import Notebook, Version
from imgexp_tui.notebook.schema.metrics import DEFAULT_JUDGES, Goal
from imgexp_tui.notebook.schema.settings import SETTINGS
from imgexp_tui.text import cell_width, clean_line, format_number, truncate
from imgexp_tui.views.lab import VersionRow
from imgexp_tui.views.runs.version_table import format_judged_best
from imgexp_tui.views.styled import Line, Span, line, pad

_MAX_COLUMN_WIDTH = 24
_GAP = "  "
_MARK_WIDTH = 3


@dataclass(frozen=True)
class CompareColumn:
    """One column of the table.

    Attributes:
        texts: version → text of its cell.
        values: version → number to sort by; versions without a number sort by their text.
        lower_is_better: whether the lowest value is the best; sorting starts with the best.
    """

    name: str
    texts: Mapping[str, str]
    values: Mapping[str, float]
    lower_is_better: bool = True

    @cached_property
    def cell_width(self) -> int:
        return min(_MAX_COLUMN_WIDTH, max([cell_width(self.name) + 2, *(cell_width(t) for t in self.texts.values())]))

    @cached_property
    def is_numeric(self) -> bool:
        """Whether it has numbers only, which are right-aligned."""
        return all(name in self.values for name, text in self.texts.items() if text)

    def sort_versions(self, names: Iterable[str], *, reverse: bool) -> list[str]:
        """The versions sorted by this column; versions with an empty cell are last in both orders."""
        names = list(names)
        empty = [n for n in names if not self.texts.get(n)]
        full = [n for n in names if self.texts.get(n)]
        numbers = [n for n in full if n in self.values]
        words = [n for n in full if n not in self.values]
        numbers.sort(key=lambda n: self.values[n], reverse=reverse is self.lower_is_better)
        words.sort(key=lambda n: _natural_key(self.texts[n]), reverse=reverse)
        return numbers + words + empty


def _natural_key(text: str) -> list[str | int]:
    """A sort key that compares numbers in a text by value: v2 before v10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", text.casefold())]


def all_columns(notebook: Notebook, rows: Mapping[str, VersionRow]) -> list[CompareColumn]:
    """The result columns, then one column for every setting that differs between versions."""
    versions = notebook.versions
    known = {name: rows[name] for name in versions if name in rows}
    results = [
        _text_column("version", versions, lambda v: v.name),
        _text_column("state", versions, lambda v: known[v.name].state if v.name in known else ""),
        _best_column(known),
        _number_column("accuracy", known, lambda r: r.accuracy, lambda a: f"{100 * a:.1f} %", lower_is_better=False),
        _number_column("epoch", known, lambda r: r.epoch, lambda e: f"{e:g}", lower_is_better=False),
        _number_column("runs", known, lambda r: r.runs or None, lambda n: f"{n:g}", lower_is_better=False),
        _text_column("base", versions, lambda v: v.base or ""),
    ]
    return [column for column in results if any(column.texts.values())] + _setting_columns(versions)


def _setting_columns(versions: Mapping[str, Version]) -> list[CompareColumn]:
    configs = {name: version.config for name, version in versions.items()}
    order = {name: i for i, name in enumerate(SETTINGS)}
    names = sorted({key for c in configs.values() for key in c}, key=lambda n: (order.get(n, len(order)), n))
    columns = []
    for name in names:
        texts = {v: clean_line(format_value(name, c.get(name))) if name in c else "" for v, c in configs.items()}
        if len(set(texts.values())) > 1:
            values = {v: float(x) for v, c in configs.items() if isinstance(x := c.get(name), int | float)}
            columns.append(CompareColumn(name, texts, values))
    return columns


def _best_column(rows: Mapping[str, VersionRow]) -> CompareColumn:
    """The best loss; for several seeds, the mean and the standard deviation."""
    judges = {row.judge for row in rows.values() if row.judge}
    if judges - {DEFAULT_JUDGES[0]}:
        return _judged_column(rows, judges)
    values = {name: row.seed_stats[0] if row.seed_stats else row.best for name, row in rows.items()}
    present = {name: value for name, value in values.items() if value is not None}
    spread = {name: f" ±{format_number(row.seed_stats[1])}" for name, row in rows.items() if row.seed_stats}
    return CompareColumn("best loss", {n: format_number(v) + spread.get(n, "") for n, v in present.items()}, present)


def _judged_column(rows: Mapping[str, VersionRow], judges: set[str]) -> CompareColumn:
    """The best values where versions name their judge, each with its metric; only the same metric sorts by value."""
    texts = {name: format_judged_best(row) for name, row in rows.items() if row.best is not None}
    judge = next(iter(judges)) if len(judges) == 1 else ""
    values = {
        name: row.seed_stats[0] if row.seed_stats else row.best
        for name, row in rows.items()
        if row.best is not None and row.metric == judge
    }
    goals = {row.goal for row in rows.values() if row.judge == judge}
    return CompareColumn("best", texts, values, lower_is_better=Goal.HIGHER not in goals)


def _text_column(name: str, versions: Mapping[str, Version], format_value: Callable[[Version], str]) -> CompareColumn:
    return CompareColumn(name, {v: clean_line(format_value(version)) for v, version in versions.items()}, {})


def _number_column(
    name: str,
    rows: Mapping[str, VersionRow],
    get_value: Callable[[VersionRow], float | None],
    format_value: Callable[[float], str],
    *,
    lower_is_better: bool = True,
) -> CompareColumn:
    numbers = {v: float(x) for v, row in rows.items() if (x := get_value(row)) is not None}
    return CompareColumn(name, {v: format_value(x) for v, x in numbers.items()}, numbers, lower_is_better)


def visible_columns(columns: Sequence[CompareColumn], selected: int, room: int) -> range:
    """The range of columns that fit `room` cells beside the first one, including the column at `selected`."""
    left = room - _MARK_WIDTH - columns[0].cell_width

    def fitting_count(first: int) -> int:
        used_width, count = 0, 0
        for column in columns[first:]:
            used_width += len(_GAP) + column.cell_width
            if used_width > left:
                break
            count += 1
        return max(1, count)

    first = 1
    while selected >= first + fitting_count(first) and first < len(columns) - 1:
        first += 1
    return range(first, min(len(columns), first + fitting_count(first)))


def header_row(
    columns: Sequence[CompareColumn], visible: range, sorted_by: int, selected: int, reverse: bool, room: int
) -> Line:
    """The header: the selected column is highlighted, the column that sorts has an arrow, › marks more to the right."""
    spans: list[Span | str] = [" " * _MARK_WIDTH]
    for i in (0, *visible):
        arrow = (" ▼" if reverse else " ▲") if i == sorted_by else ""
        name = truncate(columns[i].name, columns[i].cell_width - len(arrow)) + arrow
        spans += [*_cell_line(line((name, "key" if i == selected else "quiet")), columns[i]), _GAP]
    more = visible.stop < len(columns)
    return pad(line(*spans, ("›" if more else "", "quiet")), room)


def version_row(
    columns: Sequence[CompareColumn], visible: range, name: str, *, is_selected: bool, is_marked: bool, room: int
) -> Line:
    """The line of one version."""
    spans: list[Span | str] = [("▌" if is_selected else " ", "mark"), ("■ " if is_marked else "  ", "mark")]
    for i in (0, *visible):
        text = truncate(columns[i].texts.get(name, ""), columns[i].cell_width)
        spans += [*_cell_line(line((text, "strong" if i == 0 and is_selected else "")), columns[i]), _GAP]
    return pad(line(*spans), room)


def _cell_line(text: Line, column: CompareColumn) -> Line:
    if not column.is_numeric:
        return pad(text, column.cell_width)
    text_width = sum(cell_width(part) for part, _ in text)
    return line(" " * (column.cell_width - text_width), *text)
