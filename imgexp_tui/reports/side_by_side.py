"""Several versions side by side: what differs in their settings, what they reached, what they cost.

The last values of two runs say little where one trained longer. So each metric also stands at the same step and at the
same time of training: those at which the shorter run ended, or is now. The notes that this grew from had two versions
of which one was behind by epoch and ahead by step.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean, stdev

from imgexp_tui.notebook.diff import shown
from imgexp_tui.notebook.model import Version
from imgexp_tui.notebook.schema.settings import SETTINGS
from imgexp_tui.records.metrics.follower import RunView, Series
from imgexp_tui.records.system.stats import measured
from imgexp_tui.text import duration, number

_FIRST = ("valid/loss", "valid/accuracy", "train/epoch_loss", "train/epoch_accuracy", "train/loss", "train/accuracy")
"""Metrics that come first; other validation metrics follow."""


@dataclass(frozen=True, slots=True)
class Side:
    """One version.

    Attributes:
        runs: of the same settings: one, or the seeds that were started together; () where it never ran.
    """

    version: Version
    runs: tuple[RunView, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the comparison.

    Attributes:
        cells: a text for each side; "" where it has none.
        best: the side that is ahead; None where nobody is, or it says nothing.
        differs: whether the cells are not all the same.
    """

    label: str
    cells: tuple[str, ...]
    best: int | None = None

    @property
    def differs(self) -> bool:
        return len(set(self.cells)) > 1


@dataclass(frozen=True, slots=True)
class Part:
    """Lines under one heading."""

    title: str
    entries: tuple[Entry, ...]


def beside(sides: Sequence[Side]) -> list[Part]:
    """The comparison of `sides`, part by part; parts that hold nothing are left out."""
    parts = [Part("settings", tuple(_settings(sides))), Part("runs", tuple(_runs(sides)))]
    parts += _metrics(sides)
    parts += [Part("measured", tuple(_measured(sides))), Part("notes", tuple(_notes(sides)))]
    return [part for part in parts if part.entries]


def mean_of(values: Iterable[float]) -> tuple[float, float | None, int] | None:
    """Mean, sample standard deviation (None for one value) and count of what is finite; None without any."""
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return None
    return fmean(finite), stdev(finite) if len(finite) > 1 else None, len(finite)


def at_step(view: RunView, metric: str, step: int) -> float | None:
    """The last value of a metric up to a step, that step included; None before there is one."""
    series = view.series.get(metric)
    return _until(series, step) if series else None


def step_at(view: RunView, seconds: float) -> int | None:
    """The last validation that was over after so many seconds of training; None before the first."""
    i = bisect_right(view.trained.values, seconds)
    return view.trained.steps[i - 1] if i else None


def _until(series: Series, step: int) -> float | None:
    i = bisect_right(series.steps, step)
    return series.values[i - 1] if i else None


def _settings(sides: Sequence[Side]) -> Iterator[Entry]:
    order = {name: i for i, name in enumerate(SETTINGS)}
    configs = [side.version.config for side in sides]
    names = sorted({name for config in configs for name in config}, key=lambda n: (order.get(n, len(order)), n))
    if any(side.version.command for side in sides):
        yield Entry("command", tuple(" ".join(side.version.command or ("the shipped trainer",)) for side in sides))
    for name in names:
        yield Entry(name, tuple(shown(name, config.get(name)) for config in configs))


def _runs(sides: Sequence[Side]) -> Iterator[Entry]:
    if not any(side.runs for side in sides):
        return
    yield Entry("run", tuple(_named(side) for side in sides))
    yield Entry("state", tuple(_each(side, lambda view: view.status.state.value) for side in sides))
    yield Entry("epoch", tuple(_each(side, _epoch) for side in sides))
    yield Entry("step", tuple(_each(side, lambda view: f"{view.step:,}" if view.step else "") for side in sides))
    yield Entry("training time", tuple(_each(side, _trained) for side in sides))
    yield Entry("code", tuple(_each(side, _commit) for side in sides))


def _named(side: Side) -> str:
    if len(side.runs) > 1:
        return f"{len(side.runs)} seeds"
    return side.runs[0].run if side.runs else "no run"


def _each(side: Side, say: Callable[[RunView], str]) -> str:
    return ", ".join(dict.fromkeys(text for view in side.runs if (text := say(view))))


def _epoch(view: RunView) -> str:
    if view.epoch is None:
        return ""
    return f"{view.epoch:g}/{view.epochs}" if view.epochs else f"{view.epoch:g}"


def _trained(view: RunView) -> str:
    return duration(view.trained.values[-1]) if view.trained.values else ""


def _commit(view: RunView) -> str:
    git = view.request.git if view.request else {}
    sha = str(git.get("sha", ""))[:9]
    return f"{sha} + changes" if sha and git.get("dirty") else sha


def _metrics(sides: Sequence[Side]) -> Iterator[Part]:
    names = {name for side in sides for view in side.runs for name in view.series}
    listed = [n for n in _FIRST if n in names] + sorted(n for n in names if n.startswith("valid/") and n not in _FIRST)
    step, seconds = _common_step(sides), _common_time(sides)
    for name in listed:
        rows = [
            _entry(name, "best", sides, partial(_best, metric=name), place=_place_of_best(name)),
            _entry(name, "last", sides, partial(_last, metric=name)),
        ]
        if step is not None:
            label = f"at step {step:,}"
            rows.append(_entry(name, label, sides, partial(at_step, metric=name, step=step)))
        if seconds is not None:
            label = f"after {duration(seconds)}"
            rows.append(_entry(name, label, sides, partial(_after, metric=name, seconds=seconds)))
        yield Part(name, tuple(row for row in rows if any(row.cells)))


def _entry(
    metric: str,
    label: str,
    sides: Sequence[Side],
    value: Callable[[RunView], float | None],
    place: Callable[[RunView], str] = lambda _: "",
) -> Entry:
    found = [mean_of(v for view in side.runs if (v := value(view)) is not None) for side in sides]
    cells = []
    for side, one in zip(sides, found, strict=True):
        if one is None:
            cells.append("not finite" if any(value(view) is not None for view in side.runs) else "")
            continue
        mean, spread, count = one
        over = f" ± {number(spread)} ({count})" if spread is not None else ""
        at = place(side.runs[0]) if len(side.runs) == 1 else ""
        cells.append(number(mean) + over + at)
    known = [(one[0], i) for i, one in enumerate(found) if one]
    if len(known) < 2 or len({mean for mean, _ in known}) == 1:
        return Entry(label, tuple(cells))
    ahead = min(known) if lower_is_better(metric) else max(known)
    return Entry(label, tuple(cells), ahead[1])


def lower_is_better(metric: str) -> bool:
    """Losses and errors fall, everything else that a validation measures rises."""
    return any(word in metric for word in ("loss", "error", "perplexity", "mae", "mse"))


def _best_at(view: RunView, metric: str) -> int | None:
    series = view.series.get(metric)
    finite = [i for i, v in enumerate(series.values) if math.isfinite(v)] if series else []
    if not series or not finite:
        return None
    return (min if lower_is_better(metric) else max)(finite, key=series.values.__getitem__)


def _best(view: RunView, metric: str) -> float | None:
    at = _best_at(view, metric)
    return None if at is None else view.series[metric].values[at]


def _place_of_best(metric: str) -> Callable[[RunView], str]:
    def place(view: RunView) -> str:
        at = _best_at(view, metric)
        if at is None:
            return ""
        step = view.series[metric].steps[at]
        per_epoch = view.plan.get("steps_per_epoch")
        if isinstance(per_epoch, int) and per_epoch > 0:
            return f" (epoch {math.ceil(step / per_epoch)})"
        return f" (step {step:,})"

    return place


def _last(view: RunView, metric: str) -> float | None:
    series = view.series.get(metric)
    return series.last if series else None


def _after(view: RunView, metric: str, seconds: float) -> float | None:
    step = step_at(view, seconds)
    return None if step is None else at_step(view, metric, step)


def _common_step(sides: Sequence[Side]) -> int | None:
    """The last validation that every run reached; None where they all stand at the same, or one has none."""
    ends = [view.trained.steps[-1] if view.trained.steps else None for side in sides for view in side.runs]
    reached = [end for end in ends if end is not None]
    return min(reached) if len(reached) == len(ends) > 1 and len(set(reached)) > 1 else None


def _common_time(sides: Sequence[Side]) -> float | None:
    ends = [view.trained.values[-1] if view.trained.values else None for side in sides for view in side.runs]
    reached = [end for end in ends if end is not None]
    return min(reached) if len(reached) == len(ends) > 1 and min(reached) > 0 else None


def _measured(sides: Sequence[Side]) -> Iterator[Entry]:
    found = [dict(measured(side.runs[0])) if side.runs else {} for side in sides]
    for label in dict.fromkeys(label for one in found for label in one):
        yield Entry(label, tuple(one.get(label, "") for one in found))


def _notes(sides: Sequence[Side]) -> Iterator[Entry]:
    for field in ("summary", "takeaways", "observed"):
        texts = tuple(getattr(side.version, field).strip("\n") for side in sides)
        if any(texts):
            yield Entry(field, texts)
