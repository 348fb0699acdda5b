"""Textual's footer, each of whose keys has its action's name as a class: a style sheet may then leave one out."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Footer
from textual.widgets._footer import FooterKey


class KeyFooter(Footer):
    """The keys that do something now. `-export` is the class of the key whose action is `export`."""

    def compose(self) -> ComposeResult:
        for shown in super().compose():
            if isinstance(shown, FooterKey) and (name := shown.action.partition("(")[0]).isidentifier():
                shown.add_class(f"-{name}")
            yield shown
