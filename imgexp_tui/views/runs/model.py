"""Immutable data of one run for the screens: its summary, progress, resource usage and seed group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgexp_tui.findings.model import Finding
    from imgexp_tui.views.charts.curve import Curve


@dataclass(frozen=True, slots=True)
class ProgressItem:
    """Progress of one task; `total` and `seconds_left` are None where they are unknown."""

    label: str
    done: int
    total: int | None
    unit: str = ""
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """What a live run uses: CPU in percent of a core, memory and GPU memory in bytes, number of processes."""

    cpu: float
    memory: float
    processes: int
    gpu_memory: float | None


@dataclass(frozen=True, slots=True)
class GroupMember:
    """One run of a seed group; `best` is None before its first value."""

    run: str
    seed: int
    state: str
    best: float | None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The state of one run at one moment.

    Attributes:
        resumable: whether it ended before it was finished.
        members: the runs of its group, which differ only in the seed, sorted by seed; () without a group.
        attempt_starts: attempt and its first step, for the attempts after the first.
        curves: the curves to draw, the judge's first, then losses.
        best: metric, value, epoch and step of the best value; None without one.
        chance: metric of a curve → value of random guessing.
        latest_warning: the latest warning of the trainer or the supervisor; "" without one.
        measured: label and text of each measured value.
        findings: its findings, the most severe first; None before they are evaluated.
        judge: the metric that judges it, whose curve is always drawn; "" for the default one.
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
    judge: str = ""
