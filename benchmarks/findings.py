"""Are the findings right? Plants each fault in real small trainings, runs healthy ones beside them, and counts.

    python benchmarks/findings.py --seeds 6 --check
    python benchmarks/findings.py --only leak --seeds 2

Every trial is a run of the shipped trainer under its supervisor, in a lab of its own, on generated images; what is
planted is told in `finding_cases.py`. A fault counts as found where its rule reports it and says the right thing of it.
A false alarm is anything above "info" that a rule reports on a healthy run, or on a run with another fault where it is
no consequence of that, and a report at any level where a case forbids it. Half of the seeds, from 100 on, are for
looking at while rules are made (`--open`); the other half, from 900 on, is held back until the end, and told apart.

What cannot be planted on any machine: the cards are those of the tests' driver (`tests/native/fake_nvml.c`, built
here), which the real sampler asks; the disk is a small tmpfs, which takes root. What this machine cannot do is left out
and said.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finding_cases import SMALL, Case, cases

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 0.95
OPEN, HELD_BACK = 100, 900
"""The first seed of each half."""


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
        words = ["gcc", "-shared", "-fPIC", "-o", str(library), str(ROOT / "tests" / "native" / "fake_nvml.c")]
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
    if _trained(case, lab):
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


def _trained(case: Case, lab: Path) -> bool:
    """Whether it is there already, with the settings of today."""
    return (lab / "trained").exists() and (lab / "experiments.toml").read_text() == _notebook(case)


def _train(place: Place, case: Case, seed: int, lab: Path) -> None:
    from imgexp_tui.notebook.load import load_notebook
    from imgexp_tui.runner.control import wait_for_end
    from imgexp_tui.runner.launch import launch

    (lab / "experiments.toml").write_text(_notebook(case))
    notebook = load_notebook(lab)
    for version in [*(["base"] if case.base is not None else []), case.name]:
        for number in range(case.seeds):
            # A base of several seeds has seeds of its own.
            own = seed * 100 + number + (50 if version == "base" and case.seeds > 1 else 0)
            with place.environment(lab, card=case.card):
                run = launch(notebook, version, seed=own, group=version if case.seeds > 1 else "")
            if case.during and version == case.name:
                case.during(run)
            else:
                wait_for_end(run)
    if not case.during:  # what is found while a run goes on cannot be found again
        (lab / "trained").touch()


def _findings(case: Case, lab: Path) -> dict[str, tuple[str, str]]:
    from imgexp_tui.findings.evaluate import findings_of
    from imgexp_tui.notebook.load import load_notebook
    from imgexp_tui.records.metrics.follower import RunFollower
    from imgexp_tui.records.rundir import find_runs

    views = {version: [RunFollower(run) for run in find_runs(lab, version)] for version in ("base", case.name)}
    for view in [one for several in views.values() for one in several]:
        view.poll()
    found = findings_of(views[case.name][0], views, load_notebook(lab))
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
    from imgexp_tui.records.status import status

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


def reported(one: Trial) -> bool:
    """Whether the fault was found, and called what it is."""
    _, sentence = one.found.get(one.case.rule, ("", ""))
    return bool(sentence) and re.search(one.case.says, sentence) is not None


def alarms(one: Trial) -> list[str]:
    """The rules that spoke up without reason."""
    case = one.case
    loud = {name for name, (severity, _) in one.found.items() if severity != "info"}
    right = case.may | ({case.rule} if reported(one) else frozenset())
    return sorted((loud - right) | (set(one.found) & case.never))


def count(trials: Sequence[Trial]) -> dict[str, Count]:
    """By rule."""
    from imgexp_tui.findings.engine import RULES

    counts = {rule.NAME: Count() for rule in RULES}
    for one in (t for t in trials if not t.trouble):
        if one.case.rule:
            counts[one.case.rule].planted += 1
            counts[one.case.rule].found += reported(one)
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
        rows.append((f"{rule:<22}" + "".join(_cell(c) for c in cells)).rstrip())
    return "\n".join(rows)


def _cell(one: Count) -> str:
    found, missed = (one.found, one.planted - one.found) if one.planted else ("-", "-")
    return f"{found:>10}{missed:>7}{one.false:>7}  "


def rates(counts: dict[str, Count]) -> tuple[float, float]:
    """Recall and precision over all rules; nan of nothing."""
    planted, found, false = (sum(getattr(c, name) for c in counts.values()) for name in ("planted", "found", "false"))
    return found / planted if planted else math.nan, found / (found + false) if found + false else math.nan


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
    half = (arguments.seeds + 1) // 2
    seeds = [*range(OPEN, OPEN + half), *range(HELD_BACK, HELD_BACK + arguments.seeds - half)]
    wanted = [case for case in cases() if not arguments.only or case.name in arguments.only]
    with tempfile.TemporaryDirectory(prefix="findings-") as folder:
        if arguments.keep:
            arguments.keep.mkdir(exist_ok=True)
        place = Place((arguments.keep or Path(folder)).absolute())
        left_out = [c.name for c in wanted if (c.card and not place.has_driver) or (c.disk and os.geteuid())]
        todo = [(case, seed) for seed in seeds for case in wanted if case.name not in left_out]
        todo = [(case, seed) for case, seed in todo if not (arguments.open and seed >= HELD_BACK)]
        with ThreadPoolExecutor(arguments.jobs) as pool:
            trials = list(pool.map(lambda pair: _told(trial(place, *pair)), todo))
    if left_out:
        print(f"left out, this machine cannot: {', '.join(left_out)}")
    return _report(trials, time.monotonic() - start, check=arguments.check)


def _told(one: Trial) -> Trial:
    """Say at once what is not as it should be."""
    missed = one.case.rule and not reported(one)
    wrong = [f"false {name}: {one.found[name][1]}" for name in alarms(one)]
    if one.trouble or missed or wrong:
        said = [f"missed {one.case.rule} (found {list(one.found)})"] if missed else []
        print(f"{one.case.name} {one.seed}: {one.trouble or '; '.join([*said, *wrong])}", flush=True)
    return one


def _report(trials: Sequence[Trial], seconds: float, *, check: bool) -> int:
    parts = {
        "open": [t for t in trials if t.seed < HELD_BACK],
        "held back": [t for t in trials if t.seed >= HELD_BACK],
    }
    halves = {name: count(part) for name, part in parts.items()}
    for name, part in parts.items():
        print(f"seeds {name}: {', '.join(str(seed) for seed in sorted({t.seed for t in part})) or 'none'}")
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
    reached = all(rate >= LIMIT for rate in (recall, precision, recall_held, precision_held) if not math.isnan(rate))
    good = reached and not loud and not troubles
    return 0 if good or not check else 1


if __name__ == "__main__":
    sys.exit(main())
