"""The versions as a table that can be sorted and narrowed by any column: what each reached, and what differs in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from imgexp_tui.notebook.diff import shown
from imgexp_tui.notebook.model import Notebook, Version
from imgexp_tui.notebook.schema.settings import SETTINGS
from imgexp_tui.text import clean_line, fit, number, width
from imgexp_tui.views.lab import Row
from imgexp_tui.views.styled import Line, Span, line, pad

_WIDEST = 24
_GAP = "  "
_MARK = 3


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        texts: version → what stands in its cell.
        values: version → a number to sort by, for those that have one; the others are sorted by their text.
        falls: whether the lowest is the best, so that sorting begins with it.
    """

    name: str
    texts: Mapping[str, str]
    values: Mapping[str, float]
    falls: bool = True

    @cached_property
    def size(self) -> int:
        return min(_WIDEST, max([width(self.name) + 2, *(width(t) for t in self.texts.values())]))

    @cached_property
    def figures(self) -> bool:
        """Whether it holds figures only, which stand at the right."""
        return all(name in self.values for name, text in self.texts.items() if text)

    def ordered(self, names: Iterable[str], *, backwards: bool) -> list[str]:
        """The versions by this column; those that have nothing in it come last either way."""
        names = list(names)
        empty = [n for n in names if not self.texts.get(n)]
        full = [n for n in names if self.texts.get(n)]
        numbers = [n for n in full if n in self.values]
        words = [n for n in full if n not in self.values]
        numbers.sort(key=lambda n: self.values[n], reverse=backwards is self.falls)
        words.sort(key=lambda n: _as_read(self.texts[n]), reverse=backwards)
        return numbers + words + empty


def _as_read(text: str) -> list[str | int]:
    """Sorts numbers in a text by their value: v2 stands before v10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", text.casefold())]


def all_columns(book: Notebook, rows: Mapping[str, Row]) -> list[Column]:
    """The results, then every setting that is not the same in all versions."""
    versions = book.versions
    known = {name: rows[name] for name in versions if name in rows}
    results = [
        _texts("version", versions, lambda v: v.name),
        _texts("state", versions, lambda v: known[v.name].state if v.name in known else ""),
        _best(known),
        _numbers("accuracy", known, lambda r: r.accuracy, lambda a: f"{100 * a:.1f} %", falls=False),
        _numbers("epoch", known, lambda r: r.epoch, lambda e: f"{e:g}", falls=False),
        _numbers("runs", known, lambda r: r.runs or None, lambda n: f"{n:g}", falls=False),
        _texts("base", versions, lambda v: v.base or ""),
    ]
    return [column for column in results if any(column.texts.values())] + _settings(versions)


def _settings(versions: Mapping[str, Version]) -> list[Column]:
    configs = {name: version.config for name, version in versions.items()}
    order = {name: i for i, name in enumerate(SETTINGS)}
    names = sorted({key for c in configs.values() for key in c}, key=lambda n: (order.get(n, len(order)), n))
    found = []
    for name in names:
        texts = {v: clean_line(shown(name, c.get(name))) if name in c else "" for v, c in configs.items()}
        if len(set(texts.values())) > 1:
            values = {v: float(x) for v, c in configs.items() if isinstance(x := c.get(name), int | float)}
            found.append(Column(name, texts, values))
    return found


def _best(rows: Mapping[str, Row]) -> Column:
    """The best loss; of several seeds the mean and the spread."""
    values = {name: row.seeds[0] if row.seeds else row.best for name, row in rows.items()}
    found = {name: value for name, value in values.items() if value is not None}
    spread = {name: f" ±{number(row.seeds[1])}" for name, row in rows.items() if row.seeds}
    return Column("best loss", {n: number(v) + spread.get(n, "") for n, v in found.items()}, found)


def _texts(name: str, versions: Mapping[str, Version], say: Callable[[Version], str]) -> Column:
    return Column(name, {v: clean_line(say(version)) for v, version in versions.items()}, {})


def _numbers(
    name: str,
    rows: Mapping[str, Row],
    value: Callable[[Row], float | None],
    say: Callable[[float], str],
    *,
    falls: bool = True,
) -> Column:
    found = {v: float(x) for v, row in rows.items() if (x := value(row)) is not None}
    return Column(name, {v: say(x) for v, x in found.items()}, found, falls)


def in_sight(columns: Sequence[Column], at: int, room: int) -> range:
    """The columns that fit, the version's and the one at `at` among them, as indices of those after the first."""
    left = room - _MARK - columns[0].size

    def fits(first: int) -> int:
        taken, count = 0, 0
        for column in columns[first:]:
            taken += len(_GAP) + column.size
            if taken > left:
                break
            count += 1
        return max(1, count)

    first = 1
    while at >= first + fits(first) and first < len(columns) - 1:
        first += 1
    return range(first, min(len(columns), first + fits(first)))


def head(columns: Sequence[Column], sight: range, sorted_by: int, at: int, backwards: bool, room: int) -> Line:
    """The columns' names; the one that the keys act on is marked, the one that sorts has an arrow."""
    spans: list[Span | str] = [" " * _MARK]
    for i in (0, *sight):
        arrow = (" ▼" if backwards else " ▲") if i == sorted_by else ""
        name = fit(columns[i].name, columns[i].size - len(arrow)) + arrow
        spans += [*_cell(line((name, "key" if i == at else "quiet")), columns[i]), _GAP]
    more = sight.stop < len(columns)
    return pad(line(*spans, ("›" if more else "", "quiet")), room)


def row(columns: Sequence[Column], sight: range, name: str, *, here: bool, marked: bool, room: int) -> Line:
    """A version's line."""
    spans: list[Span | str] = [("▌" if here else " ", "mark"), ("■ " if marked else "  ", "mark")]
    for i in (0, *sight):
        text = fit(columns[i].texts.get(name, ""), columns[i].size)
        spans += [*_cell(line((text, "strong" if i == 0 and here else "")), columns[i]), _GAP]
    return pad(line(*spans), room)


def _cell(text: Line, column: Column) -> Line:
    if not column.figures:
        return pad(text, column.size)
    taken = sum(width(part) for part, _ in text)
    return line(" " * (column.size - taken), *text)
