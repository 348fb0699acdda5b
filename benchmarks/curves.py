"""Curves: what logging costs, how soon a million steps are drawn, what a live and a still view cost, a thousand runs.

    python benchmarks/curves.py [--only log kill million live still many] [--peers VENV] [--check]

Times are multiples of the first frame of a bare Textual app (`bare.py`) or of a bare write, measured in turns in the
same run; traffic and processor time are absolute. `--check` exits 1 where a limit is not met. `--peers` names a virtual
environment; of the loggers that it has, the cost of a call is measured beside ours, each writing the same two metrics,
and of wandb the terminal view on a run of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import orjson  # noqa: E402
from curve_labs import environment, finished_run, notebook, trainer  # noqa: E402
from session import Session  # noqa: E402
from terminal import record  # noqa: E402

from imgexp_tui.notebook.load import load_notebook  # noqa: E402
from imgexp_tui.records.jsonl import LineWriter  # noqa: E402
from imgexp_tui.records.jsonl import read_records as read_lines  # noqa: E402
from imgexp_tui.records.rundir import RunDir, find_runs  # noqa: E402
from imgexp_tui.runner.control import stop, wait_for_end  # noqa: E402
from imgexp_tui.runner.launch import launch  # noqa: E402

APP = [sys.executable, "-m", "imgexp_tui"]
BARE = [sys.executable, str(ROOT / "benchmarks" / "bare.py")]
STEP = re.compile(r"step ([\d,]+)")
SPIKE_ON_AXIS = re.compile(r"\b10 +[⠀-⣿]|\b10 ┤")
VERSIONS = 10_000
PEER_CALLS, PEER_RUN = (ROOT / "benchmarks" / f"peer_{name}.py" for name in ("calls", "run"))


@dataclass
class Table:
    """Rows of name, figure and limit; and whether every limit was met."""

    rows: list[tuple[str, str, str, str]] = field(default_factory=list)
    pairs: dict[str, float] = field(default_factory=dict)
    good: bool = True

    def add(self, key: str, name: str, value: float, unit: str, limit: float | None = None, digits: int = 2) -> None:
        """One figure; one over its limit is marked."""
        met = limit is None or value <= limit
        self.good = self.good and met
        told = "" if limit is None else f"{limit:g}"
        self.rows.append((name, f"{value:.{digits}f} {unit}", told, "" if met else "over"))
        self.pairs[key] = round(value, 4)
        print(f"{name:<66} {value:>10.{digits}f} {unit:<10} {told:>6} {'' if met else 'over'}", flush=True)


# Logging


def log_calls(table: Table, folder: Path, peers: Path | None) -> None:
    """Blocks of calls in turns; the median of the ratios of neighbouring blocks."""
    writer = LineWriter(folder / "ours.jsonl")
    fd = os.open(folder / "bare.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def bare(line: dict[str, float]) -> None:
        os.write(fd, orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    pairs = [(_block(bare), _block(writer.write)) for _ in range(41)][1:]
    table.add("bare_call_us", "bare: orjson + one write", statistics.median(a for a, _ in pairs) * 1e6, "µs")
    table.add("call_us", "a log call", statistics.median(b for _, b in pairs) * 1e6, "µs")
    table.add("call_ratio", "a log call, to the bare one", statistics.median(b / a for a, b in pairs), "times", 1.5)
    if peers:
        found = subprocess.run(
            [peers / "bin" / "python", PEER_CALLS, folder], capture_output=True, text=True, check=False
        )
        for line in found.stdout.splitlines():
            name, seconds = line.rsplit(" ", 1)
            table.add(f"peer_{name}_us", f"  {name}", float(seconds) * 1e6, "µs")


def _block(write: Callable[[dict[str, float]], object], calls: int = 2000) -> float:
    start = time.perf_counter()
    for step in range(calls):
        write({"step": step, "epoch": 1, "time": 1e9 + step, "train/loss": 0.5 / (step + 1), "train/accuracy": 0.7})
    return (time.perf_counter() - start) / calls


def kills(table: Table, folder: Path, trials: int = 40) -> None:
    """A writer is killed at random moments; it tells in a pipe of each line after it was written."""
    lost = 0
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom imgexp_tui.records.jsonl import LineWriter\n"
        "writer, step = LineWriter(Path(sys.argv[1])), 0\n"
        "while True:\n    step += 1\n    writer.write({'step': step, 'train/loss': 1 / step})\n"
        "    os.write(1, step.to_bytes(4, 'big'))\n"
    )
    dice = random.Random(0)
    for trial in range(trials):
        path = folder / f"killed-{trial}.jsonl"
        with subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE) as writer:
            assert writer.stdout
            told = writer.stdout.read(4)
            end = time.perf_counter() + dice.uniform(0, 0.2)
            while time.perf_counter() < end:
                told = writer.stdout.read(4)
            writer.send_signal(signal.SIGKILL)
            while more := writer.stdout.read(4):
                told = more if len(more) == 4 else told
        lost += read_lines(path)[-1]["step"] < int.from_bytes(told, "big")
    table.add("lost_lines", f"acknowledged lines lost in {trials} SIGKILLs of the trainer", lost, "", 0, digits=0)


# A million steps


def million(table: Table, folder: Path, trials: int, peers: Path | None) -> None:
    """Runs of a million and of a tenth as many steps, with two metrics and a spike of one step, opened without and with
    their caches; and the shorter one in a peer's viewer."""
    _starts(table, folder, "a million", 1_000_000, trials, (2.5, 7, 1.8, 250))
    _starts(table, folder, "100,000", 100_000, trials, (None, None, None, None))
    if peers and (peers / "bin" / "wandb").exists():
        _peer(table, folder, peers, 100_000)


def _starts(table: Table, folder: Path, name: str, steps: int, trials: int, limits: tuple[float | None, ...]) -> None:
    lab = folder / f"long-{steps}"
    notebook(lab, 1)
    run = finished_run(lab, "v0", steps, spike=steps * 7 // 9)
    figures: dict[str, list[float]] = {kind: [] for kind in ("first", "whole", "cached", "cold peak", "cached peak")}
    for _ in range(trials):
        frame = _bare()
        _forget(run)
        with _opened(lab) as cold:
            figures["whole"].append((cold.first(_spike) or 0) / frame)
            figures["first"].append((cold.first(_curve) or 0) / frame)
        frame = _bare()
        with _opened(lab) as cached:
            figures["cached"].append((cached.first(_spike) or 0) / frame)
        _forget(run)
        for kind in ("cold peak", "cached peak"):
            with _opened(lab, weigh=True) as weighed:
                figures[kind].append(weighed.peak / 1e6)
    middle = {kind: statistics.median(values) for kind, values in figures.items()}
    table.add(f"cold_first_{steps}", f"{name} steps: first curve, from cold", middle["first"], "frames", limits[0])
    table.add(f"cold_whole_{steps}", f"{name} steps: every extreme, from cold", middle["whole"], "frames", limits[1])
    table.add(f"cached_{steps}", f"{name} steps: every extreme, from cache", middle["cached"], "frames", limits[2])
    for kind in ("cold", "cached"):
        what = f"{name} steps: peak memory of all its processes, from {kind.replace('cached', 'cache')}"
        table.add(f"{kind}_mb_{steps}", what, middle[f"{kind} peak"], "MB", limits[3], digits=0)


def _peer(table: Table, folder: Path, peers: Path, steps: int) -> None:
    """The same of wandb's terminal view on its own offline run of so many steps."""
    home = folder / "peer"
    home.mkdir()
    writer = [peers / "bin" / "python", PEER_RUN, home, str(steps), str(steps * 7 // 9)]
    subprocess.run(writer, check=True, capture_output=True)
    (run,) = (home / "wandb").glob("offline-run-*")
    frame, view = _bare(), [str(peers / "bin" / "wandb"), "beta", "leet", str(run)]
    for weigh in (False, True):
        with Session(view, weigh=weigh) as app:
            app.until(_peer_spike, "the spike", timeout=120)
            if weigh:
                table.add("wandb_mb", "  wandb beta leet: peak memory", app.peak / 1e6, "MB", digits=0)
                continue
            table.add("wandb_first", "  wandb beta leet: first curve", (app.first(_curve) or 0) / frame, "frames")
            table.add("wandb_whole", "  wandb beta leet: the spike", (app.first(_peer_spike) or 0) / frame, "frames")


def _peer_spike(screen: list[str]) -> bool:
    return any(re.search(r"\b1[01]│", line) for line in screen)


def _forget(run: RunDir) -> None:
    for file in run.cache.glob("*"):
        file.unlink()


@contextlib.contextmanager
def _opened(lab: Path, weigh: bool = False) -> Iterator[Session]:
    """The app, once it has drawn the spike and come to rest; its screen is read only then, which costs it nothing."""
    with Session([*APP, str(lab)], weigh=weigh) as app:
        app.quiet(2.0)
        app.until(_spike, "the spike")
        app.quiet(1.5)
        yield app


def _bare() -> float:
    """Seconds to the first frame of a bare app: the median of three."""
    times = []
    for _ in range(3):
        found = record(BARE, until=b"bare-app")
        times.append(found.first(lambda screen: any("bare-app" in line for line in screen)) or 0.0)
    return statistics.median(times)


def _curve(screen: list[str]) -> bool:
    """Any braille but empty cells."""
    return any("⠁" <= cell <= "⣿" for line in screen for cell in line)


def _spike(screen: list[str]) -> bool:
    """The axis of the loss reaches up to it; all other values lie below 3."""
    return any(SPIKE_ON_AXIS.search(line) for line in screen)


# Live and still


def live(table: Table, folder: Path, seconds: float) -> None:
    """Four sparklines of a run under a real supervisor that logs ten steps a second."""
    for name, keys, size in (("main screen", b"", (120, 40)), ("charts", b"c", (80, 24))):
        lab = folder / f"live-{name.split()[0]}"
        notebook(lab, 1, trainer(folder, 0.1, 100_000))
        run = launch(load_notebook(lab), "v0")
        try:
            with Session([*APP, str(lab)], columns=size[0], lines=size[1]) as app:
                app.until(lambda screen: any(STEP.search(line) for line in screen), "a step")
                app.press(keys)
                time.sleep(6)
                since, before = app.now, app.cpu()
                time.sleep(seconds)
                end, spent = app.now, app.cpu() - before
                written = {line["step"]: line["time"] - app.began for line in read_lines(run.metrics)}
                late = _latest(app, written, since, end)
                kilobytes = app.sent(since, end) / (end - since) / 1000
        finally:
            stop(run)
            wait_for_end(run)
        key = name.split()[0]
        table.add(f"live_{key}_kbs", f"live, {name}: on the terminal", kilobytes, "KB/s", 1.0)
        table.add(f"live_{key}_late_s", f"live, {name}: the newest step is on the screen within", late, "s", 1.0)
        table.add(f"live_{key}_cpu", f"live, {name}: processor time", 100 * spent / (end - since), "% of a core", 3.0)


def _latest(app: Session, written: dict[int, float], since: float, end: float) -> float:
    """The longest that a step was written and not on the screen."""
    shown = [(at, step) for at, step in _steps_shown(app) if at <= end]
    worst = 0.0
    for step, moment in written.items():
        if since <= moment <= end - 2:
            seen = next((at for at, newest in shown if newest >= step and at >= moment), end)
            worst = max(worst, seen - moment)
    return worst


def _steps_shown(app: Session) -> list[tuple[float, int]]:
    import pyte

    screen = pyte.Screen(app.columns, app.lines)
    stream = pyte.ByteStream(screen)
    found = []
    for at, data in list(app.chunks):
        stream.feed(data)
        steps = [int(step.replace(",", "")) for line in screen.display for step in STEP.findall(line)]
        found.append((at, max(steps, default=0)))
    return found


def still(table: Table, folder: Path) -> None:
    """A finished run, and one that is open and silent, for ten seconds each."""
    done = folder / "finished"
    notebook(done, 1)
    finished_run(done, "v0", 1000)
    silent = folder / "silent"
    notebook(silent, 1, trainer(folder, 0.001, 200))
    run = launch(load_notebook(silent), "v0")
    try:
        for lab, name in ((done, "finished"), (silent, "silent")):
            with Session([*APP, str(lab)], columns=80, lines=24) as app:
                app.until(lambda screen: any("v0" in line for line in screen), "the version")
                time.sleep(12)
                since, before = app.now, app.cpu()
                time.sleep(10)
                end, spent = app.now, app.cpu() - before
                table.add(
                    f"still_{name}_bytes", f"still, {name} run: in 10 s", app.sent(since, end), "bytes", 0, digits=0
                )
                table.add(
                    f"still_{name}_cpu", f"still, {name} run: processor time", 100 * spent / 10, "% of a core", 0.5
                )
    finally:
        stop(run)
        wait_for_end(run)


# A thousand runs


def many(table: Table, folder: Path, count: int, keys: int) -> None:
    """A lab of a thousand runs, opened for the first time and again, keys that move through it; and one of ten times
    as many versions."""
    lab, empty = folder / "many", folder / "empty"
    notebook(lab, count)
    for i in range(count):
        finished_run(lab, f"v{i}", 1000)
    notebook(empty, 0)
    ratios, peaks = [], []
    for _ in range(5):
        with Session([*APP, str(empty)]) as app:
            app.quiet(1.0)
            app.until(_titled, "the lab's title")  # under load nothing may come for longer before the first frame
            frame = app.first(_titled) or 0.0
        with Session([*APP, str(lab)]) as app:
            app.quiet(3.0, timeout=120)
            app.until(_settled, "every row in sight", timeout=120)
            ratios.append((app.first(_settled) or 0.0) / frame)
        with Session([*APP, str(lab)], weigh=True) as app:
            app.quiet(3.0, timeout=120)
            peaks.append(app.peak / 1e6)
    table.add("many_first", f"{count:,} runs, opened for the first time: settled", ratios[0], "frames")
    table.add("many_settled", f"{count:,} runs: settled", statistics.median(ratios[1:]), "empty labs' frames", 1.5)
    table.add("many_mb", f"{count:,} runs: peak memory", statistics.median(peaks), "MB", 80, digits=0)
    _keys(table, lab, f"{count:,} runs", "key", keys, (25, 60))
    huge = folder / "huge"
    notebook(huge, VERSIONS)
    for i in range(VERSIONS):
        finished_run(huge, f"v{i}", 20)
    with Session([*APP, str(huge)]) as app:
        app.quiet(8.0, timeout=300)  # every row is read and kept
    with Session([*APP, str(huge)]) as app:
        app.quiet(4.0, timeout=120)
        table.add("huge_settled", f"{VERSIONS:,} versions: settled", (app.first(_settled) or 0.0) / frame, "frames")
    _keys(table, huge, f"{VERSIONS:,} versions", "huge_key", keys, (None, None))


def _keys(table: Table, lab: Path, name: str, key: str, keys: int, limits: tuple[float | None, float | None]) -> None:
    """Keys that move through a lab, one by one."""
    with Session([*APP, str(lab)]) as app:
        app.until(_settled, "every row in sight", timeout=120)
        app.quiet(3.0)
        times = []
        for _ in range(keys):
            pressed = app.press(b"j")
            times.append(1000 * (_settles(app, pressed) - pressed))
    times.sort()
    table.add(
        f"{key}_median_ms", f"{name}: key to settled redraw, median", statistics.median(times), "ms", limits[0], 0
    )
    table.add(f"{key}_p99_ms", f"{name}: key to settled redraw, p99", times[int(0.99 * len(times))], "ms", limits[1], 0)


def _titled(screen: list[str]) -> bool:
    return any("curves" in line for line in screen)


def _settled(screen: list[str]) -> bool:
    """Every version in sight has the state of its run."""
    rows = [line for line in screen if re.match(r"^[▌ ][! ]v\d+ ", line)]
    return len(rows) > 5 and all("finished" in row for row in rows)


def _settles(app: Session, pressed: float) -> float:
    """When the last piece of a key's redraw came: what comes after a rest of 150 ms is of something else."""
    end = app.now + 2
    while app.now < end:
        after = [at for at, _ in app.chunks if at >= pressed]
        if after and app.now - after[-1] > 0.15:
            return after[-1]
        time.sleep(0.005)
    raise TimeoutError("a key that draws nothing")


PARTS = ("log", "kill", "million", "live", "still", "many")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options.add_argument("--peers", type=Path, metavar="VENV", help="measure the loggers that are installed there, too")
    options.add_argument("--trials", type=int, default=5, help="starts with a million steps, of each kind")
    options.add_argument("--seconds", type=float, default=30, help="for which a live view is watched")
    options.add_argument("--runs", type=int, default=1000, help="runs in the large lab")
    options.add_argument("--keys", type=int, default=200, help="keys pressed in the large lab")
    options.add_argument("--check", action="store_true", help="exit 1 where a limit is not met")
    arguments = options.parse_args()
    table = Table()
    with tempfile.TemporaryDirectory(prefix="curves-") as name:
        folder = Path(name)
        environment(folder)
        steps: dict[str, Callable[[], None]] = {
            "log": lambda: log_calls(table, folder, arguments.peers),
            "kill": lambda: kills(table, folder),
            "million": lambda: million(table, folder, arguments.trials, arguments.peers),
            "live": lambda: live(table, folder, arguments.seconds),
            "still": lambda: still(table, folder),
            "many": lambda: many(table, folder, arguments.runs, arguments.keys),
        }
        for part in PARTS:
            if part in arguments.only:
                steps[part]()
        for lab in folder.iterdir():
            for run in find_runs(lab) if lab.is_dir() else ():
                if not run.exit.exists():
                    stop(run)
    print(" ".join(f"{key}={value:g}" for key, value in table.pairs.items()))
    return int(arguments.check and not table.good)


if __name__ == "__main__":
    sys.exit(main())
