"""The table of versions as lines: which columns fit, and what stands in them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from imgexp_tui.notebook.model import Version
from imgexp_tui.text import age, clean_line, first_line, fit, number
from imgexp_tui.views.lab import Row
from imgexp_tui.views.styled import Line, Span, cells, line, pad

GLYPHS = {
    "queued": ("◌", "warn"),
    "running": ("●", "live"),
    "no heartbeat": ("◍", "warn"),
    "finished": ("✓", "good"),
    "stopped": ("■", "rest"),
    "failed": ("✗", "bad"),
    "killed": ("✗", "bad"),
    "lost": ("?", "warn"),
}
"""State → its sign and role; the word always stands beside it."""
_GAP = "  "
_WIDE = 120
_LOSS = len("train 0.7119")
_HEADS = ("name", "base", "state", "best loss", "accuracy", "epoch", "curve", "summary", "notes")
_SHORT = {"best loss": "loss", "accuracy": "acc", "notes": "age"}
_RIGHT = {"best loss", "accuracy", "epoch", "notes"}


def state_span(state: str) -> Span:
    """A state as sign and word."""
    sign, role = GLYPHS.get(state, ("", ""))
    return f"{sign} {state}".strip(), role


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table that is `room` cells wide; equal ones lay out the same."""

    room: int
    widths: tuple[tuple[str, int], ...]
    curve: int

    def head(self) -> Line:
        """The line above the versions."""
        wide = self.room >= _WIDE
        texts = {name: line((name if wide else _SHORT.get(name, name), "quiet")) for name, _ in self.widths}
        return self._laid_out(line("  "), texts)

    def row(self, version: Version, row: Row | None, *, draft: bool, here: bool, now: float | None = None) -> Line:
        """A version's line; `row` is None while its runs are not known yet."""
        mark = line(("▌" if here else " ", "mark"), ("!", "bad") if version.problems else " ")
        return self._laid_out(mark, _texts(version, row, self, draft=draft, here=here, now=now))

    def _laid_out(self, mark: Line, texts: dict[str, Line]) -> Line:
        parts: list[Span | str] = [*mark]
        for i, (name, width) in enumerate(self.widths):
            text = pad(texts[name], width)
            if name in _RIGHT and (short := width - cells(texts[name])) > 0:
                text = line(" " * short, *texts[name])
            parts += [*text, _GAP if i + 1 < len(self.widths) else ""]
        return pad(line(*parts), self.room)


def columns(room: int, versions: Iterable[Version], rows: dict[str, Row], drafts: frozenset[str]) -> Columns:
    """The columns for these versions: as wide as their texts, the summary takes what is left.

    What a run will measure has its place from the beginning: in its first epoch nothing moves sideways.
    """
    wide = room >= _WIDE
    versions = list(versions)
    known = [rows[v.name] for v in versions if v.name in rows]
    sizes = {
        "name": max([4, *(min(len(v.name), 24 if wide else 12) for v in versions)]),
        "base": max([4, *(min(len(v.base or ""), 16) for v in versions)]) if wide else 0,
        "state": max([10, *(len(row.state) + 2 + len(_group(row)) for row in known)]),
        "best loss": max([_LOSS, *(len(_best(row)) for row in known)]),
        "accuracy": 8 if wide else 4,
        "epoch": max([5, *(max(len(_epoch(row)), 2 * len(str(row.epochs or 0)) + 1) for row in known)]),
        "curve": 24 if wide else 8,
        "summary": 0,
        "notes": 5 if wide or drafts else 3,
    }
    names = [name for name in _HEADS if sizes[name] or name == "summary"]
    taken = 2 + sum(sizes.values()) + len(_GAP) * (len(names) - 1)
    sizes["summary"] = max(0, room - taken)
    return Columns(room, tuple((name, sizes[name]) for name in names), sizes["curve"])


def _texts(
    version: Version, row: Row | None, at: Columns, *, draft: bool, here: bool, now: float | None
) -> dict[str, Line]:
    row = row or Row()
    summary = first_line(version.summary)
    borrowed = "quiet" if row.borrowed else ""
    curve_role = "train" if row.metric.startswith("train") else "valid"
    return {
        "name": line((fit(clean_line(version.name), 24), "strong" if here else "quiet" if version.archived else "")),
        "base": line((clean_line(version.base or ""), "quiet")),
        "state": line(_state(version, row)),
        "best loss": line((_best(row), "quiet" if row.borrowed else "strong")),
        "accuracy": line(("" if row.accuracy is None else f"{row.accuracy * 100:.0f} %", borrowed)),
        "epoch": line((_epoch(row), "" if row.live else "quiet")),
        "curve": line((_curve(row, at.curve), curve_role)),
        "summary": line((summary or "no summary yet", "" if summary else "quiet")),
        "notes": line(("draft", "warn") if draft else (how_old(row.written, now), "quiet")),
    }


def _state(version: Version, row: Row) -> Span:
    if row.state:
        text, role = state_span(row.state)
        return text + _group(row), role
    if not version.runnable:
        return "! broken", "bad"
    return "– no run", "quiet"


def _group(row: Row) -> str:
    """How many of the seeds that were started together have ended."""
    return f" {row.group[0]}/{row.group[1]}" if row.group else ""


def _best(row: Row) -> str:
    """The best loss, over seeds with its spread; a training loss, which is no fair judge, says so."""
    if row.best is None:
        return ""
    if row.seeds and not row.metric.startswith("train"):
        return f"{number(row.seeds[0])} ±{number(row.seeds[1])}"
    return f"train {number(row.best)}" if row.metric.startswith("train") else number(row.best)


def _epoch(row: Row) -> str:
    if row.epoch is None:
        return ""
    return f"{row.epoch}/{row.epochs}" if row.epochs else str(row.epoch)


def how_old(written: float | None, now: float | None) -> str:
    """The age of notes in minutes or more, as of `now`; "" without a time of writing."""
    return "" if written is None else age(max(0.0, (time.time() if now is None else now) - written))


def versions_told(count: int) -> str:
    """How many versions there are, in words."""
    return "1 version" if count == 1 else f"{count:,} versions"


def header(title: str, live: int, queued: int, count: int, room: int, shown: int | None = None) -> Line:
    """The app's first line: what lab this is, how many runs are under way, how many versions there are, and shown."""
    name = line((" imgexp-tui ", "title"), " ", (clean_line(title), "strong"))
    running = live - queued
    under_way = (f"● {running:,} running", "live") if running else ("nothing running", "quiet")
    waiting = (f" · {queued:,} queued", "warn") if queued else ("", "")
    versions = versions_told(count)
    if shown is not None and shown != count:
        versions = f"{shown:,} of {versions}"
    right = line(under_way, waiting, (f" · {versions} ", "quiet"))
    return pad(name, room) if cells(right) > room // 2 else line(*pad(name, room - cells(right)), *right)


def _curve(row: Row, room: int) -> str:
    if not row.spark:
        return ""
    from imgexp_tui.views.charts.sparkline import blocks  # late: the first frame has no curves

    return blocks(row.spark, room)
