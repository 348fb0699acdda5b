"""What the model answered: the validation images that it gets most wrong, and who is taken for whom."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from rich.segment import Segment
from rich.style import Style
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from imgexp_tui.paths import RUNS
from imgexp_tui.records import predictions as record
from imgexp_tui.records.predictions import Answer, Answers
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.text import clean_line, fit, width
from imgexp_tui.tui.terminal import image_cells
from imgexp_tui.tui.widgets.base.key_footer import KeyFooter
from imgexp_tui.tui.widgets.base.styled_view import LineScreen, LineView, Pane
from imgexp_tui.views.runs.confusion import confusion_lines
from imgexp_tui.views.styled import Line, line, spread

_PACE = 2.0
_GAP = 2
_CAPTION = 3
_SIZES = (12, 16, 24, 32, 48)
"""Cells along a picture."""


class PictureGrid(ScrollView):
    """Pictures in rows, each with what it is, what it was taken for, and how sure the model was."""

    ALLOW_SELECT = False
    can_focus = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._answers: Answers | None = None
        self._size_at: int | None = None
        self._drawn: dict[int, list[list[Segment]]] = {}
        self._drawn_as: tuple[object, ...] = ()

    def tell(self, answers: Answers | None) -> None:
        """Show these."""
        if answers != self._answers:
            self._answers = answers
            self._lay_out()

    def resize_pictures(self, steps: int) -> None:
        """Make the pictures larger, or smaller."""
        now = _SIZES.index(self._cells)
        self._size_at = _SIZES[max(0, min(len(_SIZES) - 1, now + steps))]
        self._lay_out()

    @property
    def _cells(self) -> int:
        """Along a picture: chosen, or what brings at least four into a row and two rows into sight."""
        if self._size_at is not None:
            return self._size_at
        fits = [s for s in _SIZES if 4 * (s + _GAP) <= self.size.width and 2 * (s // 2 + _CAPTION) <= self.size.height]
        return max(fits, default=_SIZES[0])

    @property
    def _columns(self) -> int:
        return max(1, self.size.width // (self._cells + _GAP))

    @property
    def row_height(self) -> int:
        """Lines of the terminal that a row of pictures takes."""
        return self._cells // 2 + _CAPTION

    def _lay_out(self) -> None:
        count = len(self._answers.images) if self._answers else 0
        rows = -(-count // self._columns)
        self.virtual_size = Size(self.size.width, rows * self.row_height)
        self.refresh()

    def on_resize(self) -> None:
        self._lay_out()

    def render_line(self, y: int) -> Strip:
        base = self.visual_style.rich_style
        if self._answers is None:
            return Strip.blank(self.size.width, base)
        row, within = divmod(y + self.scroll_offset.y, self.row_height)
        segments = list(self._cells_of(row, within, base))
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _cells_of(self, row: int, within: int, base: Style) -> Iterator[Segment]:
        assert self._answers is not None
        size, count = self._cells, len(self._answers.images)
        for number in range(row * self._columns, min(count, (row + 1) * self._columns)):
            if within < size // 2:
                yield from self._picture(number)[within]
            else:
                text, style = self._caption(self._answers.images[number], within - size // 2)
                text = fit(text, size)
                yield Segment(text + " " * (size - width(text)), base + style)
            yield Segment(" " * _GAP, base)

    def _picture(self, number: int) -> list[list[Segment]]:
        assert self._answers is not None
        colours, dark = not self.app.no_color, self.app.current_theme.dark
        as_ = (id(self._answers), self._cells, colours, dark)
        if as_ != self._drawn_as:
            self._drawn_as, self._drawn = as_, {}
        if number not in self._drawn:
            self._drawn[number] = image_cells.picture(
                self._answers.picture(number), self._answers.side, self._cells, colours=colours, dark=dark
            )
        return self._drawn[number]

    def _caption(self, answer: Answer, at: int) -> tuple[str, Style]:
        assert self._answers is not None
        classes = self._answers.classes
        if at == 0:
            wrong = answer.truth != answer.answer
            return f"{'✗' if wrong else '✓'} {clean_line(classes[answer.truth])}", Style(bold=wrong)
        if at == 1:
            return f"{100 * answer.confidence:.0f} % {clean_line(classes[answer.answer])}", Style(dim=True)
        return "", Style.null()


class ConfusionPane(Pane):
    """The table of who is taken for whom."""

    _answers: Answers | None = None

    def tell(self, answers: Answers | None) -> None:
        """Show it."""
        if answers != self._answers:
            self._answers = answers
            self.rebuild()

    def build(self, width: int, height: int) -> list[Line]:
        return confusion_lines(self._answers, width) if self._answers else []


class AnswersScreen(LineScreen[None]):
    """Closed by the usual keys.

    Args:
        version, run: whose answers.
    """

    CSS_PATH = "predictions.tcss"
    AUTO_FOCUS = ""
    BINDINGS = [
        Binding("escape,q,p", "close", "Back"),
        Binding("c", "confusion", "Confusion", tooltip="Who is taken for whom, or the pictures again"),
        Binding("b", "which", "Best / last", tooltip="The answers of the best epoch, or of the last one"),
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
        self._which = "last"
        self._stamp: tuple[str, int] = ("", 0)
        self._answers: Answers | None = None

    def compose(self) -> ComposeResult:
        yield LineView(id="title")
        yield LineView(id="nothing")
        yield PictureGrid(id="pictures")
        yield ConfusionPane(id="confusion")
        yield KeyFooter()

    def on_mount(self) -> None:
        self.query_one("#confusion").display = False
        self._look()
        self.set_interval(_PACE, self._look)

    def on_resize(self) -> None:
        self._draw()

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        which = self._which
        stamp = await asyncio.to_thread(_modified, record.path_of(self._run, which))
        if (which, stamp) == self._stamp:
            return
        self._stamp = which, stamp
        self._answers = await asyncio.to_thread(record.read, self._run, which)
        self.query_one(PictureGrid).tell(self._answers)
        self.query_one(ConfusionPane).tell(self._answers)
        self._draw()

    def _draw(self) -> None:
        found, room = self._answers, self.size.width
        left = line((f" {self._run.version} ", "title"), ("what it answered, most wrong first", "strong"))
        right = line((f"{self._which} epoch: {found.epoch} ", "quiet")) if found else ()
        self.query_one("#title", LineView).show([spread(left, right, room)])
        sentence = "No answers yet: they are written at the end of each epoch, by the shipped trainer."
        self.query_one("#nothing", LineView).show([] if found else [line((sentence, "quiet"))])

    def action_close(self) -> None:
        self.dismiss()

    def action_confusion(self) -> None:
        pictures, confusion = self.query_one(PictureGrid), self.query_one(ConfusionPane)
        pictures.display, confusion.display = confusion.display, pictures.display

    def action_which(self) -> None:
        self._which = "best" if self._which == "last" else "last"
        self._look()

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
        if self._answers is None:
            return
        from imgexp_tui.reports.prediction_grid import save_png

        path = self._run.answers / f"{self._which}-epoch-{self._answers.epoch}.png"
        try:
            await asyncio.to_thread(save_png, self._answers, path)
        except OSError as error:
            self.app.notify(f"Not saved: {error.strerror or error}", severity="error", markup=False)
        else:
            self.app.notify(f"Saved: {clean_line(str(path))}", markup=False)


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
