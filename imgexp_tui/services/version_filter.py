"""Which versions the table shows: what is archived is left out, and what a filter does not hold for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgexp_tui.notebook.model import Version
from imgexp_tui.views.lab import Look, Row

if TYPE_CHECKING:
    from imgexp_tui.records.version_filter import Filter


class Sieve:
    """What was asked to be shown.

    Attributes:
        archived: whether archived versions are shown.
        mistake: what is wrong with the filter that was typed, as a sentence; "" where nothing is.
    """

    def __init__(self) -> None:
        self.archived = False
        self.mistake = ""
        self._text = ""
        self._filter: Filter | None = None
        self._made: tuple[Look, str, bool, dict[str, Version]] | None = None

    @property
    def active(self) -> bool:
        """Whether a filter is in force."""
        return self._filter is not None

    def set(self, text: str, look: Look) -> None:
        """Filter by `text`; with a mistake in it nothing is filtered."""
        self._text = text
        self._understand(look)

    def versions(self, look: Look) -> dict[str, Version]:
        """The versions to show, in the notebook's order."""
        if self._made and self._made[0] is look and self._made[1:3] == (self._text, self.archived):
            return self._made[3]  # a drawing asks more than once
        found = self._sifted(look)
        self._made = look, self._text, self.archived, found
        return found

    def _sifted(self, look: Look) -> dict[str, Version]:
        found = look.notebook.versions if look.notebook else {}
        if self._text:
            self._understand(look)  # which metrics there are may have become known
        if self._filter is None and (self.archived or not any(version.archived for version in found.values())):
            return found
        return {name: version for name, version in found.items() if self._shows(version, look.rows.get(name))}

    def _understand(self, look: Look) -> None:
        if not self._text.strip():
            self._filter, self.mistake = None, ""
            return
        from imgexp_tui.records.version_filter import FilterError, parse

        metrics = {metric for row in look.rows.values() for metric, _ in row.numbers}
        try:
            self._filter, self.mistake = parse(self._text, metrics), ""
        except FilterError as error:
            self._filter, self.mistake = None, str(error)

    def _shows(self, version: Version, row: Row | None) -> bool:
        if version.archived and not self.archived:
            return False
        if self._filter is None:
            return True
        from imgexp_tui.records.version_filter import Facts

        states = {row.state} if row and row.state else set()
        return self._filter.holds(Facts(version, states, dict(row.numbers) if row else {}))
