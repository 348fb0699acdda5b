"""What a run measured as sentences that a person would put into a note, to be chosen from while writing.

A figure is a pair: its kind, such as "best" or "measured", and the text that is put in.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Iterator, Sequence

from imgexp_tui.records.metrics.follower import RunView, Series
from imgexp_tui.records.system.stats import measured
from imgexp_tui.text import clean_line, duration, listed, number

Figure = tuple[str, str]

_RISES = {"accuracy", "acc", "auc", "auroc", "f1", "precision", "recall", "iou", "dice", "map", "r2", "score", "kappa"}
_FALLS = {"loss", "error", "mae", "mse", "rmse", "nll", "perplexity"}
_RATE = "learning_rate"
_FIRST = ("valid/loss", "valid/accuracy", "train/epoch_loss", "train/epoch_accuracy", "train/loss", "train/accuracy")
_TOLD_OTHERWISE = re.compile(rf"(?:time|{_RATE})/|images_per_second$")


def figures(view: RunView | None, base: str = "", changes: Sequence[str] = ()) -> list[Figure]:
    """Everything that can be said of a run as it stands, what is noted most often first.

    Args:
        view: None for a version without runs.
        base, changes: what the version changes against its base, such as "batch_size 64 → 512".
    """
    found = [*(_of(view) if view else ()), *_differences(base, changes)]
    return list(dict.fromkeys((kind, clean_line(text)) for kind, text in found))


def matching(found: Iterable[Figure], typed: str) -> list[Figure]:
    """The figures in which every word of `typed` occurs, in either case."""
    words = typed.lower().split()
    return [one for one in found if all(word in f"{one[0]} {one[1]}".lower() for word in words)]


def _of(view: RunView) -> Iterator[Figure]:
    names = [*(n for n in _FIRST if n in view.series), *sorted(n for n in view.series if n not in _FIRST)]
    names = [n for n in names if view.series[n].values and not _TOLD_OTHERWISE.match(n)]
    yield from (("best", text) for name in names if (text := _best(view, name)))
    yield from _beside_the_best(view)
    yield from (("measured", f"{label}: {text}") for label, text in measured(view))
    yield from (("now" if view.status.state.live else "last", _last(view, name)) for name in names)
    yield from _of_the_run(view)


def _best(view: RunView, name: str) -> str:
    """The best value of a metric and where it was; "" where nobody knows which way is better."""
    words = set(re.split(r"[/_.\s]", name.lower()))
    choose = max if words & _RISES else min if words & _FALLS else None
    series = view.series[name]
    finite = [i for i, v in enumerate(series.values) if math.isfinite(v)]
    if choose is None or not finite:
        return ""
    at = choose(finite, key=series.values.__getitem__)
    return f"best {_said(name, series.values[at])}{_where(view, name, series, at)}"


def _last(view: RunView, name: str) -> str:
    series = view.series[name]
    return f"{_said(name, series.values[-1])}{_where(view, name, series, len(series.steps) - 1)}"


def _said(name: str, value: float) -> str:
    words = re.sub(r"[/_]", " ", name.replace("/epoch_", "/"))
    mean = " over the epoch" if "/epoch_" in name else ""
    return f"{words}{mean} {value_of(name, value)}"


def value_of(name: str, value: float) -> str:
    """A metric's value as people write it: accuracy in percent."""
    if name.endswith("accuracy") and math.isfinite(value):
        return f"{value * 100:.1f} %"
    return number(value)


def _where(view: RunView, name: str, series: Series, at: int) -> str:
    """The epoch where the value is of an epoch's end, the step otherwise."""
    step, epoch, steps = series.steps[at], view.epoch_at(series.steps[at]), view.plan.get("steps_per_epoch")
    ends = name.startswith("valid/") or "/epoch_" in name
    if isinstance(steps, int) and steps > 0 and not step % steps:
        ends, epoch = True, step / steps if epoch is None else epoch
    return f" (epoch {epoch:g})" if ends and epoch is not None else f" (step {step:,})"


def _beside_the_best(view: RunView) -> Iterator[Figure]:
    """The accuracies of the line that is the run's best."""
    if best := view.best():
        at = f"epoch {best.epoch:g}" if best.epoch is not None else f"step {best.step:,}"
        for name, value in best.beside.items():
            told_better = name.replace("/", "/epoch_") in best.beside
            if name.endswith("accuracy") and math.isfinite(value) and not told_better:
                metric = best.metric.replace("/", " ")
                yield "best", f"{_said(name, value)} at the best {metric} ({at})"


def _of_the_run(view: RunView) -> Iterator[Figure]:
    if view.epoch is not None and math.isfinite(view.epoch):
        count = f"{view.epoch:g}"
        of = f" of {view.epochs}" if view.epochs and view.epochs != view.epoch else ""
        steps = f" ({view.step:,} steps)" if view.step else ""
        yield "run", f"{count}{of} epochs{steps}"
    elif view.step:
        yield "run", f"{view.step:,} steps"
    if rate := _learning_rate(view):
        yield "run", rate
    if (taken := _duration(view)) is not None:
        yield "run", taken
    if (left := view.eta()) is not None:
        yield "run", f"{duration(left)} left"
    if view.request is not None:
        yield "run", f"seed {view.request.seed}"
    yield "run", f"run {view.run}"


def _learning_rate(view: RunView) -> str:
    """The rates of the groups now; those that were asked for where the trainer does not tell them."""
    now = {n.partition("/")[2]: s.values[-1] for n, s in view.series.items() if n.startswith(f"{_RATE}/") and s.values}
    if not now:
        asked = view.request.config.get(_RATE) if view.request else None
        return f"learning rate {_short(asked)}" if isinstance(asked, int | float) and asked else ""
    if len(set(now.values())) == 1:
        return f"learning rate {_short(next(iter(now.values())))}"
    return f"learning rate {listed([f'{_short(value)} ({group})' for group, value in now.items()])}"


def _short(value: float) -> str:
    """`0.01`, but `1e-4`, as people write a learning rate."""
    if abs(value) >= 1e-3 or not value:
        return f"{value:.3g}"
    digits, _, power = f"{value:.2e}".partition("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(power)}"


def _duration(view: RunView) -> str | None:
    """How long the current attempt has taken."""
    process, ended = view.status.process, view.status.exit
    if process is None or process.waiting:
        return None
    if ended is None and not view.status.state.live:
        return None
    seconds = (ended.ended if ended else time.time()) - process.started
    attempt = f", attempt {process.attempt}" if process.attempt > 1 else ""
    return f"{'duration' if ended else 'running for'} {duration(seconds)}{attempt}"


def _differences(base: str, changes: Sequence[str]) -> Iterator[Figure]:
    if len(changes) > 1:
        yield f"vs {base}", f"{', '.join(changes)} (against {base})"
    yield from ((f"vs {base}", change) for change in changes)
