"""Draws the table of versions on the main screen: which columns there are, how wide they are, and their cells.

A new column, such as another metric, is added to `_COLUMN_NAMES`, `fit_columns` and `_cell_lines`; its value comes from
`views.lab.VersionRow`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from imgexp_tui.notebook.model import Version
from imgexp_tui.notebook.schema.metrics import DEFAULT_JUDGES, Unit
from imgexp_tui.text import clean_line, first_line, format_age, format_number, truncate
from imgexp_tui.views.lab import VersionRow
from imgexp_tui.views.styled import Line, Span, line, line_width, pad

STATE_SIGNS = {
    "queued": ("◌", "warn"),
    "running": ("●", "live"),
    "no heartbeat": ("◍", "warn"),
    "finished": ("✓", "good"),
    "stopped": ("■", "rest"),
    "failed": ("✗", "bad"),
    "killed": ("✗", "bad"),
    "lost": ("?", "warn"),
}
"""State → its sign and role; the state's name always stands next to the sign."""
_GAP = "  "
_WIDE_FROM = 120
_LOSS_WIDTH = len("train 0.7119")
_COLUMN_NAMES = ("name", "base", "state", "best loss", "accuracy", "epoch", "curve", "summary", "notes")
_SHORT_NAMES = {"best loss": "loss", "accuracy": "acc", "notes": "age"}
_RIGHT_ALIGNED = {"best loss", "accuracy", "epoch", "notes"}


def state_span(state: str) -> Span:
    """A state as sign and name."""
    sign, role = STATE_SIGNS.get(state, ("", ""))
    return f"{sign} {state}".strip(), role


@dataclass(frozen=True, slots=True)
class TableColumns:
    """The columns of a table that is `room` cells wide; equal objects give the same layout.

    Attributes:
        widths: name and width in cells of every column.
        curve_width: width of the curve column in cells.
    """

    room: int
    widths: tuple[tuple[str, int], ...]
    curve_width: int
    is_judged_by_default: bool = True

    def header_row(self) -> Line:
        """The header of the table."""
        is_wide = self.room >= _WIDE_FROM
        labels = {name: name if is_wide else _SHORT_NAMES.get(name, name) for name, _ in self.widths}
        if not self.is_judged_by_default:
            labels["best loss"] = "best"
        texts = {name: line((text, "quiet")) for name, text in labels.items()}
        return self._layout_row(line("  "), texts)

    def version_row(
        self, version: Version, row: VersionRow | None, *, has_draft: bool, is_selected: bool, now: float | None = None
    ) -> Line:
        """The line of one version.

        Args:
            row: the values of its runs; None before they are read.
            now: seconds since the epoch, for the age of the notes; None reads the clock.
        """
        mark = line(("▌" if is_selected else " ", "mark"), ("!", "bad") if version.problems else " ")
        return self._layout_row(
            mark, _cell_lines(version, row, self, has_draft=has_draft, is_selected=is_selected, now=now)
        )

    def _layout_row(self, mark: Line, texts: dict[str, Line]) -> Line:
        parts: list[Span | str] = [*mark]
        for i, (name, width) in enumerate(self.widths):
            text = pad(texts[name], width)
            if name in _RIGHT_ALIGNED and (short := width - line_width(texts[name])) > 0:
                text = line(" " * short, *texts[name])
            parts += [*text, _GAP if i + 1 < len(self.widths) else ""]
        return pad(line(*parts), self.room)


def fit_columns(
    room: int, versions: Iterable[Version], rows: dict[str, VersionRow], drafts: frozenset[str]
) -> TableColumns:
    """The columns for these versions: as wide as their texts, with the rest of `room` cells for the summary.

    Columns of measured values have their final width from the start, so nothing moves during a run's first epoch.
    """
    is_wide = room >= _WIDE_FROM
    versions = list(versions)
    known = [rows[v.name] for v in versions if v.name in rows]
    sizes = {
        "name": max([4, *(min(len(v.name), 24 if is_wide else 12) for v in versions)]),
        "base": max([4, *(min(len(v.base or ""), 16) for v in versions)]) if is_wide else 0,
        "state": max([10, *(len(row.state) + 2 + len(_format_seed_progress(row)) for row in known)]),
        "best loss": max([_LOSS_WIDTH, *(len(_format_best(row)) for row in known)]),
        "accuracy": 8 if is_wide else 4,
        "epoch": max([5, *(max(len(_format_epoch(row)), 2 * len(str(row.epochs or 0)) + 1) for row in known)]),
        "curve": 24 if is_wide else 8,
        "summary": 0,
        "notes": 5 if is_wide or drafts else 3,
    }
    names = [name for name in _COLUMN_NAMES if sizes[name] or name == "summary"]
    used_width = 2 + sum(sizes.values()) + len(_GAP) * (len(names) - 1)
    sizes["summary"] = max(0, room - used_width)
    widths = tuple((name, sizes[name]) for name in names)
    return TableColumns(room, widths, sizes["curve"], all(_is_judged_by_default(row) for row in known))


def _cell_lines(
    version: Version,
    row: VersionRow | None,
    columns: TableColumns,
    *,
    has_draft: bool,
    is_selected: bool,
    now: float | None,
) -> dict[str, Line]:
    row = row or VersionRow()
    summary = first_line(version.summary)
    borrowed = "quiet" if row.is_from_other_run else ""
    curve_role = "train" if row.metric.startswith("train") else "valid"
    return {
        "name": line(
            (truncate(clean_line(version.name), 24), "strong" if is_selected else "quiet" if version.archived else "")
        ),
        "base": line((clean_line(version.base or ""), "quiet")),
        "state": line(_state_cell(version, row)),
        "best loss": line((_format_best(row), "quiet" if row.is_from_other_run else "strong")),
        "accuracy": line(("" if row.accuracy is None else f"{row.accuracy * 100:.0f} %", borrowed)),
        "epoch": line((_format_epoch(row), "" if row.live else "quiet")),
        "curve": line((_curve_sparkline(row, columns.curve_width), curve_role)),
        "summary": line((summary or "no summary yet", "" if summary else "quiet")),
        "notes": line(("draft", "warn") if has_draft else (format_row_age(row.notes_changed, now), "quiet")),
    }


def _state_cell(version: Version, row: VersionRow) -> Span:
    if row.state:
        text, role = state_span(row.state)
        return text + _format_seed_progress(row), role
    if not version.runnable:
        return "! broken", "bad"
    return "– no run", "quiet"


def _format_seed_progress(row: VersionRow) -> str:
    """Format how many runs of the seed group have ended: " 1/3"; "" without a group."""
    return f" {row.seed_progress[0]}/{row.seed_progress[1]}" if row.seed_progress else ""


def _is_judged_by_default(row: VersionRow) -> bool:
    return row.judge in ("", DEFAULT_JUDGES[0])


def _format_best(row: VersionRow) -> str:
    """Format the best loss, for several seeds the mean with the standard deviation; a training loss is labelled."""
    if row.best is None:
        return ""
    if not _is_judged_by_default(row):
        return format_judged_best(row)
    if row.seed_stats and not row.metric.startswith("train"):
        return f"{format_number(row.seed_stats[0])} ±{format_number(row.seed_stats[1])}"
    return f"train {format_number(row.best)}" if row.metric.startswith("train") else format_number(row.best)


def format_judged_best(row: VersionRow) -> str:
    """The best value of a version that names its judge, with the metric's name; over seeds with its spread."""
    if row.best is None:
        return ""
    from imgexp_tui.records.metrics.metric import DEFAULT_METRICS  # the first frame needs none of it

    metric = replace(DEFAULT_METRICS[row.metric], unit=Unit(row.unit or Unit.NUMBER))
    name = row.metric.removeprefix("valid/")
    if row.seed_stats:
        return f"{name} {metric.format_value(row.seed_stats[0])} ±{metric.format_value(row.seed_stats[1])}"
    return f"{name} {metric.format_value(row.best)}"


def _format_epoch(row: VersionRow) -> str:
    if row.epoch is None:
        return ""
    return f"{row.epoch}/{row.epochs}" if row.epochs else str(row.epoch)


def format_row_age(notes_changed: float | None, now: float | None) -> str:
    """Format the age of notes at `now`, in minutes or larger units; "" for notes that were never changed."""
    return "" if notes_changed is None else format_age(max(0.0, (time.time() if now is None else now) - notes_changed))


def format_version_count(count: int) -> str:
    """Format the number of versions: "1 version", "2 versions"."""
    return "1 version" if count == 1 else f"{count:,} versions"


def app_header(
    title: str, live_count: int, queued_count: int, count: int, room: int, displayed_count: int | None = None
) -> Line:
    """The first line of the app: the lab's title, the number of running and queued runs, and of versions.

    Args:
        count: number of versions.
        displayed_count: number of versions that a filter leaves; None without a filter.
    """
    name = line((" imgexp-tui ", "title"), " ", (clean_line(title), "strong"))
    running = live_count - queued_count
    under_way = (f"● {running:,} running", "live") if running else ("nothing running", "quiet")
    waiting = (f" · {queued_count:,} queued", "warn") if queued_count else ("", "")
    versions = format_version_count(count)
    if displayed_count is not None and displayed_count != count:
        versions = f"{displayed_count:,} of {versions}"
    right = line(under_way, waiting, (f" · {versions} ", "quiet"))
    return pad(name, room) if line_width(right) > room // 2 else line(*pad(name, room - line_width(right)), *right)


def _curve_sparkline(row: VersionRow, room: int) -> str:
    if not row.sparkline:
        return ""
    from imgexp_tui.views.charts.sparkline import block_sparkline  # imported late: the first frame has no curves

    return block_sparkline(row.sparkline, room)
