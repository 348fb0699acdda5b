"""The base of all widgets that draw styled lines, and of the screens that hold their colours.

Textual repaints a whole widget for one changed digit, which over SSH is most of the traffic of a live screen. A
`StyledView` compares each new line with the displayed one and repaints from the first changed cell to the last. The
colour of a role, such as "train", is in `StyledScreen`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self, overload

from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.css.styles import RenderStyles
from textual.geometry import Region, Size
from textual.screen import Screen, ScreenResultType
from textual.scroll_view import ScrollView
from textual.strip import Strip

from imgexp_tui.tui.textual_compat import clear_dirty_regions
from imgexp_tui.tui.theme import line_colour_rules
from imgexp_tui.views.styled import ROLES, Line, changed_cells, line_width


class StyledScreen(Screen[ScreenResultType]):
    """A screen with the colours of its styled lines; in each widget they would be looked up again."""

    COMPONENT_CLASSES = {f"line--{role}" for role in ROLES}
    DEFAULT_CSS = (
        """
    StyledScreen {
        & > .line--quiet { color: $foreground 55%; }
        & > .line--strong { text-style: bold; }
        & > .line--title { color: $primary; }
        & > .line--key { color: $primary; text-style: bold; }
        & > .line--good { color: $success; }
        & > .line--warn { color: $warning; }
        & > .line--bad { color: $error; text-style: bold; }
        & > .line--live { color: $accent; }
        & > .line--chance { color: $foreground 45%; }
        & > .line--rest { color: $foreground 25%; }
        & > .line--mark { color: $primary; text-style: bold; }

        &:ansi > .line--quiet { color: ansi_default; text-style: dim; }
        &:ansi > .line--title { color: ansi_default; text-style: bold; }
        &:ansi > .line--chance { color: ansi_default; text-style: dim; }
        &:ansi > .line--rest { color: ansi_default; text-style: dim; }
        &:ansi > .line--live { color: ansi_cyan; }
    """
        + f"""
        {line_colour_rules(lambda colours: {"train": colours.train, "valid": colours.valid})}
    }}
    """
    )


class LazyLines(Sequence[Line]):
    """Lines that are made when they are first read: of ten thousand rows only those in sight.

    Args:
        count: how many there are.
        make_line: returns the line at an index. It is called at most once for each index, at any later time, and must
            return the line as it was when this object was made.
    """

    def __init__(self, count: int, make_line: Callable[[int], Line]) -> None:
        self._count = count
        self._make_line = make_line
        self._cached: dict[int, Line] = {}

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> Line: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Line]: ...
    def __getitem__(self, at: int | slice) -> Line | Sequence[Line]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(self._count))]
        if not -self._count <= at < self._count:
            raise IndexError(at)
        at %= self._count
        if at not in self._cached:
            self._cached[at] = self._make_line(at)
        return self._cached[at]


class StyledView(ScrollView):
    """Shows lines, one a row, and scrolls if they do not fit. Has no focus, and belongs on a `StyledScreen`."""

    ALLOW_SELECT = False
    can_focus = False
    DEFAULT_CSS = """
    StyledView {
        height: auto;
        width: 1fr;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        scrollbar-background: $background;
        scrollbar-background-hover: $background;
        scrollbar-background-active: $background;
        scrollbar-color: $foreground 20%;
        scrollbar-color-hover: $foreground 35%;
        scrollbar-color-active: $primary;
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: Sequence[Line] = []

    def get_component_styles(self, *names: str) -> RenderStyles:
        of_lines = isinstance(self.screen, StyledScreen) and all(name.startswith("line--") for name in names)
        return self.screen.get_component_styles(*names) if of_lines else super().get_component_styles(*names)

    @property
    def lines(self) -> Sequence[Line]:
        """The displayed lines."""
        return self._lines

    @property
    def is_at_end(self) -> bool:
        """Whether the last line is in sight, within one line."""
        return self.scroll_offset.y >= self.max_scroll_y - 1

    def scroll_to_end(self) -> None:
        """Scroll to the last line, also where the layout does not know of it yet."""
        self.scroll_to(y=max(0, len(self.lines) - self.size.height), animate=False, force=True)

    def scroll_pages(self, pages: int) -> None:
        """Scroll by `pages` screens, which overlap by one line."""
        self.scroll_relative(y=pages * max(1, self.size.height - 1), animate=False)

    def set_lines(self, lines: Sequence[Line]) -> None:
        """Show `lines` in place of those before, and repaint the cells that differ."""
        old, self._lines = self._lines, lines if isinstance(lines, LazyLines) else list(lines)
        if len(old) != len(self._lines):
            self.virtual_size = Size(self.size.width, len(self._lines))
            self.refresh(layout=self.styles.is_auto_height)
            return
        top = self.scroll_offset.y
        for y in range(top, min(top + self.size.height, len(old))):
            if span := changed_cells(old[y], self._lines[y]):
                self.refresh_cells(y, *span)

    def refresh_cells(self, y: int, start: int, end: int) -> None:
        """Repaint cells `start` to `end` of line `y`, if it is in sight."""
        row = y - self.scroll_offset.y
        if 0 <= row < self.size.height:
            self.refresh(Region(start, row, end - start, 1))

    def render_line(self, y: int) -> Strip:
        # Textual collects dirty regions for widgets that render as a whole, which this one does not.
        clear_dirty_regions(self)
        at = y + self.scroll_offset.y
        width, base = self.size.width, self.visual_style.rich_style
        if not 0 <= at < len(self._lines):
            return Strip.blank(width, base)
        return self.to_strip(self._lines[at], width)

    def to_strip(self, styled_line: Line, width: int, style_below: Style | None = None) -> Strip:
        """Returns a line as Textual draws it, cut or filled to `width` cells.

        Args:
            style_below: a style that the line's own styles are added to, such as a cursor's background.
        """
        base = self.visual_style.rich_style + (style_below or Style.null())
        segments = []
        for text, role in styled_line:
            style = self.get_visual_style(f"line--{role}").rich_style if role else base
            segments.append(Segment(text, style + style_below if role and style_below else style))
        return Strip(segments, line_width(styled_line)).adjust_cell_length(width, base)


class Pane(StyledView):
    """A view whose lines are built from its data and its size."""

    _updating_title = False

    def set_title(self, title: Content) -> None:
        """Put a title into the upper frame and repaint that line alone; Textual would repaint the whole pane."""
        self._updating_title = True
        self.border_title = title
        self._updating_title = False

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        if self._updating_title and self.is_mounted:
            regions = (Region(-self.gutter.left, -self.gutter.top, self.outer_size.width, 1),)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def build(self, width: int, height: int) -> Sequence[Line]:
        """Returns the lines for a width; `height` is the number of lines in sight."""
        raise NotImplementedError

    def rebuild(self) -> None:
        """Build the lines again and repaint what changed."""
        size = self.scrollable_content_region.size
        if size.width > 0 and self.display:
            self.set_lines(self.build(size.width, size.height))

    def on_resize(self) -> None:
        self.rebuild()

    def on_show(self) -> None:
        self.rebuild()
