"""The menu of a version: rename, tags, archive, move, delete. It saves five keys in the footer."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from imgexp_tui.text import clean_line

_ITEMS = (
    ("rename", "r", "Rename", "in the notebook, as others' base, and its runs"),
    ("tags", "t", "Tags", "words by which it is found"),
    ("archive", "a", "Archive", "out of the way; nothing is deleted"),
    ("up", "<", "Move up", "in the file"),
    ("down", ">", "Move down", "in the file"),
    ("delete", "d", "Delete", "only what never ran; asks first"),
)


class VersionMenu(ModalScreen[str | None]):
    """Dismissed with "rename", "tags", "archive", "up", "down" or "delete", or None.

    Args:
        name: the version's name.
        archived: whether the version is archived; the menu then offers to bring it back.
    """

    DEFAULT_CSS = """
    VersionMenu {
        align: center middle;
        OptionList {
            width: 66;
            max-width: 90%;
            height: auto;
            padding: 0 1;
            background: $surface;
            border: round $primary;
            border-title-color: $text-primary;
            border-title-style: bold;
            &:focus { border: round $primary; }
        }
    }
    """
    BINDINGS = [
        Binding("r", "choose('rename')", "Rename", tooltip="Rename a version; its runs follow"),
        Binding("t", "choose('tags')", "Tags", tooltip="Give a version other tags"),
        Binding("a", "choose('archive')", "Archive", tooltip="Archive a version, or bring it back"),
        Binding("less_than_sign,K", "choose('up')", "Move up", tooltip="Move a version up in the file"),
        Binding("greater_than_sign,J", "choose('down')", "Move down", tooltip="Move a version down in the file"),
        Binding("d", "choose('delete')", "Delete", tooltip="Delete a version that never ran; asks first"),
        Binding("j", "move(1)", "Down", show=False),
        Binding("k", "move(-1)", "Up", show=False),
        Binding("escape,q,v", "close", "Back"),
    ]

    def __init__(self, name: str, *, archived: bool) -> None:
        super().__init__()
        self._version, self._archived = name, archived

    def compose(self) -> ComposeResult:
        options = []
        for action, key, label, what in _ITEMS:
            if action == "archive" and self._archived:
                label, what = "Bring back", "from the archive"
            text = Content.assemble((f"{key}  ", "bold $primary"), f"{label:<12}", (what, "$foreground 60%"))
            options.append(Option(text, id=action))
        yield OptionList(*options)

    def on_mount(self) -> None:
        menu = self.query_one(OptionList)
        menu.border_title = Content(clean_line(self._version))
        menu.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)

    def action_choose(self, choice: str) -> None:
        self.dismiss(choice)

    def action_move(self, rows: int) -> None:
        menu = self.query_one(OptionList)
        (menu.action_cursor_down if rows > 0 else menu.action_cursor_up)()

    def action_close(self) -> None:
        self.dismiss(None)
