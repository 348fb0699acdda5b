"""The screen of a run's predictions: the validation images it gets most wrong, and the confusion matrix."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from rich.segment import Segment
from rich.style import Style
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from imgexp_tui.paths import RUNS, modified_ns
from imgexp_tui.records import predictions as record
from imgexp_tui.records.predictions import Prediction, Predictions
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.services.actions.runs import ActionError
from imgexp_tui.text import cell_width, clean_line, truncate
from imgexp_tui.tui.terminal import image_cells
from imgexp_tui.tui.widgets.base.action_runner import ActionRunner
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.tui.widgets.base.styled_view import Pane, StyledScreen, StyledView
from imgexp_tui.views.runs.confusion import confusion_lines
from imgexp_tui.views.styled import Line, justify, line

_POLL_INTERVAL = 2.0
_GAP = 2
_CAPTION_LINES = 3
_PICTURE_SIZES = (12, 16, 24, 32, 48)
"""Widths of a picture in cells."""


class PictureGrid(ScrollView):
    """Pictures in rows, each with its class, the predicted class, and the confidence."""

    ALLOW_SELECT = False
    can_focus = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._predictions: Predictions | None = None
        self._chosen_size: int | None = None
        self._cached_pictures: dict[int, list[list[Segment]]] = {}
        self._cached_for: tuple[object, ...] = ()

    def show(self, predictions: Predictions | None) -> None:
        """Show these predictions."""
        if predictions != self._predictions:
            self._predictions = predictions
            self._resize_grid()

    def resize_pictures(self, steps: int) -> None:
        """Make the pictures larger, or smaller with negative `steps`."""
        now = _PICTURE_SIZES.index(self._picture_cells)
        self._chosen_size = _PICTURE_SIZES[max(0, min(len(_PICTURE_SIZES) - 1, now + steps))]
        self._resize_grid()

    @property
    def _picture_cells(self) -> int:
        """The width of a picture: the chosen one, or the largest that fits four a row and two rows."""
        if self._chosen_size is not None:
            return self._chosen_size
        sizes = [
            s
            for s in _PICTURE_SIZES
            if 4 * (s + _GAP) <= self.size.width and 2 * (s // 2 + _CAPTION_LINES) <= self.size.height
        ]
        return max(sizes, default=_PICTURE_SIZES[0])

    @property
    def _columns(self) -> int:
        return max(1, self.size.width // (self._picture_cells + _GAP))

    @property
    def row_height(self) -> int:
        """The height of a row of pictures in lines of the terminal."""
        return self._picture_cells // 2 + _CAPTION_LINES

    def _resize_grid(self) -> None:
        count = len(self._predictions.images) if self._predictions else 0
        rows = -(-count // self._columns)
        self.virtual_size = Size(self.size.width, rows * self.row_height)
        self.refresh()

    def on_resize(self) -> None:
        self._resize_grid()

    def render_line(self, y: int) -> Strip:
        base = self.visual_style.rich_style
        if self._predictions is None:
            return Strip.blank(self.size.width, base)
        row, within = divmod(y + self.scroll_offset.y, self.row_height)
        segments = list(self._row_segments(row, within, base))
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _row_segments(self, row: int, line_in_row: int, base: Style) -> Iterator[Segment]:
        assert self._predictions is not None
        size, count = self._picture_cells, len(self._predictions.images)
        for number in range(row * self._columns, min(count, (row + 1) * self._columns)):
            if line_in_row < size // 2:
                yield from self._picture(number)[line_in_row]
            else:
                text, style = self._caption(self._predictions.images[number], line_in_row - size // 2)
                text = truncate(text, size)
                yield Segment(text + " " * (size - cell_width(text)), base + style)
            yield Segment(" " * _GAP, base)

    def _picture(self, number: int) -> list[list[Segment]]:
        assert self._predictions is not None
        colours, dark = not self.app.no_color, self.app.current_theme.dark
        key = (id(self._predictions), self._picture_cells, colours, dark)
        if key != self._cached_for:
            self._cached_for, self._cached_pictures = key, {}
        if number not in self._cached_pictures:
            self._cached_pictures[number] = image_cells.render_image(
                self._predictions.image_pixels(number),
                self._predictions.side,
                self._picture_cells,
                colours=colours,
                dark_background=dark,
            )
        return self._cached_pictures[number]

    def _caption(self, prediction: Prediction, line_in_caption: int) -> tuple[str, Style]:
        assert self._predictions is not None
        classes = self._predictions.classes
        if line_in_caption == 0:
            wrong = prediction.truth != prediction.predicted
            return f"{'✗' if wrong else '✓'} {clean_line(classes[prediction.truth])}", Style(bold=wrong)
        if line_in_caption == 1:
            return f"{100 * prediction.confidence:.0f} % {clean_line(classes[prediction.predicted])}", Style(dim=True)
        return "", Style.null()


class ConfusionPane(Pane):
    """The confusion matrix: how often each class was predicted as which."""

    _predictions: Predictions | None = None

    def show(self, predictions: Predictions | None) -> None:
        """Show the confusion matrix of these predictions."""
        if predictions != self._predictions:
            self._predictions = predictions
            self.rebuild()

    def build(self, width: int, height: int) -> list[Line]:
        return confusion_lines(self._predictions, width) if self._predictions else []


class PredictionsScreen(StyledScreen[None]):
    """The predictions of one run.

    Args:
        version, run: the run whose predictions are displayed.
    """

    CSS_PATH = "predictions.tcss"
    AUTO_FOCUS = ""
    BINDINGS = [
        Binding("escape,q,p", "close", "Back"),
        Binding("c", "confusion", "Confusion", tooltip="Who is taken for whom, or the pictures again"),
        Binding("b", "toggle_epoch", "Best / last", tooltip="The answers of the best epoch, or of the last one"),
        Binding("plus,equals_sign", "size(1)", "Larger", key_display="+"),
        Binding("minus", "size(-1)", "Smaller", key_display="-"),
        Binding("P", "save", "Save PNG", tooltip="Save the pictures as a PNG beside the run"),
        Binding("j,down", "rows(1)", "Down", show=False),
        Binding("k,up", "rows(-1)", "Up", show=False),
        Binding("pagedown,space", "page(1)", "Page down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("g,home", "rows(-1000)", "Start", show=False),
        Binding("G,end", "rows(1000)", "End", show=False),
        Binding("question_mark,f1", "app.help", "Keys", key_display="?"),
    ]

    def __init__(self, lab: Path, version: str, run: str) -> None:
        super().__init__()
        self._run = RunDir(lab / RUNS / version / run)
        self._epoch_choice = "last"
        self._stamp: tuple[str, int] = ("", 0)
        self._predictions: Predictions | None = None

    def compose(self) -> ComposeResult:
        yield StyledView(id="title")
        yield StyledView(id="nothing")
        yield PictureGrid(id="pictures")
        yield ConfusionPane(id="confusion")
        yield KeyFooter()

    def on_mount(self) -> None:
        self.query_one("#confusion").display = False
        self._poll()
        self.set_interval(_POLL_INTERVAL, self._poll)

    def on_resize(self) -> None:
        self._draw()

    @work(exclusive=True, group="poll")
    async def _poll(self) -> None:
        which = self._epoch_choice
        stamp = await asyncio.to_thread(modified_ns, record.path_of(self._run, which))
        if (which, stamp) == self._stamp:
            return
        self._stamp = which, stamp
        self._predictions = await asyncio.to_thread(record.read, self._run, which)
        self.query_one(PictureGrid).show(self._predictions)
        self.query_one(ConfusionPane).show(self._predictions)
        self._draw()

    def _draw(self) -> None:
        predictions, room = self._predictions, self.size.width
        left = line((f" {self._run.version} ", "title"), ("what it answered, most wrong first", "strong"))
        right = line((f"{self._epoch_choice} epoch: {predictions.epoch} ", "quiet")) if predictions else ()
        self.query_one("#title", StyledView).set_lines([justify(left, right, room)])
        sentence = "No answers yet: they are written at the end of each epoch, by the shipped trainer."
        self.query_one("#nothing", StyledView).set_lines([] if predictions else [line((sentence, "quiet"))])

    def action_close(self) -> None:
        self.dismiss()

    def action_confusion(self) -> None:
        pictures, confusion = self.query_one(PictureGrid), self.query_one(ConfusionPane)
        pictures.display, confusion.display = confusion.display, pictures.display

    def action_toggle_epoch(self) -> None:
        self._epoch_choice = "best" if self._epoch_choice == "last" else "last"
        self._poll()

    def action_size(self, steps: int) -> None:
        self.query_one(PictureGrid).resize_pictures(steps)

    def action_rows(self, rows: int) -> None:
        grid, table = self.query_one(PictureGrid), self.query_one(ConfusionPane)
        if grid.display:
            grid.scroll_relative(y=rows * grid.row_height, animate=False)
        else:
            table.scroll_relative(y=rows, animate=False)

    def action_page(self, pages: int) -> None:
        grid = self.query_one(PictureGrid)
        self.action_rows(pages * (max(1, grid.size.height // grid.row_height) if grid.display else 20))

    @work(group="save")
    async def action_save(self) -> None:
        """Save the pictures as a PNG."""
        if self._predictions is None:
            return
        path = self._run.predictions / f"{self._epoch_choice}-epoch-{self._predictions.epoch}.png"
        await ActionRunner(self).run(partial(_save_png, self._predictions, path))


def _save_png(predictions: Predictions, path: Path) -> str:
    from imgexp_tui.reports.prediction_grid import save_png

    try:
        save_png(predictions, path)
    except OSError as error:
        raise ActionError(f"Not saved: {error.strerror or error}") from error
    return f"Saved: {path}"
