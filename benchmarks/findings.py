"""Are the findings right? Plants each fault in real small trainings, runs healthy ones beside them, and counts.

    python benchmarks/findings.py --seeds 6 --check
    python benchmarks/findings.py --only leak --seeds 2

Every trial is a run of the shipped trainer under its supervisor, in a lab of its own, on generated images. A fault
counts as found where its rule reports it. A false alarm is anything above "info" that a rule reports on a healthy run,
or on a run with another fault where it is no consequence of that, and a report at any level where a case forbids it.
The first half of the seeds is for looking at while rules are made; the second half is held back until the end, and told
apart.

What cannot be planted on any machine: the cards are those of the tests' driver (`tests/fake_nvml.c`, built here), which
the real sampler asks; the disk is a small tmpfs, which takes root (left out otherwise).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 0.95
TIME = 240.0
FIRST_SEED = 100

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
        settings: beside `SMALL`.
        base: what the base version sets; None without one.
        seeds: how many runs of it, and of its base, are one trial.
        may: rules whose reports are consequences of the same fault.
        never: rules that must not report anything.
        during: done while it runs, and the findings are taken after it; None where they are taken at the end.
    """

    name: str
    rule: str
    settings: dict[str, Any] = field(default_factory=dict)
    base: dict[str, Any] | None = None
    seeds: int = 1
    may: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()
    during: Callable[[Any], None] | None = None
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
        _case("shuffled-labels", "chance", UNLEARNT + " constant overfits"),
        _case("underfits", "underfits", "chance learning_rate", settings={"freeze_epochs": 99, "train_samples": 800}),
        _case("overfits", "overfits", "chance", settings=BY_HEART),
        _case("rate-too-high", "learning_rate", UNLEARNT + " gradients constant overfits not_finite",
              settings={"learning_rate": 1.0, "epochs": 8}),
        _case("rate-too-low", "learning_rate", UNLEARNT, settings=PROBE | {"learning_rate": 3e-6}),
        _case("nan", "not_finite", UNLEARNT),
        _case("exploding-step", "gradients", UNLEARNT),
        _case("vanishing", "gradients", UNLEARNT + " constant", settings={"encoder": "planted:Sigmoids"}),
        _case("leak", "memory", UNLEARNT, settings=SLOW | {"epochs": 18}),
        _case("stopped-early", "stopping", "chance underfits", settings=PROBE | {"learning_rate": 2e-4, "epochs": 6}),
        _case("went-on", "stopping", "chance overfits", settings=BY_HEART),
        _case("clipped-validation", "validation", UNLEARNT),
        _case("pace", "pace", UNLEARNT, settings=PROBE | {"batch_size": 64, "learning_rate": 1.5e-4, "epochs": 5},
              base=PROBE | {"batch_size": 16, "learning_rate": 1e-4, "epochs": 5}),
        _case("seeds-alike", "seed_noise", UNLEARNT, settings={"patch_size": 0.36}, base={}, seeds=3),
        _case("noisy-validation", "augmented_validation", UNLEARNT, settings={"patch_noise": 0.5}),
        _case("equal-workers", "worker_seeds", UNLEARNT, settings={"num_workers": 2, "epochs": 2}),
        _case("hot-card", "gpu", UNLEARNT, settings=CARD, card=True),
        _case("shared-card", "gpu", UNLEARNT, settings=CARD, card=True),
        _case("roomy-card", "batch_headroom", UNLEARNT, settings=CARD, card=True),
        _case("full-card", "", UNLEARNT, "batch_headroom gpu", settings=CARD, card=True),
        _case("hanging", "stalled", UNLEARNT, settings=SLOW | {"epochs": 50}, during=hang),
        _case("lost", "stalled", UNLEARNT, settings=SLOW | {"epochs": 50}, during=lose),
        _case("full-disk", "disk", UNLEARNT, settings=SLOW | {"epochs": 400}, during=fill, disk=True),
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


# Trials


class Place:
    """Where the trials take place: a folder, the driver of the tests, and turns at the environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._turn = threading.Lock()
        plants = folder / "plants"
        plants.mkdir(exist_ok=True)
        shutil.copy(Path(__file__).with_name("planted.py"), plants)
        (plants / "sitecustomize.py").write_text(
            "import sys\nif 'imgexp_tui.training' in sys.orig_argv:\n    import planted\n    planted.arm()\n"
        )
        os.environ["PYTHONPATH"] = os.pathsep.join([str(plants), str(ROOT)])
        os.environ["XDG_STATE_HOME"], os.environ["OMP_NUM_THREADS"] = str(folder / "state"), "1"
        self.driver = folder / "driver"
        self.driver.mkdir(exist_ok=True)
        library = self.driver / "libnvidia-ml.so.1"
        words = ["gcc", "-shared", "-fPIC", "-o", str(library), str(ROOT / "tests" / "fake_nvml.c")]
        self.has_driver = bool(shutil.which("gcc")) and subprocess.run(words, check=False).returncode == 0

    @contextlib.contextmanager
    def environment(self, lab: Path, *, card: bool) -> Iterator[None]:
        """The environment in which a run is started, which is the process's own; one at a time."""
        with self._turn:
            if card:
                (lab / "cards").write_text("\n")
                os.environ["LD_LIBRARY_PATH"], os.environ["FAKE_NVML"] = str(self.driver), str(lab / "cards")
            try:
                yield
            finally:
                os.environ.pop("LD_LIBRARY_PATH", None)


@dataclass(frozen=True)
class Trial:
    """What was found in one."""

    case: Case
    seed: int
    found: dict[str, tuple[str, str]]
    trouble: str = ""


def trial(place: Place, case: Case, seed: int) -> Trial:
    """One run, or one and those that it is compared with."""
    lab = place.folder / f"{case.name}-{seed}"
    if (lab / "trained").exists():
        return Trial(case, seed, _findings(case, lab))
    shutil.rmtree(lab, ignore_errors=True)
    lab.mkdir()
    try:
        if case.disk:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3g", "tmpfs", str(lab)], check=True)
        _train(place, case, seed, lab)
        return Trial(case, seed, _findings(case, lab))
    except Exception as error:  # noqa: BLE001 - one trial that breaks must not end the others
        return Trial(case, seed, {}, f"{type(error).__name__}: {error}")
    finally:
        _end(lab)
        if case.disk:
            subprocess.run(["umount", "-l", str(lab)], check=False)


def _train(place: Place, case: Case, seed: int, lab: Path) -> None:
    from imgexp_tui.notebook.load import load
    from imgexp_tui.runner.control import wait
    from imgexp_tui.runner.launch import launch

    (lab / "experiments.toml").write_text(_notebook(case))
    notebook = load(lab)
    for version in [*(["base"] if case.base is not None else []), case.name]:
        for number in range(case.seeds):
            # A base of several seeds has seeds of its own.
            own = seed * 100 + number + (50 if version == "base" and case.seeds > 1 else 0)
            with place.environment(lab, card=case.card):
                run = launch(notebook, version, seed=own, group=version if case.seeds > 1 else "")
            if case.during and version == case.name:
                case.during(run)
            else:
                wait(run)
    if not case.during:  # what is found while a run goes on cannot be found again
        (lab / "trained").touch()


def _findings(case: Case, lab: Path) -> dict[str, tuple[str, str]]:
    from imgexp_tui.findings.lab import findings_of
    from imgexp_tui.notebook.load import load
    from imgexp_tui.records.follow import RunView
    from imgexp_tui.records.rundir import find_runs

    views = {version: [RunView(run) for run in find_runs(lab, version)] for version in ("base", case.name)}
    for view in [one for several in views.values() for one in several]:
        view.poll()
    found = findings_of(views[case.name][0], views, load(lab))
    return {one.name: (one.severity.value, one.sentence) for one in found}


def _notebook(case: Case) -> str:
    parts = ["[lab]\nslots = 64\nheartbeat = 3\n" if case.rule == "stalled" else "[lab]\nslots = 64\n"]
    parts += [f"[defaults]\n{_toml(SMALL)}"]
    if case.base is not None:
        parts.append(f"[versions.base]\n[versions.base.train]\n{_toml(case.base)}")
    base = 'base = "base"\n' if case.base is not None else ""
    parts.append(f"[versions.{case.name}]\n{base}[versions.{case.name}.train]\n{_toml(case.settings)}")
    return "\n".join(parts)


def _toml(settings: dict[str, Any]) -> str:
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())


def _end(lab: Path) -> None:
    """Leave nothing running."""
    from imgexp_tui.records.documents import Process
    from imgexp_tui.records.rundir import find_runs
    from imgexp_tui.records.state import status

    for run in find_runs(lab):
        process = Process.read(run)
        for one in (process.trainer, process.supervisor) if process and status(run).state.live else ():
            if one:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one.pid, signal.SIGKILL)


# Counting


@dataclass
class Count:
    """Of one rule."""

    planted: int = 0
    found: int = 0
    false: int = 0


def alarms(one: Trial) -> list[str]:
    """The rules that spoke up without reason."""
    case = one.case
    loud = {name for name, (severity, _) in one.found.items() if severity != "info"}
    return sorted((loud - case.may - {case.rule}) | (set(one.found) & case.never))


def count(trials: Sequence[Trial]) -> dict[str, Count]:
    """By rule."""
    from imgexp_tui.notebook.finding_names import FINDINGS

    counts = {name: Count() for name in FINDINGS}
    for one in (t for t in trials if not t.trouble):
        if one.case.rule:
            counts[one.case.rule].planted += 1
            counts[one.case.rule].found += one.case.rule in one.found
        if one.case.base is not None:  # a pair is what the draft of a sentence needs, no more
            counts["against_base"].planted += 1
            counts["against_base"].found += "against_base" in one.found
        for name in alarms(one):
            counts[name].false += 1
    return counts


def table(halves: dict[str, dict[str, Count]]) -> str:
    """A row a rule: found, missed and false alarms in each half."""
    head = "".join(f"{name:>26}" for name in halves)
    rows = [f"{'':<22}{head}", f"{'rule':<22}" + "     found missed  false" * len(halves)]
    for rule in next(iter(halves.values())):
        cells = [c[rule] for c in halves.values()]
        rows.append(f"{rule:<22}" + "".join(f"{c.found:>10}{c.planted - c.found:>7}{c.false:>7}" + "  " for c in cells))
    return "\n".join(rows)


def rates(counts: dict[str, Count]) -> tuple[float, float]:
    """Recall and precision over all rules."""
    planted, found, false = (sum(getattr(c, name) for c in counts.values()) for name in ("planted", "found", "false"))
    return found / planted if planted else 1.0, found / (found + false) if found + false else 1.0


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=6, help="trials of each case; the second half is held back")
    options.add_argument("--only", action="append", default=[], metavar="CASE", help="these cases")
    options.add_argument("--jobs", type=int, default=3, help="trials at a time")
    options.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep the runs there; those that it has are not trained again"
    )
    options.add_argument("--open", action="store_true", help="leave the held-back half alone")
    options.add_argument("--check", action="store_true", help=f"exit 1 where recall or precision is below {LIMIT}")
    arguments = options.parse_args()
    start = time.monotonic()
    seeds = range(FIRST_SEED, FIRST_SEED + arguments.seeds)
    held_back = set(seeds[(len(seeds) + 1) // 2 :])
    wanted = [case for case in cases() if not arguments.only or case.name in arguments.only]
    with tempfile.TemporaryDirectory(prefix="findings-") as folder:
        if arguments.keep:
            arguments.keep.mkdir(exist_ok=True)
        place = Place((arguments.keep or Path(folder)).absolute())
        left_out = [c.name for c in wanted if (c.card and not place.has_driver) or (c.disk and os.geteuid())]
        todo = [(case, seed) for seed in seeds for case in wanted if case.name not in left_out]
        todo = [(case, seed) for case, seed in todo if not (arguments.open and seed in held_back)]
        with ThreadPoolExecutor(arguments.jobs) as pool:
            trials = list(pool.map(lambda pair: _told(trial(place, *pair)), todo))
    if left_out:
        print(f"left out, this machine cannot: {', '.join(left_out)}")
    return _report(trials, held_back, time.monotonic() - start, check=arguments.check)


def _told(one: Trial) -> Trial:
    """Say at once what is not as it should be."""
    missed = one.case.rule and one.case.rule not in one.found
    wrong = [f"false {name}: {one.found[name][1]}" for name in alarms(one)]
    if one.trouble or missed or wrong:
        said = [f"missed {one.case.rule} (found {list(one.found)})"] if missed else []
        print(f"{one.case.name} {one.seed}: {one.trouble or '; '.join([*said, *wrong])}", flush=True)
    return one


def _report(trials: Sequence[Trial], held_back: set[int], seconds: float, *, check: bool) -> int:
    halves = {
        "open": count([t for t in trials if t.seed not in held_back]),
        "held back": count([t for t in trials if t.seed in held_back]),
    }
    print(table(halves))
    whole = count(trials)
    (recall, precision), (recall_held, precision_held) = rates(whole), rates(halves["held back"])
    healthy = [t for t in trials if not t.case.rule and not t.trouble]
    loud = sum(bool(alarms(t)) for t in healthy)
    troubles = sum(bool(t.trouble) for t in trials)
    print(f"healthy runs: {len(healthy)}, with anything above info: {loud}")
    print(
        f"trials={len(trials)} troubles={troubles} recall={recall:.3f} precision={precision:.3f} "
        f"recall_held_back={recall_held:.3f} precision_held_back={precision_held:.3f} "
        f"loud_healthy={loud} seconds={seconds:.0f}"
    )
    good = min(recall, precision, recall_held, precision_held) >= LIMIT and not loud and not troubles
    return 0 if good or not check else 1


if __name__ == "__main__":
    sys.exit(main())
