"""The screen of charts of any runs and versions: metrics over step, epoch, time or samples, with zoom.

A thread reads and draws (`services.charts.session`). The screen requests a picture when a key is pressed or a run went
on, one at a time, and repaints the cells that changed.
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

from imgexp_tui.text import clean_line, join_names
from imgexp_tui.tui.theme import line_colour_rules
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.tui.widgets.base.styled_view import StyledScreen, StyledView
from imgexp_tui.views.charts import navigation
from imgexp_tui.views.charts.model import (
    BAND_MODES,
    CURVE_ROLES,
    SMOOTHING_STRENGTHS,
    ChartChoice,
    ChartPicture,
    ChartRequest,
)
from imgexp_tui.views.styled import justify, line

if TYPE_CHECKING:
    from imgexp_tui.services.charts.session import ChartSession

_POLL_INTERVAL, _READING_POLL_INTERVAL = 0.75, 0.05
"""Seconds between two polls. They are frequent while a long record is read, to show its progress."""
# Least used first: these leave a footer that has no room for all keys.
_DROPPABLE_KEYS = (
    "reset_view",
    "log_x",
    "pan",
    "every_run",
    "gradients",
    "log_y",
    "smooth",
    "band",
    "all_metrics",
    "zoom",
)


class ChartsScreen(StyledScreen[None]):
    """The charts of some versions or runs.

    Args:
        lab: the lab's folder.
        choices: the versions, or runs of them, to chart.
        metric: the first metric; "" for the one that judges runs.
        steps: a range of steps that is marked and zoomed to; None for all.
    """

    CSS_PATH = "charts.tcss"
    AUTO_FOCUS = ""
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"line--{role}" for role in CURVE_ROLES}
    DEFAULT_CSS = f"""
    ChartsScreen {{
        {line_colour_rules(lambda colours: dict(zip(CURVE_ROLES, colours.curves, strict=True)))}
    }}
    """
    BINDINGS = [
        Binding("escape,q,c", "close", "Back"),
        Binding("m,tab", "metric(1)", "Metric", key_display="m", tooltip="Next metric"),
        Binding("M,shift+tab", "metric(-1)", "Previous metric", show=False),
        Binding("a", "all_metrics", "All", tooltip="All metrics as small charts, or one large chart"),
        Binding("x", "axis", "Axis", tooltip="x: step, epoch, time of training, samples seen"),
        Binding("left", "cursor(-1)", "Cursor", key_display="←→", tooltip="Move the cursor, which reads the curves"),
        Binding("right", "cursor(1)", "Cursor right", show=False, tooltip="Move the cursor to the right"),
        Binding("shift+left,H", "cursor(-10)", "Far left", show=False, tooltip="Move the cursor far to the left"),
        Binding("shift+right,L", "cursor(10)", "Far right", show=False, tooltip="Move the cursor far to the right"),
        Binding("plus,equals_sign,up", "zoom(0.5)", "Zoom", key_display="+−", tooltip="Zoom in at the cursor"),
        Binding("minus,down", "zoom(2)", "Zoom out", show=False, tooltip="Zoom out"),
        Binding("comma", "pan(-0.25)", "Pan", key_display=",.", tooltip="Pan to the left"),
        Binding("full_stop", "pan(0.25)", "Pan right", show=False, tooltip="Pan to the right"),
        Binding("0", "reset_view", "Whole", tooltip="All of the x axis again, without a cursor"),
        Binding("y", "log_y", "Log y", tooltip="Logarithmic y axis, or not"),
        Binding("X", "log_x", "Log x", tooltip="Logarithmic x axis, or not"),
        Binding("s", "smooth", "Smooth", tooltip="Smooth more, and not at all again; what was measured stays, faint"),
        Binding("b", "band", "Band", tooltip="Runs of several seeds: mean with min–max, mean ± std, or each"),
        Binding("n", "gradients", "Gradients", tooltip="Gradient norms per group of layers, over depth and over time"),
        Binding("r", "every_run", "Every run", tooltip="Every run of these versions, or the newest ones alone"),
        Binding("question_mark,f1", "app.help", "Keys", key_display="?"),
    ]

    def __init__(
        self, lab: Path, choices: Sequence[ChartChoice], metric: str = "", steps: tuple[int, int] | None = None
    ) -> None:
        super().__init__()
        self._lab = lab
        self._choices = tuple(choices)
        self._request = ChartRequest(metric=metric, marked_steps=steps)
        self._initial_steps = steps
        self._picture = ChartPicture()
        self._chart_session: ChartSession | None = None
        self._polling = self._poll_again = False
        self._every_run = False
        self._drag: tuple[int, tuple[float, float]] | None = None

    def compose(self) -> ComposeResult:
        yield StyledView(id="title")
        yield StyledView(id="chart")
        yield KeyFooter(_DROPPABLE_KEYS)

    def on_mount(self) -> None:
        self._view = self.query_one("#chart", StyledView)
        self._view.set_lines([line((" reading the runs…", "quiet"))])
        self._update_title()
        self._timer = self.set_interval(_POLL_INTERVAL, self._poll)

    def on_resize(self) -> None:
        self.call_after_refresh(self._request_size)

    def _request_size(self) -> None:
        size = self._view.size
        if size.width > 0:
            self._update_request(width=size.width, height=size.height)

    def _update_request(self, **changes: object) -> None:
        """Change what is drawn, and draw it."""
        self._request = replace(self._request, **changes)  # type: ignore[arg-type]
        self._poll()

    @work(group="poll")
    async def _poll(self) -> None:
        """Draw the request, one at a time. Of the requests made meanwhile only the newest is drawn after it."""
        self._poll_again = True
        if self._polling:
            return
        self._polling = True
        try:
            while self._poll_again:
                self._poll_again = False
                await self._poll_once()
        finally:
            self._polling = False

    async def _poll_once(self) -> None:
        if self._chart_session is None:
            self._chart_session = await asyncio.to_thread(_open_session, self._lab, self._choices)
        if self._initial_steps:
            steps = await asyncio.to_thread(self._chart_session.to_steps, self._request.metric, self._initial_steps)
            span = await asyncio.to_thread(self._chart_session.span_around, steps, self._request.axis)
            self._request, self._initial_steps = replace(self._request, span=span, marked_steps=steps), None
        picture = await asyncio.to_thread(self._chart_session.refresh, self._request)
        if picture and self.is_mounted:
            self._show_picture(picture)

    def _show_picture(self, picture: ChartPicture) -> None:
        before, self._picture = self._picture, picture
        with self.app.batch_update():
            self._update_title()
            lines = picture.lines or (line((f" {clean_line(picture.problem)}", "quiet")),)
            self._view.set_lines(list(lines))
        if _available_keys(before) != _available_keys(picture):
            self.refresh_bindings()
        if before.is_reading != picture.is_reading:
            self._timer.stop()
            self._timer = self.set_interval(
                _READING_POLL_INTERVAL if picture.is_reading else _POLL_INTERVAL, self._poll
            )

    def _update_title(self) -> None:
        picture = self._picture
        names = list(dict.fromkeys(choice.version for choice in self._choices))
        left = line((" Charts ", "title"), (clean_line(join_names(names)), "strong"))
        labels = [f"x: {picture.axis}"]
        if picture.panels:
            labels.insert(0, f"{picture.panels.index(picture.metric) + 1}/{len(picture.panels)}")
        if self._request.span:
            labels.append("zoomed")
        if picture.is_reading:
            labels.insert(0, "reading…")
        self.query_one("#title", StyledView).set_lines(
            [justify(left, line((f"{'  '.join(labels)} ", "quiet")), self.size.width)]
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "band":
            return self._picture.has_groups
        if action == "gradients":
            return self._picture.has_gradients
        if action == "all_metrics":
            return len(self._picture.panels) > 1
        return True

    def action_close(self) -> None:
        self.dismiss()

    def action_metric(self, offset: int) -> None:
        panels = self._picture.panels
        if panels:
            self._update_request(metric=panels[(panels.index(self._picture.metric) + offset) % len(panels)])

    def action_all_metrics(self) -> None:
        self._update_request(show_grid=not self._request.show_grid)

    @work(group="axis")
    async def action_axis(self) -> None:
        axes = self._picture.axes
        if self._chart_session is None or self._picture.axis not in axes:
            return
        axis = axes[(axes.index(self._picture.axis) + 1) % len(axes)]
        if len(axes) == 1:
            self.app.notify("The record tells neither epochs nor times: there is no other x axis.", markup=False)
            return
        self._request = await asyncio.to_thread(
            self._chart_session.with_axis, replace(self._request, axis=self._picture.axis), axis
        )
        self._poll()

    def action_gradients(self) -> None:
        self._update_request(show_gradients=not self._request.show_gradients)

    def action_log_y(self) -> None:
        self._update_request(log_y=not self._request.log_y)

    def action_log_x(self) -> None:
        self._update_request(log_x=not self._request.log_x)

    def action_smooth(self) -> None:
        self._update_request(
            smoothing=SMOOTHING_STRENGTHS[
                (SMOOTHING_STRENGTHS.index(self._request.smoothing) + 1) % len(SMOOTHING_STRENGTHS)
            ]
        )

    def action_band(self) -> None:
        self._update_request(band_mode=BAND_MODES[(BAND_MODES.index(self._request.band_mode) + 1) % len(BAND_MODES)])

    @work(group="every_run", exclusive=True)
    async def action_every_run(self) -> None:
        if self._chart_session:
            self._every_run = not self._every_run
            await asyncio.to_thread(self._chart_session.select_runs, all_runs=self._every_run)
            self._poll()

    def action_cursor(self, cells: int) -> None:
        self._update_request(**navigation.move_cursor(self._picture, self._request.cursor, cells))

    def action_zoom(self, factor: float) -> None:
        self._update_request(span=navigation.zoom(self._picture, factor, self._request.cursor))

    def action_pan(self, share: float) -> None:
        self._update_request(span=navigation.pan(self._picture, share))

    def action_reset_view(self) -> None:
        self._update_request(span=None, cursor=None)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        self._zoom_at_cell(event.screen_x, 0.8)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        self._zoom_at_cell(event.screen_x, 1.25)

    def _zoom_at_cell(self, cell: int, factor: float) -> None:
        self._update_request(span=navigation.zoom(self._picture, factor, navigation.x_at(self._picture, cell)))

    def on_mouse_down(self, event: MouseDown) -> None:
        if event.screen_y > 0:
            self._drag = (event.screen_x, self._picture.window)

    def on_mouse_move(self, event: MouseMove) -> None:
        if self._drag and event.button:
            self._update_request(span=navigation.drag(self._picture, self._drag[1], event.screen_x - self._drag[0]))

    def on_mouse_up(self, event: MouseUp) -> None:
        start, self._drag = self._drag, None
        if start and start[0] == event.screen_x:
            x = navigation.x_at(self._picture, event.screen_x)
            if x is not None:
                self._update_request(cursor=x)

    def on_click(self, event: Click) -> None:
        event.stop()


def _available_keys(picture: ChartPicture) -> tuple[bool, bool, bool]:
    """Returns what decides which keys do something."""
    return picture.has_groups, picture.has_gradients, len(picture.panels) > 1


def _open_session(lab: Path, choices: Sequence[ChartChoice]) -> ChartSession:
    """Open the charts' session. Call it in a thread: NumPy takes a while to load."""
    from imgexp_tui.services.charts.session import ChartSession

    return ChartSession(lab, choices)
