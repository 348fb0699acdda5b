"""Decides which versions the table shows, by archived versions and by the typed filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgexp_tui.notebook.model import Version
from imgexp_tui.views.lab import LabSnapshot, VersionRow

if TYPE_CHECKING:
    from imgexp_tui.records.version_filter import ParsedFilter


class VersionFilter:
    """The filter of the version table.

    Attributes:
        show_archived: whether archived versions are shown.
        error: what is wrong with the typed filter, as a sentence; "" where it is right.
    """

    def __init__(self) -> None:
        self.show_archived = False
        self.error = ""
        self._text = ""
        self._filter: ParsedFilter | None = None
        self._cached: tuple[LabSnapshot, str, bool, dict[str, Version]] | None = None

    @property
    def is_active(self) -> bool:
        """Whether a filter is applied."""
        return self._filter is not None

    def set_text(self, text: str, snapshot: LabSnapshot) -> None:
        """Filter by `text`; a text with a mistake filters nothing."""
        self._text = text
        self._parse_text(snapshot)

    def versions(self, snapshot: LabSnapshot) -> dict[str, Version]:
        """The versions to show, in the notebook's order."""
        if self._cached and self._cached[0] is snapshot and self._cached[1:3] == (self._text, self.show_archived):
            return self._cached[3]  # one frame asks several times
        filtered = self._filtered_versions(snapshot)
        self._cached = snapshot, self._text, self.show_archived, filtered
        return filtered

    def _filtered_versions(self, snapshot: LabSnapshot) -> dict[str, Version]:
        all_versions = snapshot.notebook.versions if snapshot.notebook else {}
        if self._text:
            self._parse_text(snapshot)  # more metrics may be known by now
        if self._filter is None and (
            self.show_archived or not any(version.archived for version in all_versions.values())
        ):
            return all_versions
        return {
            name: version for name, version in all_versions.items() if self._matches(version, snapshot.rows.get(name))
        }

    def _parse_text(self, snapshot: LabSnapshot) -> None:
        if not self._text.strip():
            self._filter, self.error = None, ""
            return
        from imgexp_tui.records.version_filter import FilterError, parse_filter

        metrics = {metric for row in snapshot.rows.values() for metric, _ in row.best_metrics}
        try:
            self._filter, self.error = parse_filter(self._text, metrics), ""
        except FilterError as error:
            self._filter, self.error = None, str(error)

    def _matches(self, version: Version, row: VersionRow | None) -> bool:
        if version.archived and not self.show_archived:
            return False
        if self._filter is None:
            return True
        from imgexp_tui.records.version_filter import VersionFacts

        states = {row.state} if row and row.state else set()
        return self._filter.matches(VersionFacts(version, states, dict(row.best_metrics) if row else {}))
