"""What a finding is: `Finding`, `Severity`, `Evidence`. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from imgexp_tui.notebook.schema.settings import SettingValue


class Severity(StrEnum):
    """How much a finding matters: information, worth a look, or the run is worth little as it is."""

    INFO = "info"
    WARNING = "warning"
    SERIOUS = "serious"

    @property
    def rank(self) -> int:
        """A number; the most severe has the highest."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where the finding can be seen in the record.

    Attributes:
        series: names of series in `metrics.jsonl` or `system.jsonl`.
        first, last: steps, or for series of `system.jsonl` seconds since the first sample; None for all.
    """

    series: tuple[str, ...] = ()
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a run's numbers say.

    Attributes:
        name: the name of its rule, a module in a subfolder of `findings.rules`.
        sentence: plain words with numbers; it can be copied into the takeaways.
        suggestion: what to do about it; "" for nothing.
        change: settings for a new version that follows the suggestion; None without.
    """

    name: str
    severity: Severity
    sentence: str
    evidence: Evidence = Evidence()
    suggestion: str = ""
    change: Mapping[str, SettingValue] | None = None
