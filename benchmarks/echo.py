"""How long a key takes to show in the editor, over real SSH and tmux with 300 ms of delay, idle and under activity.

Activity: a run of a real supervisor logs twenty steps a second, notes are saved every second or so, and the curves and
numbers are drawn anew. Idle and active stretches take turns in one session; a plain terminal (`cat`) in the same
tmux is measured beside them. What is told is the time beyond the relay's delay. `--check` fails where the 99th
percentile under activity is over twice the idle one plus 50 ms: an echo never waits for a save, a poll or a redraw.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import loopback
from far import ROOT, Far, app
from relay import delayed

DELAY = 0.15
"""Seconds each way."""
SLACK = 0.05
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LINE = 30
_SAVE = "\x13"
_SIZE = (120, 40)
_LOGGER = """\
import json, math, os, time
path = os.path.join(os.environ["IMGEXP_RUN_DIR"], "metrics.jsonl")
with open(path, "a", buffering=1) as lines:
    for step in range(1, 100000):
        loss = 1 / math.sqrt(step)
        line = {"step": step, "epoch": step // 50, "time": time.time(), "train/loss": loss, "valid/loss": loss + 0.1}
        lines.write(json.dumps(line) + chr(10))
        print("step", step, flush=True)
        time.sleep(0.05)
"""


def notebook(versions: int) -> str:
    """A notebook whose first version logs; a thousand versions are 1 MB."""
    words = "what was learned of this version, in a line of its own that says it at some length, and goes on."
    parts = [
        f"[versions.v{i}]\nsummary = '''The version {i}.'''\ntakeaways = '''\n" + f"- {words}\n" * 11 + "'''\n"
        for i in range(versions)
    ]
    return f"[defaults]\ncommand = [{sys.executable!r}, 'logger.py']\n" + "".join(parts)


def make_lab(folder: Path, versions: int) -> Path:
    """A lab with that notebook."""
    folder.mkdir()
    (folder / "experiments.toml").write_text(notebook(versions))
    (folder / "logger.py").write_text(_LOGGER)
    return folder


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--keys", type=int, default=120, help="keys of each stretch")
    options.add_argument("--rounds", type=int, default=2, help="stretches of each kind")
    options.add_argument("--versions", type=int, nargs="+", default=[6, 1000], help="sizes of the notebook")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--check", action="store_true", help="exit 1 where the limit is not met")
    arguments = options.parse_args()
    if why := loopback.missing() or ("" if shutil.which("tmux") else "tmux is not installed"):
        raise SystemExit(why)
    chance = random.Random(arguments.seed)
    os.environ["OMP_NUM_THREADS"] = "1"
    rows: list[tuple[str, list[float]]] = []
    over = []
    with tempfile.TemporaryDirectory() as folder, loopback.server(Path(folder) / "ssh") as server:
        state = f"{folder}/state"
        os.environ |= {"XDG_STATE_HOME": state, "XDG_CACHE_HOME": state, "PYTHONPATH": str(ROOT)}
        with delayed(server.port, DELAY) as port:
            login = server.through(port)
            rows.append(("cat in the same tmux", _plain(login, arguments.keys * arguments.rounds, chance)))
            for versions in arguments.versions:
                lab = make_lab(Path(folder) / f"lab{versions}", versions)
                idle, active = _editor(login, lab, Path(state), arguments, chance)
                size = f"{versions} versions, {(lab / 'experiments.toml').stat().st_size / 1e6:.2g} MB"
                rows += [(f"editor, {size}, idle", idle), (f"editor, {size}, active", active)]
                limit = 2 * _p99(idle) + SLACK
                over += [size] if _p99(active) > limit else []
    _print(rows)
    return int(arguments.check and bool(over))


def _plain(login: list[str], keys: int, chance: random.Random) -> list[float]:
    """Keys that the terminal driver itself echoes."""
    with _far(login, ["sh", "-c", "echo ready; exec cat > /dev/null"]) as far:
        far.shows("ready")
        return _stretch(far, keys, chance, "\n", lambda: None)


def _editor(
    login: list[str], lab: Path, state: Path, arguments: argparse.Namespace, chance: random.Random
) -> tuple[list[float], list[float]]:
    """Keys in the editor while nothing happens, and while everything does."""
    idle: list[float] = []
    active: list[float] = []
    with _far(login, app(lab, state)) as far:
        far.shows("v0")
        far.type("e")
        far.shows("Dated mark")
        for _ in range(arguments.rounds):
            idle += _stretch(far, arguments.keys, chance, "\r", lambda: None)
            _cli(lab, "run", "v0")
            far.shows("running")
            try:
                active += _stretch(far, arguments.keys, chance, "\r", lambda: far.type(_SAVE))
            finally:
                _cli(lab, "stop", "v0")
            far.until(lambda screen: not any("running" in row for row in screen), "the run's end")
    return idle, active


def _stretch(far: Far, count: int, chance: random.Random, newline: str, save: Callable[[], object]) -> list[float]:
    """Type letters at random moments; the seconds until each stood on the screen, beyond the delay."""
    keys: list[tuple[float, str]] = []
    next_save = time.monotonic()
    found: list[float] = []
    while len(found) < count:
        # A line of its own begins with a mark that stands nowhere else, so that its letters are not taken for others.
        mark = f"{chance.randrange(10**8):08d} "
        far.type(newline + mark)
        far.shows(mark.strip())
        text, keys = mark, []
        for _ in range(min(_LINE, count - len(found))):
            time.sleep(chance.uniform(0.02, 0.3))
            if time.monotonic() >= next_save:
                save()
                next_save = time.monotonic() + chance.uniform(0.5, 1.5)
            letter = chance.choice(_LETTERS)
            text += letter
            keys.append((far.type(letter), text))
        found += [seconds - 2 * DELAY for seconds in far.echoes(keys)]
    return found


@contextlib.contextmanager
def _far(login: list[str], command: list[str]) -> Iterator[Far]:
    far = Far(login, command, f"echo-{os.getpid()}", _SIZE)
    try:
        yield far
    finally:
        far.end()


def _cli(lab: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "imgexp_tui", "-C", str(lab), *words], check=True, stdout=subprocess.DEVNULL)


def _p99(times: list[float]) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * 0.99))]


def _print(rows: list[tuple[str, list[float]]]) -> None:
    print(f"{'beyond the delay of 300 ms, in ms':40} {'keys':>6}{'median':>8}{'p99':>8}{'max':>8}")
    for name, times in rows:
        figures = (statistics.median(times), _p99(times), max(times))
        print(f"{name:40} {len(times):6}" + "".join(f"{1000 * figure:8.0f}" for figure in figures))
    pairs = [(idle[1], active[1]) for idle, active in zip(rows[1::2], rows[2::2], strict=True)]
    print(f"ratios of the p99s, active to idle: {', '.join(f'{_p99(b) / _p99(a):.2f}' for a, b in pairs)}")
    idle, active = pairs[-1]
    print(
        f"plain_p99_ms={1000 * _p99(rows[0][1]):.0f} idle_p99_ms={1000 * _p99(idle):.0f} "
        f"active_p99_ms={1000 * _p99(active):.0f} active_median_ms={1000 * statistics.median(active):.0f} "
        f"limit_ms={1000 * (2 * _p99(idle) + SLACK):.0f}"
    )


if __name__ == "__main__":
    sys.exit(main())
