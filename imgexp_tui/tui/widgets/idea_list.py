"""A list of ideas with a cursor."""

from __future__ import annotations

from collections.abc import Sequence

from textual.binding import Binding
from textual.message import Message

from imgexp_tui.notebook.ideas.model import Idea
from imgexp_tui.tui.widgets.base.item_list import TallList
from imgexp_tui.views.ideas import Group, laid_out, offer
from imgexp_tui.views.item_layout import Laid


class IdeaList(TallList):
    """Ideas in groups. The cursor stays on its idea when the list changes under it."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._groups: Sequence[Group] = ()
        self._ideas: list[Idea] = []

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

    def lay_out(self, width: int) -> Laid:
        """The ideas as lines."""
        return laid_out(self._groups, width)


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
