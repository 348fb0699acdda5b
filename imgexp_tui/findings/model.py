"""What a finding is. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from imgexp_tui.notebook.schema.settings import SettingValue


class Severity(StrEnum):
    """How much a finding matters: nothing to do, better looked at, the run is worth little as it is."""

    INFO = "info"
    WARNING = "warning"
    SERIOUS = "serious"

    @property
    def rank(self) -> int:
        """The most severe has the highest."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where it can be seen.

    Attributes:
        series: names of the series, those of `metrics.jsonl` or those of `system.jsonl`.
        first, last: the steps in question, or of the system's series seconds since its first sample; None for all.
    """

    series: tuple[str, ...] = ()
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a run's numbers say.

    Attributes:
        name: the name of its rule, a module of `findings.rules`.
        sentence: in plain words, with its numbers; as it may stand in the takeaways.
        suggestion: what to do about it; "" for nothing.
        change: settings for a new version that does it; None where none would.
    """

    name: str
    severity: Severity
    sentence: str
    evidence: Evidence = Evidence()
    suggestion: str = ""
    change: Mapping[str, SettingValue] | None = None
