"""Builds the list of a run's measured values that the editor can insert into a note, as short texts.

A figure is a pair: its kind, such as "best" or "measured", and the text to insert.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Iterator, Sequence

from imgexp_tui.notebook.schema.metrics import Unit
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.metric import (
    DEFAULT_METRICS,
    Judge,
    Metric,
    MetricTable,
    best_index,
    in_list_order,
    stated_judge,
)
from imgexp_tui.records.metrics.run_state import Series
from imgexp_tui.records.system.stats import measured_stats
from imgexp_tui.text import clean_line, format_duration, join_names

Figure = tuple[str, str]

_LEARNING_RATE = "learning_rate"
_EXCLUDED_METRICS = re.compile(rf"(?:time|{_LEARNING_RATE})/|images_per_second$")


def quotable_figures(
    follower: RunFollower | None,
    base: str = "",
    changes: Sequence[str] = (),
    metrics: MetricTable = DEFAULT_METRICS,
    judges: Sequence[Judge] | None = None,
) -> list[Figure]:
    """All figures of a run at this moment, those that are noted most often first.

    Args:
        follower: None for a version without runs.
        base, changes: the version's base, and its changes against it, such as "batch_size 64 → 512".
        metrics: the lab's table of metrics, with their goals and formats.
        judges: the metrics that judge the version's runs, in order of preference; without, those of the run's record.
    """
    measured = _metric_figures(follower, metrics, judges or follower.judges) if follower else ()
    figures = [*measured, *_change_figures(base, changes)]
    return list(dict.fromkeys((kind, clean_line(text)) for kind, text in figures))


def filter_figures(figures: Iterable[Figure], query: str) -> list[Figure]:
    """The figures in which every word of `query` occurs, in any case."""
    words = query.lower().split()
    return [one for one in figures if all(word in f"{one[0]} {one[1]}".lower() for word in words)]


def _metric_figures(follower: RunFollower, metrics: MetricTable, judges: Sequence[Judge]) -> Iterator[Figure]:
    judge = stated_judge(judges)
    names = [n for n in in_list_order(follower.series) if follower.series[n].values and not _EXCLUDED_METRICS.match(n)]
    names.sort(key=lambda name: name != judge)
    yield from (("best", text) for name in names if (text := _best_figure(follower, metrics[name])))
    yield from _accuracies_at_best(follower, metrics, judges)
    yield from (("measured", f"{label}: {text}") for label, text in measured_stats(follower))
    yield from (
        ("now" if follower.status.state.live else "last", _last_figure(follower, metrics[name])) for name in names
    )
    yield from _run_figures(follower)


def _best_figure(follower: RunFollower, metric: Metric) -> str:
    """The best value of a metric with its position; "" for a metric without a goal."""
    series = follower.series[metric.name]
    at = best_index(series.values, metric.goal) if metric.goal else None
    if at is None:
        return ""
    return f"best {_format_metric(metric, series.values[at])}{_format_position(follower, metric.name, series, at)}"


def _last_figure(follower: RunFollower, metric: Metric) -> str:
    series = follower.series[metric.name]
    position = _format_position(follower, metric.name, series, len(series.steps) - 1)
    return f"{_format_metric(metric, series.values[-1])}{position}"


def _format_metric(metric: Metric, value: float) -> str:
    name = metric.name
    words = re.sub(r"[/_]", " ", name.replace("/epoch_", "/"))
    mean = " over the epoch" if "/epoch_" in name else ""
    return f"{words}{mean} {metric.format_value(value)}"


def _format_position(follower: RunFollower, name: str, series: Series, at: int) -> str:
    """Format the position of a value: its epoch at the end of an epoch, its step otherwise."""
    step, epoch, steps = series.steps[at], follower.epoch_at(series.steps[at]), follower.plan.get("steps_per_epoch")
    ends = name.startswith("valid/") or "/epoch_" in name
    if isinstance(steps, int) and steps > 0 and not step % steps:
        ends, epoch = True, step / steps if epoch is None else epoch
    return f" (epoch {epoch:g})" if ends and epoch is not None else f" (step {step:,})"


def _accuracies_at_best(follower: RunFollower, metrics: MetricTable, judges: Sequence[Judge]) -> Iterator[Figure]:
    """The accuracies, and other values in percent, that were recorded with the run's best value."""
    if best := follower.best(judges):
        at = f"epoch {best.epoch:g}" if best.epoch is not None else f"step {best.step:,}"
        for name, value in best.other_metrics.items():
            has_epoch_value = name.replace("/", "/epoch_") in best.other_metrics
            if metrics[name].unit is Unit.PERCENT and math.isfinite(value) and not has_epoch_value:
                judged = best.metric.replace("/", " ")
                yield "best", f"{_format_metric(metrics[name], value)} at the best {judged} ({at})"


def _run_figures(follower: RunFollower) -> Iterator[Figure]:
    if follower.epoch is not None and math.isfinite(follower.epoch):
        count = f"{follower.epoch:g}"
        of = (
            f" of {follower.planned_epochs}"
            if follower.planned_epochs and follower.planned_epochs != follower.epoch
            else ""
        )
        steps = f" ({follower.step:,} steps)" if follower.step else ""
        yield "run", f"{count}{of} epochs{steps}"
    elif follower.step:
        yield "run", f"{follower.step:,} steps"
    if rate := _format_learning_rates(follower):
        yield "run", rate
    if (duration := _format_duration(follower)) is not None:
        yield "run", duration
    if (left := follower.eta()) is not None:
        yield "run", f"{format_duration(left)} left"
    if follower.request is not None:
        yield "run", f"seed {follower.request.seed}"
    yield "run", f"run {follower.run_id}"


def _format_learning_rates(follower: RunFollower) -> str:
    """Format the current learning rates of the groups; the requested one where the trainer records none."""
    now = {
        n.partition("/")[2]: s.values[-1]
        for n, s in follower.series.items()
        if n.startswith(f"{_LEARNING_RATE}/") and s.values
    }
    if not now:
        rate = follower.request.config.get(_LEARNING_RATE) if follower.request else None
        return f"learning rate {_format_learning_rate(rate)}" if isinstance(rate, int | float) and rate else ""
    if len(set(now.values())) == 1:
        return f"learning rate {_format_learning_rate(next(iter(now.values())))}"
    return f"learning rate {join_names([f'{_format_learning_rate(value)} ({group})' for group, value in now.items()])}"


def _format_learning_rate(value: float) -> str:
    """Format a learning rate as people write it: `0.01`, but `1e-4`."""
    if abs(value) >= 1e-3 or not value:
        return f"{value:.3g}"
    digits, _, power = f"{value:.2e}".partition("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(power)}"


def _format_duration(follower: RunFollower) -> str | None:
    """Format the duration of the current attempt; None where it has not started, or its end is unknown."""
    process, ended = follower.status.process, follower.status.exit
    if process is None or process.waiting:
        return None
    if ended is None and not follower.status.state.live:
        return None
    seconds = (ended.ended if ended else time.time()) - process.started
    attempt = f", attempt {process.attempt}" if process.attempt > 1 else ""
    return f"{'duration' if ended else 'running for'} {format_duration(seconds)}{attempt}"


def _change_figures(base: str, changes: Sequence[str]) -> Iterator[Figure]:
    if len(changes) > 1:
        yield f"vs {base}", f"{', '.join(changes)} (against {base})"
    yield from ((f"vs {base}", change) for change in changes)
