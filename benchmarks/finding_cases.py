"""What is planted for `findings.py`: a version to train, the rule that must report it, and what that must say.

`planted.py` changes the trainer of the versions that it has a name for; of the others the settings are the fault.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

TIME = 240.0

SMALL: dict[str, Any] = {
    "data": "shapes",
    "encoder": "small_conv",
    "head": "fastai",
    "image_size": 32,
    "train_samples": 320,
    "valid_samples": 250,
    "batch_size": 32,
    "threads": 1,
    "device": "cpu",
    "epochs": 8,
}
LEARNS: dict[str, Any] = {"train_samples": 800, "epochs": 8, "learning_rate": 2e-3}
PROBE: dict[str, Any] = {
    "task": "classification",
    "encoder": "tf_efficientnet_lite0",
    "pretrained": True,
    "weights": "package",
    "freeze_epochs": 99,
    "head": "linear",
    "image_size": 64,
    "train_samples": 640,
}
"""A linear head on frozen weights, whose losses are smooth: for rules about the shape of curves."""
BY_HEART: dict[str, Any] = {"task": "classification", "train_samples": 200, "epochs": 16}
"""Ten classes and too few images of each: what is learned is these images."""
SLOW: dict[str, Any] = {"train_samples": 320, "batch_size": 16}
"""With a pause in each step, for what the supervisor samples once a second."""
CARD: dict[str, Any] = {**SLOW, "epochs": 7}


@dataclass(frozen=True)
class Case:
    """A version that is trained.

    Attributes:
        rule: the one that must report it; "" for a healthy run.
        says: what its sentence must match, where the rule has several things to say.
        settings: beside `SMALL`.
        base: what the base version sets; None without one.
        seeds: how many runs of it, and of its base, are one trial.
        may: rules whose reports are consequences of the same fault.
        never: rules that must not report anything.
        during: done while it runs, and the findings are taken after it; None where they are taken at the end.
        card: it has the cards of the tests' driver.
        disk: its lab is a small disk of its own.
    """

    name: str
    rule: str
    settings: dict[str, Any] = field(default_factory=dict)
    base: dict[str, Any] | None = None
    seeds: int = 1
    may: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()
    during: Callable[[Any], None] | None = None
    says: str = ""
    card: bool = False
    disk: bool = False


def _case(name: str, rule: str, may: str = "", never: str = "", **more: Any) -> Case:
    settings = more.pop("settings", {})
    return Case(name, rule, settings, may=frozenset(may.split()), never=frozenset(never.split()), **more)


UNLEARNT = "chance underfits learning_rate"
"""Of runs that are too short or too broken to learn anything, these are right."""


def cases() -> list[Case]:
    """Every fault, and what is healthy."""
    return [
        _case("healthy", "", settings=LEARNS),
        _case("healthy-workers", "", settings=LEARNS | {"num_workers": 2}),
        _case("healthy-one-cycle", "", settings=LEARNS | {"schedule": "one-cycle", "optimizer": "adamw"}),
        _case("healthy-augmented", "", settings=LEARNS | {"patch_flip_horizontal": 0.5, "dropout": 0.1}),
        _case("no-leak", "", UNLEARNT, settings=SLOW | {"epochs": 18}),
        _case("slow-loader", "starved", UNLEARNT),
        _case("collapsed-head", "constant", UNLEARNT + " gradients"),
        _case("shuffled-labels", "chance", UNLEARNT + " constant overfits", says="Not better"),
        _case("underfits", "underfits", "chance learning_rate", settings={"freeze_epochs": 99, "train_samples": 800}),
        _case("overfits", "overfits", "chance", settings=BY_HEART, says="overfits since"),
        _case("rate-too-high", "learning_rate", UNLEARNT + " gradients constant overfits not_finite",
              settings={"learning_rate": 1.0, "epochs": 8}, says="too high|diverges"),
        _case("rate-too-low", "learning_rate", UNLEARNT, settings=PROBE | {"learning_rate": 3e-6}, says="too low"),
        _case("nan", "not_finite", UNLEARNT),
        _case("exploding-step", "gradients", UNLEARNT, says="explode"),
        _case("vanishing", "gradients", UNLEARNT + " constant",
              settings={"encoder": "planted:Sigmoids"}, says="vanish"),
        _case("leak", "memory", UNLEARNT, settings=SLOW | {"epochs": 18}, says="grows"),
        _case("stopped-early", "stopping", "chance underfits",
              settings=PROBE | {"learning_rate": 2e-4, "epochs": 6}, says="still getting better"),
        _case("went-on", "stopping", "chance overfits", settings=BY_HEART, says="brought nothing"),
        _case("clipped-validation", "validation", UNLEARNT),
        _case("pace", "pace", UNLEARNT, settings=PROBE | {"batch_size": 64, "learning_rate": 1.5e-4, "epochs": 5},
              base=PROBE | {"batch_size": 16, "learning_rate": 1e-4, "epochs": 5}, says="per step"),
        _case("seeds-alike", "seed_noise", UNLEARNT,
              settings={"patch_size": 0.36}, base={}, seeds=3, says="within the noise"),
        _case("noisy-validation", "augmented_validation", UNLEARNT, settings={"patch_noise": 0.5}),
        _case("equal-workers", "worker_seeds", UNLEARNT, settings={"num_workers": 2, "epochs": 2}),
        _case("hot-card", "gpu", UNLEARNT, settings=CARD, card=True, says="throttled"),
        _case("shared-card", "gpu", UNLEARNT, settings=CARD, card=True, says="Others use"),
        _case("roomy-card", "batch_headroom", UNLEARNT, settings=CARD, card=True),
        _case("full-card", "", UNLEARNT, "batch_headroom gpu", settings=CARD, card=True),
        _case("hanging", "stalled", UNLEARNT, settings=SLOW | {"epochs": 50}, during=hang, says="stalls"),
        _case("lost", "stalled", UNLEARNT, settings=SLOW | {"epochs": 50}, during=lose, says="was lost"),
        _case("full-disk", "disk", UNLEARNT,
              settings=SLOW | {"epochs": 400}, during=fill, disk=True, says="will be full"),
        _case("without-effect", "no_effect", UNLEARNT, settings={"patch_noise_std": 0.2}, base={}),
    ]  # fmt: skip


# What is done to a run while it goes on


def _learning(run: Any) -> None:
    """Wait until it has done an epoch."""
    _until(lambda: b"valid/loss" in run.metrics.read_bytes() if run.metrics.exists() else False, "an epoch")


def _trainer(run: Any) -> int:
    from imgexp_tui.records.documents import Process

    process = Process.read(run)
    assert process and process.trainer
    return int(process.trainer.pid)


def hang(run: Any) -> None:
    """The trainer stops in its tracks; the lab's heartbeat is 3 s."""
    _learning(run)
    os.kill(_trainer(run), signal.SIGSTOP)
    time.sleep(6)


def lose(run: Any) -> None:
    """Supervisor and trainer are killed together, as when a machine goes down."""
    from imgexp_tui.records.documents import Process

    _learning(run)
    process = Process.read(run)
    assert process and process.supervisor
    os.kill(process.supervisor.pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(_trainer(run), signal.SIGKILL)
    time.sleep(1)


def fill(run: Any) -> None:
    """Another program writes 10 MB a second to the lab's disk."""
    _learning(run)
    with (run.path.parent.parent.parent / "somebody-elses").open("wb") as file:
        for _ in range(80):
            file.write(os.urandom(1 << 20) * 10)
            file.flush()
            time.sleep(1)
    time.sleep(1)


def _until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + TIME
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.2)
