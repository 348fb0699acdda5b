"""A list of ideas with a cursor. An idea takes as many lines as its words need; only those in sight are drawn."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.strip import Strip

from imgexp_tui.notebook.ideas import Idea
from imgexp_tui.tui.idea_lines import Group, Laid, laid_out, offer
from imgexp_tui.tui.lines import Line, line
from imgexp_tui.tui.widgets.cursor_pane import CursorPane
from imgexp_tui.tui.wrap import wrap


class IdeaList(CursorPane):
    """Ideas in groups. The cursor stays on its idea when the list changes under it."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._groups: Sequence[Group] = ()
        self._ideas: list[Idea] = []
        self._laid = Laid()
        self._otherwise = ""

    @property
    def count(self) -> int:
        return len(self._ideas)

    @property
    def picked(self) -> Idea | None:
        """The idea under the cursor."""
        return self._ideas[self.cursor] if self._ideas else None

    def fill(self, groups: Sequence[Group], otherwise: str) -> None:
        """Show these ideas; `otherwise` where there are none."""
        self._groups, self._otherwise = groups, otherwise
        self._put([idea for group in groups for idea in group.ideas])

    def _put(self, ideas: list[Idea]) -> None:
        picked, self._ideas = self.picked, ideas
        keys = [idea.key for idea in ideas]
        if picked and picked.key in keys:
            # Of several with the same words the one that is nearest to where it was.
            same = (i for i, key in enumerate(keys) if key == picked.key)
            self.cursor = min(same, key=lambda i: abs(ideas[i].line - picked.line))
        self.cursor = max(0, min(self.cursor, self.count - 1))
        self.rebuild()
        self.refresh()
        self.keep_in_sight()
        self.post_message(self.Moved())

    def build(self, width: int, height: int) -> list[Line]:
        self._laid = self.lay_out(width)
        if not self._ideas:
            return [line((f" {text}", "quiet")) for text in wrap(self._otherwise, width - 2)]
        return self._laid.lines

    def lay_out(self, width: int) -> Laid:
        """The ideas as lines."""
        return laid_out(self._groups, width)

    def go(self, at: int) -> None:
        at = max(0, min(at, self.count - 1))
        if at == self.cursor or not self.count:
            return
        before, self.cursor = self.cursor, at
        for one in (before, at):
            for row in range(*self._rows(one)):
                self.refresh_cells(row, 0, self.size.width)
        self.keep_in_sight()
        self.post_message(self.Moved())

    def page(self, pages: int) -> None:
        """Move the cursor by what is in sight, at least to the next idea."""
        step = pages * max(1, self.size.height - 1)
        here, at = self._rows(self.cursor)[0], self.cursor
        while 0 <= at + pages < self.count and abs(self._rows(at)[0] - here) < abs(step):
            at += pages
        self.go(at)

    def keep_in_sight(self) -> None:
        if not self.cursor < len(self._laid.spans):
            return
        top, _, end = self._laid.spans[self.cursor]
        at, height = self.scroll_offset.y, self.size.height
        if top < at or end - top > height:
            self.scroll_to(y=top, animate=False)
        elif end > at + height > 0:
            self.scroll_to(y=end - height, animate=False)

    @property
    def shows_cursor(self) -> bool:
        """Whether the cursor is drawn."""
        return True

    def _rows(self, at: int) -> tuple[int, int]:
        """The lines of an idea."""
        return self._laid.spans[at][1:] if at < len(self._laid.spans) else (0, 0)

    def render_line(self, y: int) -> Strip:
        at = y + self.scroll_offset.y
        start, end = self._rows(self.cursor)
        if not (start <= at < end and self.shows_cursor and at < len(self.lines)):
            return super(CursorPane, self).render_line(y)
        self._dirty_regions.clear()
        found = self.get_visual_style("pane--cursor").rich_style
        under = Style(bgcolor=found.bgcolor, bold=found.bold)
        (first, role), *rest = self.lines[at]
        return self.strip_of(line(("▌", "mark"), (first[1:], role), *rest), self.size.width, under)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        at = self._laid.at(offset.y + self.scroll_offset.y) if offset else None
        if at is None:
            return
        if at == self.cursor and event.chain == 2:
            self.post_message(self.Opened())
        else:
            self.go(at)


class IdeaOffer(IdeaList, can_focus=True):
    """Ideas to pick from; takes the focus as a field of a form does."""

    BINDINGS = [
        Binding("space,enter,x", "pick", "Pick", tooltip="Pick an open idea to try, or drop it"),
        Binding("down,j", "move(1)", "Next idea", show=False),
        Binding("up,k", "move(-1)", "Previous idea", show=False),
        Binding("home,g", "move(-1000000)", "First idea", show=False),
        Binding("end,G", "move(1000000)", "Last idea", show=False),
        Binding("pagedown", "page(1)", "A page down", show=False),
        Binding("pageup", "page(-1)", "A page up", show=False),
    ]

    class Toggled(Message):
        """An idea was picked or dropped."""

        def __init__(self, idea: Idea, *, picked: bool) -> None:
            super().__init__()
            self.idea = idea
            self.picked = picked

    def __init__(self, *, id: str | None = None, tries: Sequence[Idea] = ()) -> None:
        super().__init__(id=id)
        self._tries = {idea.key: idea for idea in tries}

    @property
    def tries(self) -> list[Idea]:
        """What was picked, in the order in which it was."""
        return list(self._tries.values())

    def tell(self, offered: Sequence[Idea]) -> None:
        """Offer these ideas; what was picked stays, and stands first where it is not among them."""
        known = {idea.key for idea in offered}
        ideas = [*(idea for idea in self.tries if idea.key not in known), *offered]
        self.display = bool(ideas)
        self._put(ideas)

    def lay_out(self, width: int) -> Laid:
        return offer(self._ideas, self._tries, width)

    @property
    def shows_cursor(self) -> bool:
        return self.has_focus

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_cursor_pane_opened(self) -> None:
        self.action_pick()

    def action_pick(self) -> None:
        idea = self.picked
        if idea is None:
            return
        if picked := idea.key not in self._tries:
            self._tries[idea.key] = idea
        else:
            del self._tries[idea.key]
        self.rebuild()
        self.post_message(self.Toggled(idea, picked=picked))

    def action_move(self, ideas: int) -> None:
        self.move(ideas)

    def action_page(self, pages: int) -> None:
        self.page(pages)
