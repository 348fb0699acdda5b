"""The queue: who waits and why, who comes next, and that no two runs ever have one place."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.paths import state_home
from imgexp_tui.records import jsonl, status
from imgexp_tui.records.documents import Exit, Process, Request
from imgexp_tui.records.rundir import RunDir, find_runs
from imgexp_tui.records.status import State
from imgexp_tui.runner.control import resume, stop, wait_for_end
from imgexp_tui.runner.launch import LaunchError, launch, launch_seeds
from imgexp_tui.runner.queue.queue import Queue, QueueError
from imgexp_tui.runner.supervisor.process_cleanup import processes_of_run
from tests import native
from tests.conftest import NewLab
from tests.helpers import kill_all, wait_until

TRAINER = """
import os, subprocess, sys, time
from pathlib import Path
run, mode = Path(os.environ["IMGEXP_RUN_DIR"]), sys.argv[1]
print("GPUs", os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("CUDA_DEVICE_ORDER"), flush=True)
if mode == "stray":
    subprocess.Popen(["sleep", "600"], start_new_session=True)
(run / "ready").touch()
while not (run / "go").exists():
    time.sleep(0.02)
"""
NOTEBOOK = """
[lab]
grace = 30
{lab}
[defaults]
command = ["python", "trainer.py", "{{mode}}"]
mode = "hold"
[versions.v0]
[versions.v1]
[versions.stray.train]
mode = "stray"
[versions.cpu]
gpus = 0
[versions.two]
gpus = 2
[versions.large]
gpu_memory = "6 GB"
"""


@pytest.fixture
def lab(new_lab: NewLab) -> Iterator[Path]:
    lab = new_lab("")
    (lab / "trainer.py").write_text(TRAINER)
    write(lab)
    yield lab
    kill_all(lab)


def write(lab: Path, *of_lab: str) -> None:
    (lab / "experiments.toml").write_text(NOTEBOOK.format(lab="\n".join(of_lab)))
    assert load_notebook(lab).problems == ()


def start(lab: Path, version: str = "v0", **needs: object) -> RunDir:
    return launch(load_notebook(lab), version, resources=needs)


def runs(run: RunDir) -> bool:
    return status.status(run).state is State.RUNNING and (run.path / "ready").exists()


def waits(run: RunDir) -> str:
    found = status.status(run)
    assert found.state is State.QUEUED, found
    return found.evidence


def finish(run: RunDir) -> None:
    (run.path / "go").touch()
    assert wait_for_end(run).state is State.FINISHED


def name(run: RunDir) -> str:
    return f"{run.version}/{run.run_id}"


def kill(run: RunDir, *who: str) -> None:
    process = Process.read(run)
    assert process
    for one in (getattr(process, w) for w in who):
        os.kill(one.pid, signal.SIGKILL)
        wait_until(lambda one=one: not one.is_alive())


def test_a_run_whose_place_is_taken_waits_and_says_why(lab: Path) -> None:
    first, second, third = start(lab), start(lab, "v1"), start(lab)
    wait_until(lambda: runs(first))
    assert waits(second) == f"this machine busy with {name(first)}"
    assert waits(third) == f"this machine busy with {name(first)}, 1 ahead"
    assert [e["kind"] for e in jsonl.read_records(second.events)] == ["queued"]
    finish(first)
    wait_until(lambda: runs(second))
    wait_until(lambda: waits(third) == f"this machine busy with {name(second)}")
    finish(second)
    wait_until(lambda: runs(third))
    assert [e["kind"] for e in jsonl.read_records(third.events)] == ["queued", "started"]
    finish(third)
    assert Queue().tickets() == []


def test_a_run_that_waits_measures_nothing_and_is_not_called_out_for_silence(lab: Path) -> None:
    write(lab, "heartbeat = 0")
    start(lab)
    second = start(lab)
    assert waits(second)
    assert not second.system.exists() and not second.log.exists()


def test_several_at_a_time(lab: Path) -> None:
    write(lab, "slots = 2")
    first, second, third = start(lab), start(lab), start(lab)
    wait_until(lambda: runs(first) and runs(second))
    assert waits(third) == f"this machine busy with {name(first)} and {name(second)}"
    finish(second)
    wait_until(lambda: runs(third))


def test_as_many_share_as_all_of_them_agree_to(lab: Path) -> None:
    start(lab)
    write(lab, "slots = 2")
    assert waits(start(lab))


def test_the_order_can_be_changed(lab: Path) -> None:
    first, second, third = start(lab), start(lab), start(lab)
    request = Request.read(third)
    assert request
    Queue().move(request.uuid, -1)
    wait_until(lambda: waits(third).endswith(name(first)))
    assert waits(second).endswith("1 ahead") or wait_until(lambda: waits(second).endswith("1 ahead")) is None
    finish(first)
    wait_until(lambda: runs(third))
    assert waits(second)
    with pytest.raises(QueueError, match="does not wait"):
        Queue().move(request.uuid, -1)


def test_a_run_that_waits_can_be_cancelled_and_put_back(lab: Path) -> None:
    first, second, third = start(lab), start(lab), start(lab)
    stop(second)
    assert wait_for_end(second).state is State.STOPPED
    found = Exit.read(second)
    assert found and (found.exit_code, found.signal, found.detail) == (None, None, "as asked, before it was started")
    wait_until(lambda: waits(third) == f"this machine busy with {name(first)}")
    resume(second)
    assert waits(second).endswith("1 ahead")
    finish(first)
    wait_until(lambda: runs(third))


def test_a_run_whose_supervisor_died_in_the_queue_lets_the_others_pass(lab: Path) -> None:
    first, second, third = start(lab), start(lab), start(lab)
    kill(second, "supervisor")
    found = status.status(second)
    assert (found.state, found.evidence) == (State.LOST, "ended while it was queued: its supervisor is gone")
    finish(first)
    wait_until(lambda: runs(third))


def test_a_crashed_owner_frees_its_place(lab: Path) -> None:
    first, second = start(lab, "stray"), start(lab)
    wait_until(lambda: runs(first))
    left = processes_of_run(Request.read(first).uuid, None)  # type: ignore[union-attr]
    assert len(left) == 2
    kill(first, "supervisor", "trainer")
    wait_until(lambda: runs(second))
    assert not any(one.is_alive() for one in left)  # what it left behind would have shared the place


def test_a_trainer_without_supervisor_keeps_its_place(lab: Path) -> None:
    first, second = start(lab), start(lab)
    wait_until(lambda: runs(first))
    kill(first, "supervisor")
    with pytest.raises(AssertionError, match="not within"):
        wait_until(lambda: status.status(second).state is not State.QUEUED, seconds=2.5)
    (first.path / "go").touch()
    wait_until(lambda: runs(second))


def test_all_labs_of_a_user_share_the_machine(lab: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(lab, other, dirs_exist_ok=True)
    first, second = start(lab), start(other)
    assert waits(second) == f"this machine busy with {name(first)}"
    stop(second)
    wait_for_end(second)


def test_a_damaged_queue_is_made_anew(lab: Path) -> None:
    first, second = start(lab), start(lab)
    (file,) = state_home().glob("queue/*/queue.json")
    file.write_text("{")
    wait_until(lambda: file.read_text() != "{")
    stop(second)
    assert wait_for_end(second).state is State.STOPPED
    finish(first)


def test_a_queue_that_cannot_be_written_starts_nothing(lab: Path) -> None:
    state_home().parent.mkdir(parents=True, exist_ok=True)
    state_home().write_text("in the way")
    with pytest.raises(LaunchError, match="cannot start v0: the queue cannot be used: Not a directory"):
        start(lab)
    assert find_runs(lab) == []


def test_no_two_runs_ever_have_one_place(lab: Path) -> None:
    """Twelve at once, some of them killed: each notes when it began and ended; no two of them overlap."""
    code = (
        "import os, random, sys, time; begin = time.monotonic()\n"
        "time.sleep(random.random() / 10); print(begin, time.monotonic(), flush=True)\n"
        "if random.random() < .3: os.kill(os.getpid() if random.random() < .5 else os.getppid(), 9); time.sleep(.1)\n"
    )
    (lab / "trainer.py").write_text(code)
    words = [sys.executable, "-c", LAUNCH, str(lab)]
    for one in [subprocess.Popen(words, stdout=subprocess.DEVNULL) for _ in range(4)]:
        assert one.wait(120) == 0
    found = find_runs(lab)
    assert len(found) == 12
    wait_until(lambda: not any(status.status(run).state.live for run in found), seconds=120)
    spans = sorted(tuple(map(float, run.log.read_text().split())) for run in found if run.log.exists())
    assert len(spans) == 12
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


LAUNCH = """
import sys
from pathlib import Path
from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.runner.launch import launch
for _ in range(3):
    launch(load_notebook(Path(sys.argv[1])), "v0")
"""


def test_seeds_are_a_group(lab: Path) -> None:
    write(lab, "slots = 3")
    (lab / "experiments.toml").write_text(
        (lab / "experiments.toml").read_text().replace('mode = "hold"', 'mode = "x"\nseed = 4')
    )
    found = [Request.read(run) for run in launch_seeds(load_notebook(lab), "v0", 3)]
    assert [r.seed for r in found if r] == [4, 5, 6]
    groups = {r.group for r in found if r}
    assert len(groups) == 1 and groups != {""}


# GPUs


@pytest.fixture
def cards(lab: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Two cards of 8,000 MB by a driver of the test's own; the function states their processes: (card, pid, MB)."""
    folder = native.driver(tmp_path_factory.mktemp("driver"), "fake_cards")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(folder))
    monkeypatch.setenv("FAKE_CARDS", str(folder / "cards"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def state_cards(*processes: tuple[int, int, int]) -> None:
        new = folder / "new"
        new.write_text("\n".join(["2 8000", *(" ".join(map(str, p)) for p in processes)]))
        new.replace(folder / "cards")

    state_cards()
    return state_cards


def gpus(run: RunDir) -> str:
    wait_until(lambda: runs(run))
    return run.log.read_text().strip()


@pytest.mark.compiler
def test_each_gpu_has_a_run_of_its_own(lab: Path, cards: Callable[..., None]) -> None:
    first, second, third, cpu = start(lab), start(lab), start(lab), start(lab, "cpu")
    assert gpus(first) == "GPUs 0 PCI_BUS_ID" and gpus(second) == "GPUs 1 PCI_BUS_ID"
    assert gpus(cpu) == "GPUs  None"
    assert waits(third) == f"GPU 0 busy with {name(first)}; GPU 1 busy with {name(second)}"
    found = Process.read(second)
    assert found and found.gpus == [1]
    finish(second)
    assert gpus(third) == "GPUs 1 PCI_BUS_ID"


@pytest.mark.compiler
def test_a_run_that_wants_two_is_not_overtaken(lab: Path, cards: Callable[..., None]) -> None:
    first = start(lab)
    wait_until(lambda: runs(first))
    two, later = start(lab, "two"), start(lab)
    assert waits(two) == f"GPU 0 busy with {name(first)}"
    assert waits(later) == f"GPU 0 busy with {name(first)}; GPU 1 kept for {name(two)}, 1 ahead"
    finish(first)
    assert gpus(two) == "GPUs 0,1 PCI_BUS_ID"
    wait_until(lambda: waits(later) == f"GPUs 0 and 1 busy with {name(two)}")


@pytest.mark.compiler
def test_more_gpus_than_there_are(lab: Path, cards: Callable[..., None]) -> None:
    impossible, later = start(lab, "two", gpus=3), start(lab)
    assert waits(impossible) == "it needs 3 GPUs, and of those here it may take 2"
    wait_until(lambda: runs(later))


@pytest.mark.compiler
def test_a_gpu_that_others_fill_is_busy(lab: Path, cards: Callable[..., None]) -> None:
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        cards((0, stranger.pid, 4000), (1, stranger.pid, 500))
        assert gpus(start(lab)) == "GPUs 1 PCI_BUS_ID"
        waiting = start(lab)
        assert "GPU 0 busy with other people's processes (4,000/8,000 MB)" in waits(waiting)
        cards((1, stranger.pid, 500))
        assert gpus(waiting) == "GPUs 0 PCI_BUS_ID"
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.compiler
def test_memory_that_was_promised_counts(lab: Path, cards: Callable[..., None]) -> None:
    write(lab, "slots = 2")
    first, second, third = (start(lab, "large") for _ in range(3))
    assert {gpus(first), gpus(second)} == {"GPUs 0 PCI_BUS_ID", "GPUs 1 PCI_BUS_ID"}
    assert waits(third) == "GPUs 0 and 1 too full: 2,278 MB free of 5,722 MB"


@pytest.mark.compiler
def test_the_gpus_that_the_shell_names_are_respected(
    lab: Path, cards: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-test-1")
    first, second = start(lab), start(lab)
    assert gpus(first) == "GPUs 1 PCI_BUS_ID"
    assert waits(second) == f"GPU 1 busy with {name(first)}"
