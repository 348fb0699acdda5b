"""Whether a note can be lost: random edits while the saver is killed, its disk full, the power gone, others writing.

An edit counts as acknowledged when its save returned or its draft was written (in the app: a second after it stood on
the screen). Prints a row for each kind of misfortune. `--check` exits 1 unless nothing was lost or torn.
"""

from __future__ import annotations

import argparse
import os
import pickle
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import note_races
import note_trials
import preload
from note_lab import Verdict

KINDS = {
    "killed at every call of a save": (note_trials.killed_at_a_call, 0.28),
    "killed at a random moment": (note_trials.killed_any_time, 0.15),
    "a call fails (disk full, I/O error)": (note_trials.failing_call, 0.17),
    "a small disk fills up": (note_trials.full_disk, 0.08),
    "the power fails": (note_trials.power_cut, 0.08),
    "another program writes in place": (note_races.written_in_place, 0.10),
    "another program renames into place": (note_races.renamed_into_place, 0.10),
    "the app in a terminal, killed": (note_races.killed_app, 0.04),
}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--trials", type=int, default=200, help="trials of all kinds together")
    options.add_argument("--seed", type=int, default=0, help="of the random edits and moments")
    options.add_argument("--kind", default="", help="only kinds with this in their name")
    options.add_argument("--only", type=int, default=-1, help="only the trial of this number, to look at a failure")
    options.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    options.add_argument("--check", action="store_true", help="exit 1 unless nothing is lost or torn")
    arguments = options.parse_args()
    preload.ensure()
    kinds = {name: kind for name, kind in KINDS.items() if arguments.kind in name}
    whole = sum(share for _, share in kinds.values())
    plan = [(n, i) for n, (_, share) in kinds.items() for i in range(max(1, round(arguments.trials * share / whole)))]
    # Those of the app come first, spread over the processes: they mostly wait.
    plan = [(name, i) for name, i in reversed(plan) if arguments.only in (-1, i)]
    start = time.monotonic()
    found = _run(plan, arguments.seed, arguments.jobs)
    table = {name: [v for n, v in found if n == name] for name in kinds}
    total = _print(table)
    print(f"{len(found)} trials in {time.monotonic() - start:.0f} s, seed {arguments.seed}")
    print(" ".join(f"{key}={value}" for key, value in total.items()))
    failed = total["acknowledged_lost"] + total["torn"] + total["others_lost"] or len(found) != len(plan)
    return int(bool(arguments.check and failed))


def _run(plan: list[tuple[str, int]], seed: int, jobs: int) -> list[tuple[str, Verdict]]:
    """The trials, dealt out to processes of their own."""
    pipes = []
    for job in range(jobs):
        read, write = os.pipe()
        if not os.fork():
            with os.fdopen(write, "wb") as out:
                for name, turn in plan[job::jobs]:
                    pickle.dump((name, _trial(name, turn, seed)), out)
                    out.flush()
            os._exit(0)
        os.close(write)
        pipes.append(read)
    found = []
    for read in pipes:
        with os.fdopen(read, "rb") as results:
            while True:
                try:
                    found.append(pickle.load(results))
                except EOFError:
                    break
        os.wait()
    return found


def _trial(name: str, turn: int, seed: int) -> Verdict:
    base = Path(tempfile.mkdtemp(prefix="imgexp-notes-"))
    try:
        verdict = KINDS[name][0](base / "b", random.Random(f"{name} {turn} {seed}"), turn)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    for sentence in (*verdict.lost, *verdict.torn, *verdict.others):
        print(f"{name}, trial {turn}: {sentence}"[:400], file=sys.stderr, flush=True)
    return verdict


def _print(table: dict[str, list[Verdict]]) -> dict[str, int]:
    """The table; the sums by name."""
    columns = ("trials", "acknowledged", "of these lost", "torn files", "others' edits lost")
    print(f"{'':36}" + "".join(f"{c:>{max(8, len(c) + 2)}}" for c in columns))
    sums = [0] * len(columns)
    for name, verdicts in table.items():
        wrong = [sum(len(getattr(v, kind)) for v in verdicts) for kind in ("lost", "torn", "others")]
        row = [len(verdicts), sum(v.acknowledged for v in verdicts), *wrong]
        sums = [a + b for a, b in zip(sums, row, strict=True)]
        print(f"{name:36}" + "".join(f"{n:{max(8, len(c) + 2)},}" for n, c in zip(row, columns, strict=True)))
    everything = [v for verdicts in table.values() for v in verdicts]
    states, overwritten = sum(v.states for v in everything), sum(v.overwritten for v in everything)
    print(
        f"states that a power cut could leave: {states:,}; edits that other programs overwrote: {overwritten:,}, "
        "each of them in the history"
    )
    keys = ("trials", "acknowledged", "acknowledged_lost", "torn", "others_lost")
    return {**dict(zip(keys, sums, strict=True)), "power_states": states, "overwritten": overwritten}


if __name__ == "__main__":
    sys.exit(main())
