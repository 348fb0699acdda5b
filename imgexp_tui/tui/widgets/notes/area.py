"""The text area for notes: keys for lists and boxes, search, and drawing of markdown and control characters.

Textual's `TextArea` has undo, selection, wide characters and the clipboard. Lines are wrapped in `wrapped_document`,
and the text is kept byte for byte in `document`. The cursor does not blink, so that a still screen sends nothing over
SSH.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

from rich.text import Text
from textual import events
from textual.actions import SkipAction
from textual.binding import Binding
from textual.content import Content
from textual.widgets import TextArea
from textual.widgets.text_area import DocumentNavigator, Edit, EditResult, Location

from imgexp_tui.text import clean
from imgexp_tui.tui.textual_compat import forward_key, run_binding
from imgexp_tui.tui.widgets.notes.document import NoteDocument
from imgexp_tui.tui.widgets.notes.wrapped_document import WrappedNoteDocument
from imgexp_tui.views.notes import bullets, markup, search
from imgexp_tui.views.notes.cursor_anchor import common_prefix_length, moved_position
from imgexp_tui.views.notes.safe_characters import decode_unsafe, encode_unsafe, newline_of, visible_text

_UNDO_STEPS = 1000
_LETTER = r"\w\u0300-\u036f\u200d"  # a combining mark belongs to its word
_WORD_ENDS = re.compile(rf"(?<=[^{_LETTER}])(?=[{_LETTER}])|(?<=[{_LETTER}])(?=[^{_LETTER}])")


class NoteArea(TextArea):
    """The text of one note. If `tab_indents` is False, Tab goes to the next field instead.

    Attributes:
        offered_bullet: an empty bullet that was added at the end. A bullet that the user types there replaces it.
        copy_callback: called with text that was copied or cut.
        edit_callback: called within every edit, undo and redo. A message would come after the drawing, but whatever is
            on the screen must be in a draft already.
    """

    COMPONENT_CLASSES = {"note--hit", *(f"note--{kind}" for kind in markup.MARKUP_KINDS)}
    highlights_markdown = True
    """Whether markdown is highlighted."""

    # The cursor and the selection are drawn in reverse, so that they show on a terminal without colours too.
    DEFAULT_CSS = """
    NoteArea {
        padding: 0 1;
        border: none;
        border-top: solid $foreground 25%;
        border-title-color: $text-muted;
        background: $background;
        scrollbar-size-vertical: 1;

        & > .note--bullet { color: $primary; text-style: bold; }
        & > .note--box { color: $accent; text-style: bold; }
        & > .note--done { color: $foreground 55%; text-style: dim; }
        & > .note--heading { color: $primary; text-style: bold; }
        & > .note--code { color: $secondary; text-style: bold; }
        & > .note--bold { text-style: bold; }
        & > .note--update { color: $warning; text-style: italic; }
        & > .note--hit { color: $text-warning; background: $warning-muted; text-style: bold underline; }
        & > .note--link { text-style: underline; }
        &:ansi {
            & > .note--bullet, & > .note--heading { color: ansi_default; }
            & > .note--done { color: ansi_default; }
            & > .note--hit { color: ansi_yellow; background: ansi_default; }
        }

        & .text-area--cursor {
            color: $foreground !important;
            background: $background !important;
            text-style: reverse !important;
        }
        & .text-area--selection {
            color: $primary-muted !important;
            background: $foreground !important;
            text-style: reverse !important;
        }

        &:focus {
            border: none;
            border-top: heavy $primary;
            border-title-color: $text-primary;
            border-title-style: bold;
        }
    }
    """
    BINDINGS = [
        Binding("ctrl+z", "undo", "Undo", show=False),
        Binding("ctrl+y", "redo", "Redo", show=False),
        Binding("alt+b", "cursor_word_left", "Word left", show=False),
        Binding("alt+f", "cursor_word_right", "Word right", show=False),
        Binding("tab", "nest", "Nest bullet", show=False),
        Binding("shift+tab", "unnest", "Un-nest bullet", show=False),
    ]

    def __init__(self, *, id: str | None = None, placeholder: str = "", tab_indents: bool = True) -> None:
        super().__init__(id=id, placeholder=Content(placeholder), max_checkpoints=_UNDO_STEPS)
        self._tab_indents = tab_indents
        self.offered_bullet = ""
        self.copy_callback: Callable[[str], object] = lambda text: self.app.copy_to_clipboard(text)
        self.edit_callback: Callable[[], object] = lambda: None
        self._word_pattern = _WORD_ENDS
        self._search_pattern: re.Pattern[str] | None = None
        self.cursor_blink = False
        self.match_cursor_bracket = False
        self.highlight_cursor_line = False

    @property
    def selected_text(self) -> str:
        return decode_unsafe(super().selected_text)

    def get_line(self, line_index: int) -> Text:
        stored = self.document.get_line(line_index)
        line = Text(visible_text(stored), end="", no_wrap=True)
        for start, end, kind in markup.markup_spans(stored) if self.highlights_markdown else ():
            line.stylize(self.get_component_rich_style(f"note--{kind}", partial=True), start, end)
        for match in self._search_pattern.finditer(stored) if self._search_pattern else ():
            line.stylize(self.get_component_rich_style("note--hit", partial=True), *match.span())
        return line

    def action_copy(self) -> None:
        if not (text := self.selected_text):
            raise SkipAction
        self.copy_callback(text)

    def action_cut(self) -> None:
        """Cut the selected text, or the line."""
        if self.read_only:
            return
        cut = self._delete_cursor_line() if self.selection.is_empty else self._delete_via_keyboard(*self.selection)
        if cut and cut.replaced_text:
            self.copy_callback(decode_unsafe(cut.replaced_text))

    def set_search(self, query: str) -> None:
        """Highlight every occurrence of `query`; "" removes the highlights."""
        self._search_pattern = search.compile_query(encode_unsafe(query))
        self._line_cache.clear()
        self.refresh()

    @property
    def match_position(self) -> tuple[int, int]:
        """Which occurrence of the query is selected, 1-based (0 for none), and how many there are."""
        matches = search.find_matches(self.document.lines, self._search_pattern) if self._search_pattern else []
        selected = (min(self.selection), max(self.selection))
        return (matches.index(selected) + 1 if selected in matches else 0), len(matches)

    def select_match(self, *, forward: bool, skip_current: bool) -> None:
        """Select the next or the previous occurrence of the query; wraps around the ends of the text.

        Args:
            skip_current: whether an occurrence that begins at the cursor is skipped.
        """
        matches = search.find_matches(self.document.lines, self._search_pattern) if self._search_pattern else []
        if matches:
            at = search.next_match_index(matches, min(self.selection), forward=forward, skip_current=skip_current)
            self.selection = type(self.selection)(*matches[at])
            self.scroll_cursor_visible(center=True)

    def _set_document(self, text: str, language: str | None) -> None:
        self._highlight_query = None
        self.document = NoteDocument(text)
        self.wrapped_document = WrappedNoteDocument(self.document, tab_width=self.indent_width)
        self.navigator = DocumentNavigator(self.wrapped_document)
        self._build_highlight_map()
        self.move_cursor((0, 0))
        self._rewrap_and_refresh_virtual_size()

    def edit(self, edit: Edit) -> EditResult:
        result = super().edit(edit)
        self.edit_callback()
        return result

    def _undo_batch(self, edits: Sequence[Edit]) -> None:
        super()._undo_batch(edits)
        self.edit_callback()

    def _redo_batch(self, edits: Sequence[Edit]) -> None:
        super()._redo_batch(edits)
        self.edit_callback()

    def _replace_via_keyboard(self, insert: str, start: Location, end: Location) -> EditResult | None:
        # Text that was copied from a CRLF note has CRLF line ends.
        return super()._replace_via_keyboard(insert.replace("\r\n", "\n"), start, end)

    def _recompute_cursor_offset(self) -> None:
        # An undo that removes the scrollbar calls this before it moves the cursor back into the document.
        location = self.clamp_visitable(self.cursor_location)
        self._cursor_offset = self.wrapped_document.location_to_offset(location)

    def replace_text(self, text: str) -> None:
        """Replace the text in one edit that can be undone; the cursor stays at the same words."""
        before, after = self.text, text
        if self.document.newline == "\r\n":
            before = before.replace("\r\n", "\n")
        if "\r\n" in (self.document.newline, newline_of(after)):
            after = after.replace("\r\n", "\n")
        if before == after:
            return
        head = common_prefix_length(before, after)
        tail = common_prefix_length(before[head:][::-1], after[head:][::-1])
        selection = self.selection
        self.history.checkpoint()
        self.replace(
            after[head : len(after) - tail],
            _location_of(before, head),
            _location_of(before, len(before) - tail),
        )
        self.history.checkpoint()
        self.selection = type(selection)(*(moved_position(before, after, place) for place in selection))

    def line_end(self, line: int) -> Location:
        """Returns the end of a line, 1-based; of the last line if there are fewer."""
        row = min(line, self.document.line_count) - 1
        return row, len(self.document.get_line(row))

    def insert_update(self) -> None:
        """Insert `[UPDATE date: ]` at the cursor, with the cursor inside."""
        if self.read_only:
            return
        row, column = self.selection.end
        before = self.document.get_line(row)[:column]
        blank = " " if before and not before[-1].isspace() else ""
        self.insert(f"{blank}[UPDATE {time.strftime('%Y-%m-%d')}: ]", maintain_selection_offset=False)
        self.move_cursor_relative(columns=-1)

    def insert_with_spaces(self, text: str) -> None:
        """Insert words at the cursor in one undo step, with blanks where they would touch other words."""
        if self.read_only or not text:
            return
        row, column = self.selection.end
        line = self.document.get_line(row)
        before, after = line[:column][-1:], line[column:][:1]
        head = " " if before and not (before.isspace() or before in "([{\"'“‘=~/-") else ""
        tail = " " if after.isalnum() else ""
        self.history.checkpoint()
        self.insert(f"{head}{text}{tail}", (row, column), maintain_selection_offset=False)
        self.move_cursor_relative(columns=-len(tail))
        self.history.checkpoint()

    def action_nest(self) -> None:
        if not self._tab_indents:
            raise SkipAction
        row, _ = self.cursor_location
        lone = self.selection.is_empty and not bullets.is_bullet(self.document.get_line(row))
        if lone:
            self._replace_via_keyboard(" " * self._find_columns_to_next_tab_stop(), *self.selection)
        else:
            self._indent_selected_lines(bullets.indent_line)

    def action_unnest(self) -> None:
        if not self._tab_indents:
            raise SkipAction
        self._indent_selected_lines(bullets.dedent_line)

    def toggle_box(self) -> None:
        """Tick the box of the cursor's line, or add one; all selected lines change alike."""
        self._change_selected_lines(bullets.toggle_boxes)

    def _indent_selected_lines(self, change_indent: Callable[[str, str], str]) -> None:
        """Indent or dedent the bullets of the selected lines."""
        step = bullets.indent_step(self.document.lines)
        self._change_selected_lines(lambda lines: [change_indent(line, step) for line in lines])

    def _change_selected_lines(self, change: Callable[[Sequence[str]], list[str]]) -> None:
        """Change the beginnings of the selected lines in one edit; the selection stays on the same words."""
        if self.read_only:
            return
        (top, _), (bottom, _) = sorted(self.selection)
        old = [self.document.get_line(row) for row in range(top, bottom + 1)]
        new = change(old)
        if new == old:
            return
        shift = {top + i: len(b) - len(a) for i, (a, b) in enumerate(zip(old, new, strict=True))}
        start, end = ((row, max(0, column + shift[row])) for row, column in self.selection)
        self.history.checkpoint()
        self.replace("\n".join(new), (top, 0), (bottom, len(old[-1])))
        self.history.checkpoint()
        self.selection = type(self.selection)(start, end)

    async def _on_key(self, event: events.Key) -> None:
        """Act on a key at once, also where Textual would let it bubble up to the app.

        Over a slow connection keys come in bursts. A key that bubbles up would act after later keys were typed in, and
        keys that follow a change of focus have been sent to this widget already; they are sent on.
        """
        if (focused := self.app.focused) is not self:
            event.stop()
            event.prevent_default()
            key = forward_key(events.Key(event.key, event.character))
            (focused or self.app.screen).post_message(key)
        elif event.key == "enter" and not self.read_only and self.selection.is_empty:
            event.stop()
            event.prevent_default()
            self._insert_line_break()
        elif event.character and self._repeats_offered_bullet(event.character):
            event.stop()
            event.prevent_default()
        elif self.read_only or event.key.startswith("alt+") or not (event.is_printable or event.key == "enter"):
            # Textual would insert the letter of an alt key without a binding.
            if await run_binding(self.app, event.key) or event.key.startswith("alt+"):
                event.stop()
                event.prevent_default()
        else:
            await super()._on_key(event)

    def _insert_line_break(self) -> None:
        row, column = self.cursor_location
        enter_edit = bullets.edit_for_enter(self.document.get_line(row), column)
        end = (row, column) if enter_edit.text else (row, len(self.document.get_line(row)))
        self._replace_via_keyboard(enter_edit.text, (row, enter_edit.start), end)

    def _repeats_offered_bullet(self, typed: str) -> bool:
        """Returns whether a character typed after the offered bullet repeats that bullet."""
        row, column = self.cursor_location
        bare = bool(self.offered_bullet) and self.document.get_line(row) == self.offered_bullet
        if self.read_only or not bare or (row, column) != self.document.end:
            return False
        return typed == " " or (typed == self.offered_bullet[0] and typed in "-*+")

    async def _on_paste(self, event: events.Paste) -> None:
        """Insert pasted text. Terminals send newlines as carriage returns; escape sequences are removed."""
        event.stop()
        event.prevent_default()
        text = clean(event.text.replace("\r\n", "\n").replace("\r", "\n"))
        if text and self._replace_via_keyboard(text, *self.selection):
            self.focus()


def _location_of(text: str, index: int) -> Location:
    """Returns row and column of `text[index]`."""
    row = text.count("\n", 0, index)
    return row, index - (text.rfind("\n", 0, index) + 1)
