"""One run as the screen shows it, as immutable plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgexp_tui.findings.model import Finding
    from imgexp_tui.views.charts.curve import Curve


@dataclass(frozen=True, slots=True)
class ProgressItem:
    """Something under way. `total` and `seconds_left` (seconds) are None where they are unknown."""

    label: str
    done: int
    total: int | None
    unit: str = ""
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """What a live run takes of its machine: % of a core, bytes, number of processes, bytes of GPU memory."""

    cpu: float
    memory: float
    processes: int
    gpu_memory: float | None


@dataclass(frozen=True, slots=True)
class GroupMember:
    """One run of a group, in a word: `best` is None before it has one."""

    run: str
    seed: int
    state: str
    best: float | None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run as it stands.

    Attributes:
        resumable: it ended before its end.
        members: where it is one of a group that differs in the seed only, all of that group, by seed.
        attempt_starts: attempt → its first step, for the attempts after the first.
        curves: those that are drawn, losses first.
        chance: metric and the value that guessing reaches.
        latest_warning: the latest warning of the trainer or the supervisor; "" without.
        measured: label and text of what was measured.
        findings: what its numbers say, the most severe first; None where that is not known yet.
    """

    version: str
    run: str
    state: str
    live: bool
    resumable: bool
    evidence: str
    attempt: int
    epoch: int | None
    epochs: int | None
    step: int
    progress_items: tuple[ProgressItem, ...]
    curves: tuple[Curve, ...]
    best: tuple[str, float, int | None, int] | None
    chance: dict[str, float]
    steps_per_epoch: int | None
    latest_warning: str
    resource_usage: ResourceUsage | None
    measured: tuple[tuple[str, str], ...]
    attempt_starts: tuple[tuple[int, int], ...] = ()
    members: tuple[GroupMember, ...] = ()
    findings: tuple[Finding, ...] | None = None
