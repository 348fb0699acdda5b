"""Lists of ideas (`- [ ]` lines of notes) with a cursor: all versions' ideas, and the picker of a new version."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from textual.binding import Binding
from textual.message import Message

from imgexp_tui.notebook.ideas.model import Idea
from imgexp_tui.tui.widgets.base.item_list import ItemList
from imgexp_tui.views.ideas import IdeaGroup, layout_choices, layout_groups
from imgexp_tui.views.item_layout import ItemLayout


class IdeaList(ItemList[Idea]):
    """Ideas in groups. The cursor stays on its idea when the list changes."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._groups: Sequence[IdeaGroup] = ()

    def key(self, item: Idea) -> Hashable:
        return item.key

    def row_of(self, item: Idea) -> int | None:
        """Returns the row of the idea with the same words; of several, the one nearest to the line that it was on."""
        same = (row for row, other in enumerate(self.items) if other.key == item.key)
        return min(same, key=lambda row: abs(self.items[row].line - item.line), default=None)

    def fill(self, groups: Sequence[IdeaGroup], empty_text: str) -> None:
        """Show these ideas; `empty_text` where there are none."""
        self._groups, self._empty_text = groups, empty_text
        self.set_items([idea for group in groups for idea in group.ideas])

    def layout_items(self, width: int) -> ItemLayout:
        return layout_groups(self._groups, width)


class IdeaPicker(IdeaList, can_focus=True):
    """Ideas to pick from, as a field of a form that can have the focus."""

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

        def __init__(self, idea: Idea, *, selected: bool) -> None:
            super().__init__()
            self.idea = idea
            self.selected = selected

    def __init__(self, *, id: str | None = None, ideas_to_try: Sequence[Idea] = ()) -> None:
        super().__init__(id=id)
        self._ideas_to_try = {idea.key: idea for idea in ideas_to_try}

    @property
    def ideas_to_try(self) -> list[Idea]:
        """The picked ideas, in the order in which they were picked."""
        return list(self._ideas_to_try.values())

    def show(self, offered: Sequence[Idea]) -> None:
        """Offer these ideas. Picked ideas stay; those that are not among `offered` come first."""
        known = {idea.key for idea in offered}
        ideas = [*(idea for idea in self.ideas_to_try if idea.key not in known), *offered]
        self.display = bool(ideas)
        self.set_items(ideas)

    def layout_items(self, width: int) -> ItemLayout:
        return layout_choices(self.items, self._ideas_to_try, width)

    @property
    def shows_cursor(self) -> bool:
        return self.has_focus

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_list_pane_item_opened(self) -> None:
        self.action_pick()

    def action_pick(self) -> None:
        idea = self.selected
        if idea is None:
            return
        if picked := idea.key not in self._ideas_to_try:
            self._ideas_to_try[idea.key] = idea
        else:
            del self._ideas_to_try[idea.key]
        self.rebuild()
        self.post_message(self.Toggled(idea, selected=picked))

    def action_move(self, ideas: int) -> None:
        self.move(ideas)

    def action_page(self, pages: int) -> None:
        self.move_pages(pages)
