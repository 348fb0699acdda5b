"""Charts of any runs and versions on the whole screen: every extreme at every zoom, over four kinds of x.

A thread reads and draws; the screen asks for a picture when a key was pressed or a run has gone on, one at a time, and
shows the cells that changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.events import Click, MouseDown, MouseMove, MouseScrollDown, MouseScrollUp, MouseUp

from imgexp_tui.text import clean_line, listed
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.tui.widgets.base.styled_view import LineScreen, LineView
from imgexp_tui.views.charts import navigation
from imgexp_tui.views.charts.model import BANDS, STRENGTHS, Asked, Choice, Picture
from imgexp_tui.views.styled import line, spread

if TYPE_CHECKING:
    from imgexp_tui.services.charts.session import ChartLook

_PACE, _READING_PACE = 0.75, 0.05
"""Seconds between two looks; while a long record is being read, what is found is to be seen at once."""
# Least often wanted first: these go from a footer that has no room for all keys.
_SPARE = ("whole", "log_x", "pan", "every", "gradients", "log_y", "smooth", "band", "many", "zoom")


class ChartsScreen(LineScreen[None]):
    """Closed by the usual keys.

    Args:
        lab: the lab's folder.
        choices: the versions, or runs of them, that are charted.
        metric: the metric to begin with; "" for the one by which runs are judged.
        steps: a stretch of steps that is marked and brought into sight; None for all.
    """

    CSS_PATH = "charts.tcss"
    AUTO_FOCUS = ""
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"line--curve{i}" for i in range(6)}
    BINDINGS = [
        Binding("escape,q,c", "close", "Back"),
        Binding("m,tab", "metric(1)", "Metric", key_display="m", tooltip="Next metric"),
        Binding("M,shift+tab", "metric(-1)", "Previous metric", show=False),
        Binding("a", "many", "All", tooltip="All metrics as small charts, or one large chart"),
        Binding("x", "axis", "Axis", tooltip="x: step, epoch, time of training, samples seen"),
        Binding("left", "cursor(-1)", "Cursor", key_display="←→", tooltip="Move the cursor, which reads the curves"),
        Binding("right", "cursor(1)", "Cursor right", show=False, tooltip="Move the cursor to the right"),
        Binding("shift+left,H", "cursor(-10)", "Far left", show=False, tooltip="Move the cursor far to the left"),
        Binding("shift+right,L", "cursor(10)", "Far right", show=False, tooltip="Move the cursor far to the right"),
        Binding("plus,equals_sign,up", "zoom(0.5)", "Zoom", key_display="+−", tooltip="Zoom in at the cursor"),
        Binding("minus,down", "zoom(2)", "Zoom out", show=False, tooltip="Zoom out"),
        Binding("comma", "pan(-0.25)", "Pan", key_display=",.", tooltip="Pan to the left"),
        Binding("full_stop", "pan(0.25)", "Pan right", show=False, tooltip="Pan to the right"),
        Binding("0", "whole", "Whole", tooltip="All of the x axis again, without a cursor"),
        Binding("y", "log_y", "Log y", tooltip="Logarithmic y axis, or not"),
        Binding("X", "log_x", "Log x", tooltip="Logarithmic x axis, or not"),
        Binding("s", "smooth", "Smooth", tooltip="Smooth more, and not at all again; what was measured stays, faint"),
        Binding("b", "band", "Band", tooltip="Runs of several seeds: mean with min–max, mean ± std, or each"),
        Binding("n", "gradients", "Gradients", tooltip="Gradient norms per group of layers, over depth and over time"),
        Binding("r", "every", "Every run", tooltip="Every run of these versions, or the newest ones alone"),
        Binding("question_mark,f1", "app.help", "Keys", key_display="?"),
    ]

    def __init__(
        self, lab: Path, choices: Sequence[Choice], metric: str = "", steps: tuple[int, int] | None = None
    ) -> None:
        super().__init__()
        self._lab = lab
        self._choices = tuple(choices)
        self._asked = Asked(metric=metric, steps=steps)
        self._steps = steps
        self._picture = Picture()
        self._chart: ChartLook | None = None
        self._looking = self._again = False
        self._every = False
        self._drag: tuple[int, tuple[float, float]] | None = None

    def compose(self) -> ComposeResult:
        yield LineView(id="title")
        yield LineView(id="chart")
        yield KeyFooter(_SPARE)

    def on_mount(self) -> None:
        self._view = self.query_one("#chart", LineView)
        self._view.show([line((" reading the runs…", "quiet"))])
        self._title()
        self._timer = self.set_interval(_PACE, self._see)

    def on_resize(self) -> None:
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        size = self._view.size
        if size.width > 0:
            self._ask(width=size.width, height=size.height)

    # Looking

    def _ask(self, **changes: object) -> None:
        """Draw something else from now on."""
        self._asked = replace(self._asked, **changes)  # type: ignore[arg-type]
        self._see()

    @work(group="look")
    async def _see(self) -> None:
        """Look, one look at a time: what was asked meanwhile is looked at after it, the latest alone."""
        self._again = True
        if self._looking:
            return
        self._looking = True
        try:
            while self._again:
                self._again = False
                await self._look_once()
        finally:
            self._looking = False

    async def _look_once(self) -> None:
        if self._chart is None:
            self._chart = await asyncio.to_thread(_open, self._lab, self._choices)
        if self._steps:
            steps = await asyncio.to_thread(self._chart.steps_of, self._asked.metric, self._steps)
            span = await asyncio.to_thread(self._chart.span_of, steps, self._asked.axis)
            self._asked, self._steps = replace(self._asked, span=span, steps=steps), None
        found = await asyncio.to_thread(self._chart.look, self._asked)
        if found and self.is_mounted:
            self._show(found)

    def _show(self, picture: Picture) -> None:
        before, self._picture = self._picture, picture
        with self.app.batch_update():
            self._title()
            lines = picture.lines or (line((f" {clean_line(picture.trouble)}", "quiet")),)
            self._view.show(list(lines))
        if _offered(before) != _offered(picture):
            self.refresh_bindings()
        if before.reading != picture.reading:
            self._timer.stop()
            self._timer = self.set_interval(_READING_PACE if picture.reading else _PACE, self._see)

    def _title(self) -> None:
        picture = self._picture
        names = list(dict.fromkeys(choice.version for choice in self._choices))
        left = line((" Charts ", "title"), (clean_line(listed(names)), "strong"))
        told = [f"x: {picture.axis}"]
        if picture.panels:
            told.insert(0, f"{picture.panels.index(picture.metric) + 1}/{len(picture.panels)}")
        if self._asked.span:
            told.append("zoomed")
        if picture.reading:
            told.insert(0, "reading…")
        self.query_one("#title", LineView).show([spread(left, line((f"{'  '.join(told)} ", "quiet")), self.size.width)])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "band":
            return self._picture.groups
        if action == "gradients":
            return self._picture.gradients
        if action == "many":
            return len(self._picture.panels) > 1
        return True

    # Keys

    def action_close(self) -> None:
        self.dismiss()

    def action_metric(self, places: int) -> None:
        panels = self._picture.panels
        if panels:
            self._ask(metric=panels[(panels.index(self._picture.metric) + places) % len(panels)])

    def action_many(self) -> None:
        self._ask(many=not self._asked.many)

    @work(group="axis")
    async def action_axis(self) -> None:
        axes = self._picture.axes
        if self._chart is None or self._picture.axis not in axes:
            return
        axis = axes[(axes.index(self._picture.axis) + 1) % len(axes)]
        if len(axes) == 1:
            self.app.notify("The record tells neither epochs nor times: there is no other x axis.", markup=False)
            return
        self._asked = await asyncio.to_thread(self._chart.turned, replace(self._asked, axis=self._picture.axis), axis)
        self._see()

    def action_gradients(self) -> None:
        self._ask(gradients=not self._asked.gradients)

    def action_log_y(self) -> None:
        self._ask(log_y=not self._asked.log_y)

    def action_log_x(self) -> None:
        self._ask(log_x=not self._asked.log_x)

    def action_smooth(self) -> None:
        self._ask(smooth=STRENGTHS[(STRENGTHS.index(self._asked.smooth) + 1) % len(STRENGTHS)])

    def action_band(self) -> None:
        self._ask(band=BANDS[(BANDS.index(self._asked.band) + 1) % len(BANDS)])

    @work(group="every", exclusive=True)
    async def action_every(self) -> None:
        if self._chart:
            self._every = not self._every
            await asyncio.to_thread(self._chart.spread, every=self._every)
            self._see()

    def action_cursor(self, cells: int) -> None:
        self._ask(**navigation.moved(self._picture, self._asked.cursor, cells))

    def action_zoom(self, factor: float) -> None:
        self._ask(span=navigation.zoomed(self._picture, factor, self._asked.cursor))

    def action_pan(self, share: float) -> None:
        self._ask(span=navigation.panned(self._picture, share))

    def action_whole(self) -> None:
        self._ask(span=None, cursor=None)

    # Mouse

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        self._wheel(event.screen_x, 0.8)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        self._wheel(event.screen_x, 1.25)

    def _wheel(self, cell: int, factor: float) -> None:
        self._ask(span=navigation.zoomed(self._picture, factor, navigation.x_at(self._picture, cell)))

    def on_mouse_down(self, event: MouseDown) -> None:
        if event.screen_y > 0:
            self._drag = (event.screen_x, self._picture.window)

    def on_mouse_move(self, event: MouseMove) -> None:
        if self._drag and event.button:
            self._ask(span=navigation.dragged(self._picture, self._drag[1], event.screen_x - self._drag[0]))

    def on_mouse_up(self, event: MouseUp) -> None:
        begun, self._drag = self._drag, None
        if begun and begun[0] == event.screen_x:
            x = navigation.x_at(self._picture, event.screen_x)
            if x is not None:
                self._ask(cursor=x)

    def on_click(self, event: Click) -> None:
        event.stop()


def _offered(picture: Picture) -> tuple[bool, bool, bool]:
    """What decides over the keys that do something."""
    return picture.groups, picture.gradients, len(picture.panels) > 1


def _open(lab: Path, choices: Sequence[Choice]) -> ChartLook:
    """In the thread that reads: NumPy takes a while to load."""
    from imgexp_tui.services.charts.session import ChartLook

    return ChartLook(lab, choices)
