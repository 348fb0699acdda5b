"""Each rule on a few made-up numbers: what it finds with which words, and the near miss in which it keeps quiet."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from imgexp_tui.findings.model import Finding, Severity
from imgexp_tui.findings.run_data import ComparisonRuns
from tests.support.made_up_runs import found_in, made_up

GB = 1 << 30
NOISE = (0.003, -0.004, 0.001, -0.002, 0.004, -0.001, 0.002, -0.003)
GROUPS = ("00.stem", "01.a", "02.b", "03.c", "04.head")


def _norms(*values: float) -> dict[str, list[float]]:
    return {f"gradient_norm/{g}": [v] * 40 for g, v in zip(GROUPS, values, strict=True)}


def _waits(data: float, compute: float, count: int = 60) -> dict[str, list[float]]:
    return {"time/data": [data] * count, "time/compute": [compute] * count}


def _card(own: float, every: float, count: int = 20, **more: float | str) -> dict[str, list[float | str]]:
    values: dict[str, float | str] = {"tree_memory": own, "memory": every, "memory_total": 8 * GB, **more}
    return {f"gpu0/{name}": [value] * count for name, value in values.items()}


def _workers(*numpy: int, side: str = "train") -> list[dict[str, Any]]:
    events = [{"kind": "worker", "side": side, "epoch": 1, "worker": i, "numpy": n} for i, n in enumerate(numpy)]
    return [event | {"time": 1.0, "python": 10 + event["worker"], "torch": 20 + event["worker"]} for event in events]


def _ramp(count: int, start: float, step: float) -> list[float]:
    return [start + i * step + (NOISE[i % 8] * abs(step)) for i in range(count)]


WARNING, INFO, SERIOUS = Severity.WARNING, Severity.INFO, Severity.SERIOUS
FALLING = [0.69, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15]
LEVEL = [0.69, 0.45, 0.35, 0.3, 0.29, 0.295, 0.29, 0.292]
FOUND: list[tuple[str, str, Severity, str, dict[str, Any]]] = [
    ("half", "starved", WARNING, "in 50% of the time", {"steps": _waits(0.1, 0.1)}),
    ("some", "starved", INFO, "in 10% of the time", {"steps": _waits(0.1, 0.9)}),
    (
        "bursts",
        "starved",
        WARNING,
        "works in bursts",
        {
            "steps": {"train/loss": [0.5] * 90},
            "system": {"gpu0/utilization": [0.0, 0.0, 98.0] * 30, "gpu0/tree_memory": [GB] * 90},
        },
    ),
    (
        "card",
        "batch_headroom",
        INFO,
        "one of 128 would fit",
        {"steps": {"train/loss": [0.5] * 40}, "system": _card(1985 << 20, 2 * GB), "plan": {"train_samples": 1500}},
    ),
    (
        "flat",
        "constant",
        WARNING,
        "standard deviation of 0.002",
        {"epochs": {"valid/soft_std": [0.2, 0.003, 0.002], "valid/samples": [500] * 3}, "per_epoch": 30},
    ),
    (
        "one answer",
        "constant",
        WARNING,
        "100.0% of the validation",
        {"epochs": {"valid/largest_share": [0.7, 1, 1]}, "per_epoch": 30},
    ),
    (
        "guessing",
        "chance",
        WARNING,
        "Not better than chance: 265 of 500",
        {"epochs": {"valid/accuracy": [0.5, 0.53, 0.51, 0.48], "valid/samples": [500] * 4}},
    ),
    (
        "a little",
        "chance",
        INFO,
        "Reliably better than chance, though not by much: 300 of 500",
        {"epochs": {"valid/accuracy": [0.5, 0.57, 0.6, 0.59], "valid/samples": [500] * 4}},
    ),
    (
        "stays high",
        "underfits",
        WARNING,
        "0.65",
        {"epochs": {"train/epoch_loss": [0.68, 0.66, 0.65, 0.65, 0.65], "valid/loss": [0.68, 0.66, 0.65, 0.65, 0.65]}},
    ),
    (
        "rises",
        "overfits",
        WARNING,
        "since epoch 4",
        {"epochs": {"train/epoch_loss": FALLING, "valid/loss": [0.69, 0.62, 0.55, 0.5, 0.52, 0.56, 0.6, 0.66]}},
    ),
    (
        "gap",
        "overfits",
        INFO,
        "far better than the validation",
        {"epochs": {"train/epoch_loss": FALLING, "valid/loss": [0.69, 0.62, 0.58, 0.56, 0.55, 0.55, 0.55, 0.55]}},
    ),
    (
        "diverges",
        "learning_rate",
        WARNING,
        "Training diverges: the training loss rose from 0.5 in epoch 2",
        {"epochs": {"train/epoch_loss": [0.7, 0.5, 1.9]}},
    ),
    (
        "stays above",
        "learning_rate",
        WARNING,
        "too high: after 80 steps",
        {"epochs": {"train/epoch_loss": [1.2, 0.9, 0.85, 0.9, 0.84, 0.82, 0.83, 0.85]}},
    ),
    (
        "leaps",
        "learning_rate",
        WARNING,
        "leaps",
        {"epochs": {"train/epoch_loss": [0.6] * 8, "valid/loss": [0.6, 0.6, 0.6, 0.6, 5.0, 0.6, 9.0, 0.6]}},
    ),
    (
        "crawls",
        "learning_rate",
        WARNING,
        "too low",
        {"epochs": {"train/epoch_loss": [0.700, 0.697, 0.694, 0.691, 0.688, 0.685]}},
    ),
    (
        "crawls above guessing",
        "learning_rate",
        WARNING,
        "too low",
        {"epochs": {"train/epoch_loss": [0.800, 0.795, 0.790, 0.785, 0.780, 0.775, 0.770, 0.765]}},
    ),
    (
        "nan",
        "not_finite",
        SERIOUS,
        "train/loss is nan at step 31, and so are the gradients of 1 layer groups; the gradient of 00.stem had grown",
        {
            "steps": {
                "train/loss": [0.5] * 30 + [math.nan],
                "gradient_norm/00.stem": [1.0] * 29 + [5e4, math.nan],
            }
        },
    ),
    (
        "inf",
        "not_finite",
        SERIOUS,
        "The gradient of 01.a is inf at step 5",
        {"steps": {"train/loss": [0.5] * 5, "gradient_norm/01.a": [1.0] * 4 + [math.inf]}},
    ),
    ("vanish", "gradients", WARNING, "vanish: 00.stem", {"steps": _norms(1e-6, 1e-4, 1e-2, 1.0, 2.0)}),
    ("nothing", "gradients", WARNING, "vanish: 01.a", {"steps": _norms(1.0, 0.0, 1.0, 1.0, 2.0)}),
    ("early", "gradients", INFO, "largest in the first layers", {"steps": _norms(9.0, 1.0, 0.8, 0.4, 2.0)}),
    (
        "explode",
        "gradients",
        WARNING,
        "explode: their norm is 2e+03 at step 31",
        {"steps": {"gradient_norm/00.stem": [1.0] * 30 + [2000.0] + [1.0] * 9}},
    ),
    ("leak", "memory", WARNING, "grows by", {"system": {"tree/memory": _ramp(60, GB, 20e6)}}),
    (
        "warms up",
        "memory",
        INFO,
        "no leak",
        {"system": {"tree/memory": [*_ramp(24, GB, 40e6), *[2.0 * GB + n * 1e6 for n in NOISE * 8]]}},
    ),
    (
        "too early",
        "stopping",
        INFO,
        "still getting better",
        {"epochs": {"valid/loss": [0.69, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35]}},
    ),
    (
        "wasted",
        "stopping",
        INFO,
        "The last 5 of 8 epochs brought nothing: the best was epoch 3",
        {"epochs": {"valid/loss": [0.69, 0.5, 0.4, 0.41, 0.42, 0.41, 0.42, 0.43]}},
    ),
    (
        "dropped",
        "validation",
        WARNING,
        "leaves out 52 of 500 images: the last, incomplete batch of 64",
        {"epochs": {"valid/samples": [448] * 3}, "plan": {"valid_samples": 500}},
    ),
    ("differs", "validation", WARNING, "448 in epoch 2", {"epochs": {"valid/samples": [500, 448, 500]}}),
    ("moving", "augmented_validation", WARNING, "not the same", {"epochs": {"valid/fingerprint": [1, 2, 3]}}),
    ("two sets", "augmented_validation", WARNING, "changed", {"epochs": {"valid/fingerprint": [1, 1, 2, 2]}}),
    (
        "named",
        "augmented_validation",
        WARNING,
        "go through flip and noise",
        {"epochs": {"valid/loss": [0.5]}, "plan": {"transforms": {"train": [], "valid": ["flip", "noise"]}}},
    ),
    ("alike", "worker_seeds", WARNING, "Workers 0 and 2 of 3", {"events": _workers(5, 6, 5)}),
    (
        "hot",
        "gpu",
        WARNING,
        "throttled in 100% of the time: heat, down to 900 of 1,800 MHz",
        {"system": _card(GB, GB, throttle="power cap, heat", clock=900, clock_max=1800)},
    ),
    ("shared", "gpu", WARNING, "Others use the GPU too", {"system": _card(GB, 4 * GB)}),
    ("silent", "stalled", SERIOUS, "nothing written for", {"cause": "", "heartbeat": -1.0}),
    ("lost", "stalled", SERIOUS, "was lost", {"cause": "lost"}),
    (
        "pause",
        "stalled",
        WARNING,
        "stood still for 5m 00s at step 30, waiting for data",
        {"steps": {"time/data": [0.1] * 29 + [300.0], "time/compute": [0.1] * 30}},
    ),
    ("tight", "disk", WARNING, "nearly full", {"system": {"host/disk_free": [100e6]}}),
    (
        "shrinks",
        "disk",
        WARNING,
        "will be full in",
        {
            "cause": "",
            "config": {"epochs": 1000},
            "steps": {"train/loss": [0.5] * 40},
            "system": {"host/disk_free": _ramp(30, 5e9, -1e8)},
        },
    ),
    (
        "unread",
        "no_effect",
        WARNING,
        "weights auto → hub had no effect: nothing read it",
        {
            "config": {"weights": "hub"},
            "overrides": {"weights": "hub"},
            "events": [{"kind": "settings", "time": 1.0, "unread": ["weights", "valid_fraction"]}],
        },
    ),
]

QUIET: list[tuple[str, str, dict[str, Any]]] = [
    ("fed", "starved", {"steps": _waits(0.01, 0.9)}),
    ("slow start", "starved", {"steps": {"time/data": [9.0] * 5 + [0.001] * 60, "time/compute": [0.1] * 65}}),
    (
        "full",
        "batch_headroom",
        {"steps": {"train/loss": [0.5] * 40}, "system": _card(5 * GB, 6 * GB), "plan": {"train_samples": 9000}},
    ),
    (
        "first epoch",
        "constant",
        {"epochs": {"valid/soft_std": [0.001, 0.1, 0.2], "valid/largest_share": [1, 0.7, 0.6]}},
    ),
    ("unsettled", "constant", {"epochs": {"valid/largest_share": [1, 1, 1, 1]}}),
    ("learned", "chance", {"epochs": {"valid/accuracy": [0.5, 0.8, 0.9, 0.9], "valid/samples": [500] * 4}}),
    (
        "early",
        "chance",
        {
            "epochs": {"valid/accuracy": [0.5, 0.5], "valid/samples": [500] * 2},
            "plan": {"epochs": 20},
            "cause": "",
        },
    ),
    ("fits", "underfits", {"epochs": {"train/epoch_loss": FALLING, "valid/loss": FALLING}}),
    ("shakes", "overfits", {"epochs": {"train/epoch_loss": FALLING, "valid/loss": LEVEL}}),
    (
        "both rise",
        "overfits",
        {"epochs": {"train/epoch_loss": [0.5, 0.4, 0.3, 0.4, 0.5, 0.6], "valid/loss": [0.5, 0.4, 0.3, 0.4, 0.5, 0.6]}},
    ),
    (
        "learns nothing",
        "overfits",
        {"epochs": {"train/epoch_loss": [0.6934, *[0.6932] * 7], "valid/loss": [0.695, *[1.8] * 7]}},
    ),
    (
        "fits no better",
        "overfits",
        {"epochs": {"train/epoch_loss": [2.6, 2.5, 2.48, 2.45, 2.42, 2.4], "valid/loss": [2.3, *[2.5] * 5]}},
    ),
    ("bends", "learning_rate", {"epochs": {"train/epoch_loss": [0.7, 0.66, 0.645, 0.64, 0.638, 0.637]}}),
    ("learns", "learning_rate", {"epochs": {"train/epoch_loss": FALLING, "valid/loss": FALLING}}),
    ("alike", "gradients", {"steps": _norms(1.0, 0.5, 0.7, 0.4, 2.0)}),
    ("level", "memory", {"system": {"tree/memory": [GB + n * 1e7 for n in NOISE * 8]}}),
    ("level end", "stopping", {"epochs": {"valid/loss": [0.69, 0.5, 0.4, 0.35, 0.33, 0.326, 0.324, 0.323]}}),
    ("whole", "validation", {"epochs": {"valid/samples": [500] * 3}, "plan": {"valid_samples": 500}}),
    ("fixed", "augmented_validation", {"epochs": {"valid/fingerprint": [7, 7, 7]}}),
    ("apart", "worker_seeds", {"events": [*_workers(5, 6), *_workers(5, 6, side="valid")]}),
    ("alone", "gpu", {"system": _card(2 * GB, 2.2 * GB, throttle="power cap")}),
    ("steady", "stalled", {"steps": _waits(0.1, 0.1)}),
    ("ample", "disk", {"system": {"host/disk_free": [50e9] * 30}, "cause": ""}),
    (
        "untouched",
        "no_effect",
        {"overrides": {"epochs": 5}, "events": [{"kind": "settings", "time": 1.0, "unread": ["weights"]}]},
    ),
]


@pytest.mark.parametrize(
    ("name", "severity", "words", "record"), [f[1:] for f in FOUND], ids=[" ".join(f[:2]) for f in FOUND]
)
def test_a_rule_finds(name: str, severity: Severity, words: str, record: dict[str, Any], tmp_path: Path) -> None:
    finding = found_in(made_up(tmp_path, **record), name)
    assert finding is not None
    assert (finding.severity, words in finding.sentence) == (severity, True), finding.sentence
    assert finding.sentence.endswith(".")


@pytest.mark.parametrize(("name", "record"), [q[1:] for q in QUIET], ids=[" ".join(q[:2]) for q in QUIET])
def test_a_rule_keeps_quiet(name: str, record: dict[str, Any], tmp_path: Path) -> None:
    assert found_in(made_up(tmp_path, **record), name) is None


def _beside(tmp_path: Path, name: str, own: dict[str, Any], base: dict[str, Any]) -> Finding | None:
    before = made_up(tmp_path, version="v0", **base)
    return found_in(made_up(tmp_path, version="v1", base="v0", **own), name, ComparisonRuns([before]))


def test_slower_per_epoch_but_ahead_per_step(tmp_path: Path) -> None:
    few = {"epochs": {"valid/loss": [0.6, 0.5, 0.42, 0.36]}, "per_epoch": 5}
    many = {"epochs": {"valid/loss": [0.5, 0.4, 0.3, 0.22]}, "per_epoch": 20}
    finding = _beside(tmp_path, "pace", few, many)
    assert finding is not None
    assert finding.sentence.startswith("Slower per epoch but ahead per step than v0: valid/loss 0.36 against 0.22")
    assert _beside(tmp_path / "other", "pace", many, many) is None


def test_a_change_without_effect_is_seen_by_its_losses(tmp_path: Path) -> None:
    losses = {"steps": {"train/loss": FALLING * 2}, "epochs": {"valid/loss": [0.5]}}
    own = {**losses, "config": {"patch_noise_std": 0.1}}
    finding = _beside(tmp_path, "no_effect", own, losses)
    assert finding is not None
    assert "patch_noise_std 0.05 → 0.1 had no effect" in finding.sentence
    speed = {**losses, "config": {"num_workers": 2}}
    assert _beside(tmp_path / "speed", "no_effect", speed, losses) is None
    changed = {**own, "steps": {"train/loss": [0.7, *FALLING, *FALLING]}}
    assert _beside(tmp_path / "changed", "no_effect", changed, losses) is None


def test_a_setting_that_does_not_reach_a_command(tmp_path: Path) -> None:
    base = {"trainer": "command", "argv": ["python", "t.py"], "config": {"width": 8}}
    finding = _beside(tmp_path, "no_effect", base | {"config": {"width": 16}}, base)
    assert finding is not None
    assert "width 8 → 16 does not reach the command" in finding.sentence
    passed = base | {"config": {"width": 16}, "argv": ["python", "t.py", "16"]}
    assert _beside(tmp_path / "passed", "no_effect", passed, base) is None


def _seeds(tmp_path: Path, version: str, values: list[float], **more: Any) -> list[Any]:
    records = ({"epochs": {"valid/loss": [0.69, v]}, "seed": i} for i, v in enumerate(values))
    return [made_up(tmp_path, version=version, group=version, **one, **more) for one in records]


@pytest.mark.parametrize(
    ("values", "noise", "beyond"), [([0.5, 0.53, 0.48], True, "within"), ([0.30, 0.31, 0.29], False, "beyond")]
)
def test_differences_are_set_beside_the_noise_of_seeds(
    values: list[float], noise: bool, beyond: str, tmp_path: Path
) -> None:
    base = _seeds(tmp_path, "v0", [0.51, 0.5, 0.53])
    own = _seeds(tmp_path, "v1", values, base="v0", config={"dropout": 0.2})
    comparison_runs = ComparisonRuns(base, own, base)
    finding = found_in(own[0], "seed_noise", comparison_runs)
    assert (finding is not None and "within the noise of seeds" in finding.sentence) == noise
    summary = found_in(own[0], "against_base", comparison_runs)
    assert summary is not None
    assert "With dropout 0 → 0.2, valid/loss" in summary.sentence
    assert f"over 3 and 3 seeds that is {beyond} noise" in summary.sentence


def test_with_one_seed_each_it_says_what_it_needs(tmp_path: Path) -> None:
    record = {"epochs": {"valid/loss": [0.69, 0.5]}}
    finding = _beside(tmp_path, "seed_noise", record | {"config": {"dropout": 0.2}}, record)
    assert finding is not None
    assert "needs at least two seeds of both" in finding.sentence
    assert finding.suggestion == "imgexp-tui run v0 v1 --seeds 3"


AUROC = ("valid/auroc", "higher")
RISING = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85]
PASSED = [0.5, 0.7, 0.9, 0.8, 0.81, 0.8, 0.79, 0.8]


@pytest.mark.parametrize(
    ("loss", "auroc", "words"),
    [
        (LEVEL, RISING, "still getting better: valid/auroc rose by 14% over the last 2 epochs, to 0.85 in epoch 8"),
        (FALLING, PASSED, "The last 5 of 8 epochs brought nothing: the best was epoch 3 (valid/auroc 0.9)."),
    ],
    ids=["too early", "wasted"],
)
def test_when_to_stop_is_told_by_the_judge(loss: list[float], auroc: list[float], words: str, tmp_path: Path) -> None:
    found = found_in(made_up(tmp_path, epochs={"valid/loss": loss, "valid/auroc": auroc}, judge=AUROC), "stopping")
    assert found is not None
    assert words in found.sentence
    assert found.evidence.series == ("valid/auroc",)


def test_a_judge_of_training_is_told_by_its_means_over_epochs(tmp_path: Path) -> None:
    epochs = {"train/epoch_accuracy": PASSED, "valid/loss": FALLING}
    view = made_up(tmp_path, epochs=epochs, steps={"train/accuracy": [0.5] * 80}, judge=("train/accuracy", "higher"))
    found = found_in(view, "stopping")
    assert found is not None
    assert "(train/epoch_accuracy 0.9)" in found.sentence


def test_a_judge_that_was_not_recorded_gives_way_to_the_loss(tmp_path: Path) -> None:
    view = made_up(tmp_path, epochs={"valid/loss": [0.69, 0.5, 0.4, 0.41, 0.42, 0.41, 0.42, 0.43]}, judge=AUROC)
    found = found_in(view, "stopping")
    assert found is not None
    assert "the best was epoch 3 (0.4)" in found.sentence


def test_who_is_ahead_per_step_is_told_by_the_judge(tmp_path: Path) -> None:
    base = made_up(tmp_path, version="v0", epochs={"valid/auroc": [0.6, 0.7, 0.8, 0.85]}, per_epoch=40)
    own = made_up(tmp_path, epochs={"valid/auroc": [0.55, 0.62, 0.68, 0.74]}, per_epoch=10, judge=AUROC)
    found = found_in(own, "pace", ComparisonRuns([base], [own], [base]))
    assert found is not None
    assert found.sentence.startswith("Slower per epoch but ahead per step than v0: valid/auroc 0.74 against 0.85")


def test_seeds_are_compared_by_the_judge_whatever_the_base_was_judged_by(tmp_path: Path) -> None:
    def seeds(version: str, values: list[float], **more: Any) -> list[Any]:
        given = [
            {"epochs": {"valid/loss": [0.6, 0.5], "valid/auroc": [v, 0.5]}, "seed": i} for i, v in enumerate(values)
        ]
        return [made_up(tmp_path, version=version, group=version, **one, **more) for one in given]

    base, own = seeds("v0", [0.7, 0.71, 0.72]), seeds("v1", [0.9, 0.91, 0.92], base="v0", judge=AUROC)
    told = found_in(own[0], "against_base", ComparisonRuns(base, own, base))
    assert told is not None
    assert (
        "valid/auroc got better by 29% against v0 (0.7 → 0.9); over 3 and 3 seeds that is beyond noise" in told.sentence
    )
