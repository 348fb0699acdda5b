"""Kills the parts of a lab with SIGKILL at random moments, and counts what did not come out as it should.

    python benchmarks/faults.py --trials 200 [--check] [--only trainer] [--seed N]

Everything is real: the app in a pseudo-terminal, an sshd on loopback, supervisors, trainers. `--check` fails where a
run did not go on that should have, a state was wrong, a metric line that was written is not read back, or a process
is left over.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import loopback
from fault_kinds import KINDS, Lane, Tally

ROOT = Path(__file__).resolve().parent.parent
LANES = 2
"""Chains of trials at a time."""


@dataclass
class Row:
    """What came of all trials of one kind."""

    kind: str
    seconds: float
    tally: Tally = field(default_factory=Tally)

    @property
    def good(self) -> bool:
        t = self.tally
        return not (t.wrong or t.lost or t.left or t.went < t.should)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--trials", type=int, default=200, help="of each kind")
    options.add_argument("--check", action="store_true", help="exit 1 where anything is not as it should be")
    options.add_argument("--only", action="append", choices=list(KINDS), help="this kind (may be given again)")
    options.add_argument("--seed", type=int, default=int(time.time()), help="decides the moments")
    arguments = options.parse_args()
    kinds = arguments.only or list(KINDS)
    if (why := loopback.missing()) and "ssh" in kinds:
        kinds.remove("ssh")
        print(f"without ssh: {why}")
    print(f"seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="imgexp-faults-") as folder:
        _set_environment(Path(folder))
        rows = [_row(Path(folder), kind, arguments.trials, arguments.seed) for kind in kinds]
    _print(rows)
    return int(arguments.check and not all(row.good for row in rows))


def _set_environment(folder: Path) -> None:
    """Nothing of the user's own state or cache is touched, and trainers take one thread."""
    os.environ |= {
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_STATE_HOME": str(folder / "state"),
        "TERM": "xterm-256color",
        "OMP_NUM_THREADS": "1",
    }


def _row(folder: Path, kind: str, trials: int, seed: int) -> Row:
    began = time.monotonic()
    lanes = min(LANES, trials)
    shares = [trials // lanes + (lane < trials % lanes) for lane in range(lanes)]
    with ProcessPoolExecutor(lanes) as pool:
        tallies = list(pool.map(partial(_lane, folder, kind, seed), range(lanes), shares))
    row = Row(kind, time.monotonic() - began)
    for tally in tallies:
        row.tally += tally
    print(f"{kind}: {trials} trials in {row.seconds:.0f} s", file=sys.stderr, flush=True)
    return row


def _lane(folder: Path, kind: str, seed: int, number: int, trials: int) -> Tally:
    lane = Lane(folder / f"{kind}-{number}", random.Random(f"{seed} {kind} {number}"))
    try:
        KINDS[kind](lane, trials)
    finally:
        lane.close()
    return lane.tally


def _print(rows: list[Row]) -> None:
    print(f"{'killed':<12}{'trials':>8}{'went on':>12}{'wrong states':>15}{'lines lost':>13}{'left over':>12}{'s':>7}")
    for row in rows:
        t = row.tally
        print(
            f"{row.kind:<12}{t.trials:>8}{f'{t.went}/{t.should}':>12}{len(t.wrong):>15}{t.lost:>13}{t.left:>12}"
            f"{row.seconds:>7.0f}"
        )
    for row in rows:
        for what in row.tally.wrong:
            print(f"wrong, {row.kind}: {what}")
    total = Tally()
    for row in rows:
        total += row.tally
    print(
        f"trials={total.trials} should_go_on={total.should} went_on={total.went} wrong_states={len(total.wrong)} "
        f"lines_lost={total.lost} left_over={total.left} lines={total.lines}"
    )


if __name__ == "__main__":
    sys.exit(main())
