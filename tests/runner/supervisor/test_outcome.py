"""How an end is judged and put into words, and out-of-memory kills by the real kernel."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.records import jsonl
from imgexp_tui.records.documents import Exit
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner.control import wait_for_end
from imgexp_tui.runner.supervisor import recorder
from imgexp_tui.runner.supervisor.oom import OomKillCounter
from imgexp_tui.runner.supervisor.outcome import TrainerExit, determine_outcome, last_error_line
from imgexp_tui.runner.supervisor.recorder import line_interval, merge_samples


@pytest.fixture
def seen(tmp_path: Path) -> TrainerExit:
    return TrainerExit(
        0,
        stop_requested=False,
        killed_after_grace=False,
        grace=60.0,
        is_shipped_trainer=False,
        oom_clause=None,
        log=tmp_path / "l",
        log_start=0,
    )


def code(number: int) -> int:
    return number << 8  # as waitpid gives it


@pytest.mark.parametrize(
    ("shipped", "status", "cause"),
    [
        (False, code(0), "stopped"),  # a script that handles SIGTERM ends as it likes
        (False, code(1), "stopped"),
        (True, code(143), "stopped"),
        (True, code(0), "finished"),  # it was done just then
        (True, code(1), "failed"),  # its checkpoint could not be saved
        (True, signal.SIGTERM, "stopped"),  # before it could listen
        (True, signal.SIGSEGV, "killed"),
    ],
)
def test_ends_after_a_request_to_stop(seen: TrainerExit, shipped: bool, status: int, cause: str) -> None:
    assert (
        determine_outcome(replace(seen, stop_requested=True, is_shipped_trainer=shipped, wait_status=status)).cause
        == cause
    )


def test_a_signal_of_somebody_else_kills(seen: TrainerExit) -> None:
    for signum in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV):
        found = determine_outcome(replace(seen, wait_status=signum))
        assert (found.cause, found.signal, found.exit_code) == ("killed", signal.Signals(signum).name, None)
    assert determine_outcome(replace(seen, wait_status=signal.SIGRTMIN + 3)).signal == f"SIG{signal.SIGRTMIN + 3}"


def test_memory_is_told_where_the_kernel_told_it(seen: TrainerExit) -> None:
    short = replace(seen, oom_clause="out of memory: the kernel killed a process")
    assert "out of memory" in determine_outcome(replace(short, wait_status=signal.SIGKILL)).detail
    assert "out of memory" in determine_outcome(replace(short, wait_status=code(1))).detail
    assert "out of memory" not in determine_outcome(short).detail


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (b"", ""),
        (b"\n\n  \n", ""),
        (b"epoch 1\nTraceback:\n  x\nValueError: bad\n", "ValueError: bad"),
        (b"torch.OutOfMemoryError: CUDA\nresource_tracker: leaked\n", "torch.OutOfMemoryError: CUDA"),
        (b"data: no folder x; mend: --set data=y\n", "data: no folder x; mend: --set data=y"),
        (b"10%\r20%\r30%\n", "30%"),
        (b"\x1b]0;evil\x07\x1b[31mred [/]\x1b[0m\n", "red [/]"),
        (b"\xff\xfe\n", "\ufffd\ufffd"),
    ],
)
def test_last_words(tmp_path: Path, log: bytes, words: str) -> None:
    path = tmp_path / "output.log"
    path.write_bytes(log)
    assert last_error_line(path, 0) == words


def test_last_words_are_those_of_this_attempt_and_short(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    path.write_bytes(b"ValueError: of the first attempt\n")
    assert last_error_line(path, path.stat().st_size) == ""
    path.write_bytes(b"x" * 100_000)
    assert len(last_error_line(path, 0)) == 300
    assert last_error_line(tmp_path / "missing", 0) == ""


def test_a_counter_tells_what_was_added_to_it(tmp_path: Path) -> None:
    path = tmp_path / "memory.events"
    path.write_text("low 0\nhigh 7\noom 1\noom_kill 3\noom_group_kill 0\n")
    counter = OomKillCounter(path, False, 3)
    assert counter.describe_kills() is None
    path.write_text("oom_kill 5\n")
    assert counter.describe_kills() == "out of memory: the kernel killed 2 processes"
    path.unlink()
    assert counter.describe_kills() is None


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A memory control group of 64 MB."""
    v1 = Path("/sys/fs/cgroup/memory")
    root = v1 if v1.is_dir() else Path("/sys/fs/cgroup")
    group = root / f"imgexp-test-{uuid.uuid4().hex[:8]}"
    try:
        group.mkdir()
        (group / ("memory.limit_in_bytes" if root == v1 else "memory.max")).write_text(str(64 << 20))
    except OSError:
        pytest.skip("may not make memory control groups here")
    yield group
    deadline = time.monotonic() + 10
    while (group / "cgroup.procs").read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    group.rmdir()


def test_a_trainer_that_eats_all_memory(tmp_path: Path, small_group: Path) -> None:
    eater = "block = []\nwhile True: block.append(bytearray(4 << 20))"
    (tmp_path / "experiments.toml").write_text(f"[versions.v0]\ncommand = ['python', '-c', '''{eater}''']\n")
    launcher = (
        "import os, sys; from pathlib import Path\n"
        "Path(sys.argv[2], 'cgroup.procs').write_text(str(os.getpid()))\n"
        "from imgexp_tui.notebook.load import load_notebook; from imgexp_tui.runner.launch import launch\n"
        "print(launch(load_notebook(Path(sys.argv[1])), 'v0').path)"
    )
    assert load_notebook(tmp_path).problems == ()
    done = subprocess.run(
        [sys.executable, "-c", launcher, str(tmp_path), str(small_group)], stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        pytest.skip("may not move into a memory control group here")
    run = RunDir(Path(done.stdout.strip()))
    wait_for_end(run)
    found = Exit.read(run)
    assert found and (found.cause, found.signal) == ("killed", "SIGKILL")
    assert "out of memory" in found.detail


def test_samples_grow_rarer_with_the_age_of_a_run() -> None:
    assert [line_interval(age) for age in (0, 599, 600, 7199, 7200, 86399, 86400, 1e7)] == [1, 1, 5, 5, 15, 15, 30, 30]


def test_a_line_that_stands_for_several_samples_keeps_peaks_and_swings() -> None:
    samples: list[dict[str, float | str]] = [
        {"tree/memory": 5, "tree/cpu_percent": 100.0, "gpu0/utilization": 98.0, "gpu0/tree_memory": 7},
        {"tree/memory": 9, "tree/cpu_percent": 0.0, "gpu0/utilization": 50.0, "gpu0/throttle": "heat"},
        {"tree/memory": 2, "tree/cpu_percent": 50.0, "gpu0/utilization": 0.0, "gpu0/throttle": ""},
    ]
    assert merge_samples(samples) == {
        "tree/memory": 9,
        "tree/cpu_percent": 50.0,
        "gpu0/utilization": 0.0,
        "gpu0/throttle": "",
        "gpu0/tree_memory": 7,  # it was given back since, and was there all the same
    }
    assert merge_samples(samples[:1]) == samples[0]


def test_a_recorder_samples_each_second_and_writes_what_is_left_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(recorder.time, "monotonic", lambda: now[0])
    run = RunDir(tmp_path)
    found = recorder.SystemRecorder(run, tmp_path)
    monkeypatch.setattr(found, "_sample", lambda: {"tree/memory": now[0]})

    def until(second: float) -> int:
        before = len(jsonl.read_records(run.system))
        while now[0] < second:
            found.sample_if_due()
            now[0] = max(found.due, now[0] + 0.01) + 0.02  # a little late, as it is
        return len(jsonl.read_records(run.system)) - before

    assert 585 <= until(1600) <= 600
    assert 115 <= until(2200) <= 121
    samples = jsonl.read_records(run.system)
    assert len(samples) <= 721
    found.sample_if_due()
    found.flush()
    assert jsonl.read_records(run.system)[-1]["tree/memory"] >= 2200
