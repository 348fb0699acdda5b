"""The kinds of faults: what is killed, when, and what has to be true afterwards. `faults.py` counts them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import random
import secrets
import select
import shutil
import signal
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import loopback

from imgexp_tui.monitor.proc import descendants, list_pids, read_environment
from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.records import jsonl
from imgexp_tui.records.documents import Process, Request
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.process_identity import ProcessIdentity
from imgexp_tui.records.rundir import RunDir, find_runs
from imgexp_tui.records.status import State, Status, status
from imgexp_tui.runner.control import ControlError, resume, stop, wait_for_end
from imgexp_tui.runner.launch import LaunchError, launch
from imgexp_tui.runner.queue.queue import Queue
from imgexp_tui.runner.signals import send_signals
from imgexp_tui.runner.supervisor.process_cleanup import RUN_UUID_VARIABLE, processes_of_run

NOTEBOOK = """
[lab]
grace = 20
slots = 1000
[versions.count]
command = ["python", "counter.py", "{pace}", "{most}"]
[versions.count.train]
pace = 0.005
most = 100000000
[versions.train.train]
data = "shapes"
image_size = 32
encoder = "small_conv"
pretrained = false
train_samples = 64
valid_samples = 16
batch_size = 8
num_workers = 2
epochs = 1000000
device = "cpu"
"""
_SUPERVISOR = b"imgexp_tui.runner.supervise"
_RUNS_PER_LAB = 25
"""How many trials share a run where the run has to outlive them all."""


@dataclass
class Tally:
    """What came of some trials.

    Attributes:
        should, went: runs that should have gone on, and did.
        wrong: sentences about states that were not the truth.
        lost: metric lines that were acknowledged and are not read back.
        lines: metric lines that were acknowledged.
        left: processes that nothing of ours would end.
    """

    trials: int = 0
    should: int = 0
    went: int = 0
    wrong: list[str] = field(default_factory=list)
    lost: int = 0
    lines: int = 0
    left: int = 0

    def __iadd__(self, other: Tally) -> Tally:
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self


class Lane:
    """A lab of its own, the moments by chance, and what was counted.

    Attributes:
        start: seconds that a launch took last; it depends on what else the machine does.
    """

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder, self.lab, self.chance, self.tally = folder, folder / "lab", chance, Tally()
        self.start = 0.4
        self.lab.mkdir(parents=True)
        shutil.copy(Path(__file__).parent / "counter.py", self.lab)
        (self.lab / "experiments.toml").write_text(NOTEBOOK)

    def close(self) -> None:
        """End what a lane that broke off has left running."""
        for process in of_lab(self.lab):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def moment(self, longest: float) -> None:
        time.sleep(self.chance.uniform(0, longest))

    def launch(self, version: str = "count") -> RunDir:
        """A new run that has written its first line."""
        began = time.monotonic()
        run = launch(load_notebook(self.lab), version)
        self.start = time.monotonic() - began
        until(lambda: steps(run))
        return run

    def watch(self, terminal: Terminal, number: int, longest: float) -> None:
        """In turns until a moment before or after its first frame, and until a moment after it."""
        if number % 2 == 0:
            terminal.watch(self.chance.uniform(0, longest))
        elif terminal.watch(60, b"count"):
            terminal.watch(self.chance.uniform(0, 0.4))

    def is_state(self, when: str, found: Status, state: State, word: str = "") -> bool:
        """Count a state that is not the one that it has to be."""
        good = found.state is state and word in found.evidence
        if not good:
            self.tally.wrong.append(f"{when}: {found.state} ({found.evidence}) in place of {state} {word}".strip())
        return good

    def goes_on(self, when: str, run: RunDir, trainer: ProcessIdentity, word: str = "") -> None:
        """Count a run that has to be under way still, with the same trainer and new lines."""
        self.tally.should += 1
        before = steps(run)
        grows = until(lambda: steps(run) > before, fail=False)
        process = Process.read(run)
        same = bool(process and process.trainer == trainer and trainer.is_alive())
        right = self.is_state(when, status(run), State.RUNNING, word)
        self.tally.went += grows and same and right

    def settle(self, run: RunDir) -> None:
        """Count lost lines and processes left of a run that has ended."""
        acknowledged, read = acknowledgements(run), {line["step"] for line in jsonl.read_records(run.metrics)}
        self.tally.lines += len(acknowledged)
        self.tally.lost += len(acknowledged - read)
        request = Request.read(run)
        self.none_left(lambda: processes_of_run(request.uuid, None) if request else [])

    def none_left(self, find: Callable[[], Iterable[object]], seconds: float = 10.0) -> None:
        if not until(lambda: not list(find()), seconds, fail=False):
            self.tally.left += len(list(find()))

    def stop(self, when: str, run: RunDir, word: str = "as asked") -> None:
        stop(run)
        self.is_state(when, wait_for_end(run), State.STOPPED, word)
        self.settle(run)


def until(so: Callable[[], object], seconds: float = 60.0, *, fail: bool = True) -> bool:
    """Wait for it. False where it does not come, unless that is a failure of the whole trial."""
    deadline = time.monotonic() + seconds
    while not so():
        if time.monotonic() > deadline:
            if fail:
                raise TimeoutError(f"not within {seconds:g} s")
            return False
        time.sleep(0.01)
    return True


def steps(run: RunDir) -> int:
    """Lines of its record: by size, because it is asked often."""
    try:
        return run.metrics.stat().st_size
    except OSError:
        return 0


def acknowledgements(run: RunDir) -> set[int]:
    try:
        words = (run.path / "acknowledged").read_text().split("\n")[:-1]
    except FileNotFoundError:
        return set()
    return set(map(int, words))


def trainer_of(run: RunDir) -> ProcessIdentity:
    process = Process.read(run)
    assert process and process.trainer
    return process.trainer


def of_lab(lab: Path) -> list[int]:
    """Every process that belongs to a run of the lab, its supervisors too."""
    return [*of_runs(lab), *supervisors(lab)]


def of_runs(lab: Path) -> list[int]:
    mark = b"IMGEXP_RUN_DIR=" + os.fsencode(lab)
    return [pid for pid in list_pids() if any(word.startswith(mark) for word in read_environment(pid))]


def supervisors(lab: Path) -> list[int]:
    found = []
    for pid in list_pids():
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
            if _SUPERVISOR in words and os.fsencode(lab) in words:
                found.append(pid)
    return found


class Terminal:
    """A command in a pseudo-terminal of 100×30, and a mark by which its processes are known."""

    def __init__(self, argv: Sequence[str], mark: str) -> None:
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], list(argv), os.environ | {"IMGEXP_FAULTS": mark})
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))

    def type(self, keys: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(self._terminal, keys)

    def watch(self, seconds: float, word: bytes = b"\0") -> bool:
        """Read what it draws for so long, or until it draws `word`."""
        end, seen = time.monotonic() + seconds, b""
        while (left := end - time.monotonic()) > 0 and word not in seen:
            if select.select([self._terminal], [], [], left)[0]:
                try:
                    seen += os.read(self._terminal, 1 << 16)
                except OSError:
                    time.sleep(max(0.0, end - time.monotonic()))
        return word in seen

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._terminal)


def marked(mark: str) -> list[int]:
    """The processes of an app that bear its mark; the runs that it started, which outlive it, do not count."""
    found = []
    for pid in list_pids():
        words = read_environment(pid)
        if f"IMGEXP_FAULTS={mark}".encode() in words and not any(
            w.startswith(RUN_UUID_VARIABLE.encode()) for w in words
        ):
            with contextlib.suppress(OSError):
                if _SUPERVISOR not in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
    return found


def app(lane: Lane, trials: int) -> None:
    """The app, from its start until a little after its first frame; every fifth while it launches a run."""
    command = [sys.executable, "-m", "imgexp_tui", os.fspath(lane.lab)]
    for first in range(0, trials, _RUNS_PER_LAB):
        run = lane.launch()
        trainer, known = trainer_of(run), set(find_runs(lane.lab))
        for number in range(first, min(trials, first + _RUNS_PER_LAB)):
            lane.tally.trials += 1
            terminal = Terminal(command, mark := secrets.token_hex(8))
            if number % 5 == 4 and terminal.watch(30, b"count"):
                terminal.type(b"r")
                terminal.watch(lane.chance.uniform(0, 2 * lane.start))
            else:
                lane.watch(terminal, number, 0.8)
            terminal.kill()
            lane.goes_on("app killed", run, trainer, f"pid {trainer.pid}")
            lane.none_left(lambda mark=mark: marked(mark))
            for new in set(find_runs(lane.lab)) - known:
                _launched_by_the_app(lane, new)
                known.add(new)
        lane.stop("app killed, then stop", run, "exit code 143")


def _launched_by_the_app(lane: Lane, run: RunDir) -> None:
    """A run whose app was killed while it launched it: it goes on, or its supervisor never came up, which is said."""
    until(lambda: not (found := status(run)).state.live or found.process or not supervisors(run.path), 30)
    if Process.read(run) is None:
        lane.is_state("app killed over a launch", status(run, now=time.time() + 60), State.LOST, "never came up")
        return
    until(lambda: steps(run))
    lane.goes_on("app killed over a launch", run, trainer_of(run))
    lane.stop("app killed over a launch, then stop", run)


def ssh(lane: Lane, trials: int) -> None:
    """The SSH client, from its start until the app has been drawn over it for a while."""
    with loopback.server(lane.folder / "ssh") as server:
        for first in range(0, trials, _RUNS_PER_LAB):
            run = lane.launch()
            trainer = trainer_of(run)
            for number in range(first, min(trials, first + _RUNS_PER_LAB)):
                lane.tally.trials += 1
                mark = secrets.token_hex(8)
                kept = [f"{k}={os.environ[k]}" for k in ("PYTHONPATH", "XDG_STATE_HOME", "XDG_CACHE_HOME", "TERM")]
                words = ["env", f"IMGEXP_FAULTS={mark}", *kept, sys.executable, "-m", "imgexp_tui"]
                terminal = Terminal([*server.words, *words, os.fspath(lane.lab)], "client")
                lane.watch(terminal, number, 2.0)
                terminal.kill()
                lane.goes_on("SSH client killed", run, trainer, f"pid {trainer.pid}")
                lane.none_left(lambda mark=mark: [*marked(mark), *descendants(server.pid)])
            lane.stop("SSH client killed, then stop", run, "exit code 143")


def supervisor(lane: Lane, trials: int) -> None:
    """The supervisor: in turns while it starts a run, while it watches over it, and while it ends it."""
    for number in range(trials):
        lane.tally.trials += 1
        (_at_its_start, _at_its_start, _under_way, _at_its_end)[number % 4](lane)


def _at_its_start(lane: Lane) -> None:
    """From its first instruction on. Nothing is started and no run is left, or the run goes on."""
    before, made = set(find_runs(lane.lab)), list[RunDir]()

    def begin() -> None:
        with contextlib.suppress(LaunchError):
            made.append(launch(load_notebook(lane.lab), "count"))

    launcher = threading.Thread(target=begin)
    launcher.start()
    until(lambda: supervisors(lane.lab) or not launcher.is_alive())
    lane.moment(1.2 * lane.start)
    killed = _kill_supervisors(lane.lab)
    launcher.join()
    if not made:
        if left := set(find_runs(lane.lab)) - before:
            lane.tally.wrong.append(f"supervisor killed at its start: {len(left)} run left behind")
        lane.none_left(lambda: of_lab(lane.lab))
        return
    until(lambda: steps(made[0]))
    lane.goes_on("supervisor killed at its start", made[0], trainer_of(made[0]), "supervisor is gone" if killed else "")
    lane.stop("supervisor killed at its start, then stop", made[0])


def _under_way(lane: Lane) -> None:
    """The trainer goes on alone; it can be stopped, or is lost and can be resumed."""
    run = lane.launch()
    lane.moment(0.5)
    _kill_supervisors(lane.lab)
    trainer = trainer_of(run)
    lane.goes_on("supervisor killed", run, trainer, "supervisor is gone")
    if lane.chance.random() < 0.5:
        lane.stop("supervisor killed, then stop", run, "its supervisor was gone")
        return
    send_signals(trainer, signal.SIGKILL)
    until(lambda: not trainer.is_alive())
    lane.is_state("supervisor killed, then trainer", status(run), State.LOST, "exit unknown")
    _resumed(lane, "supervisor and trainer killed, then resumed", run)
    lane.stop("resumed, then stop", run)


def _at_its_end(lane: Lane) -> None:
    """From the request to stop on: it is stopped, is lost, or goes on because the request was not passed on yet."""
    run = lane.launch()
    stop(run)
    lane.moment(0.9)
    _kill_supervisors(lane.lab)
    with contextlib.suppress(ControlError):
        stop(run)  # where the trainer goes on
    found, trainer = wait_for_end(run), trainer_of(run)
    if trainer.is_alive() or found.state is not (State.STOPPED if run.exit.exists() else State.LOST):
        lane.tally.wrong.append(f"supervisor killed at its end: {found.state} ({found.evidence})")
    Queue().leave("")  # as whoever next wants a place does: what a lost run left behind is ended
    lane.settle(run)


def _kill_supervisors(lab: Path) -> bool:
    found = supervisors(lab)
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: not any(_there(pid) for pid in found))
    return bool(found)


def _there(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    return False


def _resumed(lane: Lane, when: str, run: RunDir) -> None:
    """Count a resume: it is the next attempt, and goes on behind the last line."""
    lane.tally.should += 1
    attempt, before = status(run).attempt, max(acknowledgements(run), default=0)
    resume(run)
    grows = until(lambda: max(acknowledgements(run), default=0) > before, fail=False)
    right = lane.is_state(when, status(run), State.RUNNING)
    lane.tally.went += grows and right and status(run).attempt == attempt + 1


def trainer(lane: Lane, trials: int) -> None:
    """The trainer, from the moment its launch or resume returns on. Each trial resumes what the one before killed."""
    run = None
    for number in range(trials):
        lane.tally.trials += 1
        if run is None or number % _RUNS_PER_LAB == 0:
            run = launch(load_notebook(lane.lab), "count")
        lane.moment(0.5)
        send_signals(trainer_of(run), signal.SIGKILL)
        lane.is_state("trainer killed", wait_for_end(run), State.KILLED, "SIGKILL")
        lane.settle(run)
        if number + 1 < trials and (number + 1) % _RUNS_PER_LAB:
            _resumed(lane, "trainer killed, then resumed", run)
    if run:
        _resumed(lane, "trainer killed, then resumed", run)
        lane.stop("trainer killed, resumed, then stop", run)


def worker(lane: Lane, trials: int) -> None:
    """A data loader worker of the shipped trainer, which cannot go on without it. Each trial resumes the one before."""
    run, view = None, None
    for _ in range(trials + 1):
        if run is None or view is None:
            run = launch(load_notebook(lane.lab), "train")
            view = RunFollower(run)
        else:
            lane.tally.should += 1
            resume(run)
        lines_before = steps(run)
        went = until(lambda run=run, before=lines_before: steps(run) > before or not status(run).state.live)
        view.poll()
        lane.tally.went += went and status(run).state.live and status(run).attempt > 1
        if lane.tally.trials == trials:
            break
        lane.tally.trials += 1
        _kill_a_worker(lane, run)
        found = wait_for_end(run)
        lane.is_state("worker killed", found, State.FAILED, "DataLoader worker")
        request = Request.read(run)
        lane.none_left(lambda request=request: processes_of_run(request.uuid, None) if request else [])
    if run and view:
        stop(run)
        lane.is_state("worker killed, resumed, then stop", wait_for_end(run), State.STOPPED, "as asked")
        view.poll()
        done = set(view.series["train/loss"].steps)
        lane.tally.lines += len(done)
        lane.tally.lost += len(set(range(1, (view.step or 0) + 1)) - done)
        lane.settle(run)


def _kill_a_worker(lane: Lane, run: RunDir) -> None:
    lane.moment(0.7)
    trainer_ = trainer_of(run)
    until(lambda: descendants(trainer_.pid) or not trainer_.is_alive())
    with contextlib.suppress(ProcessLookupError, IndexError):
        os.kill(lane.chance.choice(descendants(trainer_.pid)), signal.SIGKILL)


KINDS: dict[str, Callable[[Lane, int], None]] = {
    "app": app,
    "supervisor": supervisor,
    "trainer": trainer,
    "worker": worker,
    "ssh": ssh,
}
