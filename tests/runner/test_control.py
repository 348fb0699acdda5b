"""Runs as processes: started, watched, stopped, resumed, killed from every side."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.records import events, jsonl
from imgexp_tui.records import status as run_status
from imgexp_tui.records.documents import Exit, Process, Request
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.process_identity import ProcessIdentity
from imgexp_tui.records.rundir import RunDir, find_runs
from imgexp_tui.records.status import State
from imgexp_tui.runner.control import ControlError, resume, stop, wait_for_end
from imgexp_tui.runner.find_run import find_run
from imgexp_tui.runner.launch import LaunchError, launch
from imgexp_tui.runner.supervisor.process_cleanup import processes_of_run
from tests.conftest import NewLab
from tests.helpers import kill_all, wait_until

TRAINER = '''
"""Stands in for a user's training script."""
import os, signal, subprocess, sys, time

run, mode = os.environ["IMGEXP_RUN_DIR"], sys.argv[1]
print("mode", mode)
if mode == "hold":  # checks out on SIGTERM, as the shipped trainer does
    signal.signal(signal.SIGTERM, lambda *_: (print("saved", flush=True), sys.exit(143)))
if mode in ("stubborn", "strays"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN if mode == "stubborn" else signal.SIG_DFL)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(0, flush=True); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", deaf], start_new_session=True, stdout=subprocess.PIPE)
    child.stdout.readline()
    subprocess.Popen(["sleep", "600"])
if mode == "fail":
    raise ValueError("no such \\x1b[31mlayer")
if mode == "code":
    sys.exit(int(sys.argv[2]))
if mode == "epochs":
    done = sum(1 for _ in open(run + "/metrics.jsonl")) if os.path.exists(run + "/metrics.jsonl") else 0
    with open(run + "/metrics.jsonl", "a") as file:
        print(f'{{"step": {done + 1}, "train/loss": 0.5}}', file=file, flush=True)
open(run + "/ready", "w").close()
if mode not in ("code", "quick"):
    time.sleep(600)
'''
NOTEBOOK = """
[lab]
grace = {grace}
slots = 20
[defaults]
command = ["python", "trainer.py", "{{mode}}", "{{code}}"]
mode = "hold"
code = 0
[versions.hold]
[versions.quick.train]
mode = "quick"
[versions.stubborn.train]
mode = "stubborn"
[versions.strays.train]
mode = "strays"
[versions.fail.train]
mode = "fail"
[versions.code.train]
mode = "code"
[versions.epochs.train]
mode = "epochs"
[versions.missing]
command = ["no-such-program"]
[versions.mild]
command = ["sleep", "600"]
"""


@pytest.fixture
def lab(new_lab: NewLab) -> Iterator[Path]:
    lab = new_lab(NOTEBOOK.format(grace=30))
    (lab / "trainer.py").write_text(TRAINER)
    yield lab
    kill_all(lab)


def start(lab: Path, version: str, *, ready: bool = True, **overrides: int | str) -> RunDir:
    run = launch(load_notebook(lab), version, overrides=overrides)
    if ready:
        wait_until(lambda: (run.path / "ready").exists())
    return run


def process(run: RunDir) -> tuple[ProcessIdentity, ProcessIdentity]:
    """Supervisor and trainer."""
    found = Process.read(run)
    assert found and found.supervisor and found.trainer
    return found.supervisor, found.trainer


def left_of(run: RunDir) -> list[ProcessIdentity]:
    request = Request.read(run)
    assert request
    return processes_of_run(request.uuid, None)


def ended(run: RunDir) -> Exit:
    wait_for_end(run)
    found = Exit.read(run)
    assert found
    return found


def kinds(run: RunDir) -> list[str]:
    return [e["kind"] for e in jsonl.read_records(run.events)]


def test_a_run_to_its_end(lab: Path) -> None:
    run = start(lab, "quick")
    found = ended(run)
    assert (found.cause, found.exit_code, found.signal, found.attempt) == ("finished", 0, None, 1)
    assert kinds(run) == ["started", "ended"]
    assert run.log.read_text() == "mode quick\n"
    sample = jsonl.read_records(run.system)[0]
    assert {"time", "tree/cpu_percent", "tree/memory", "host/cpu_percent", "host/memory_total"} <= set(sample)
    wait_until(lambda: not process(run)[0].is_alive())
    # Nothing but the record is left in the folder.
    assert {p.name for p in run.path.iterdir()} == {
        *("request.json", "process.json", "exit.json", "events.jsonl", "system.jsonl", "output.log", "source", "ready")
    }


@pytest.mark.git
def test_what_was_asked_is_frozen(lab: Path) -> None:
    git = ["git", "-C", str(lab), "-c", "user.name=a", "-c", "user.email=b"]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git, "add", "trainer.py"], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    (lab / "trainer.py").write_text(TRAINER + "# changed\n")
    run = start(lab, "code", ready=False, code=3)
    request = Request.read(run)
    assert request
    assert request.argv == ["python", "trainer.py", "code", "3"]
    assert (request.version, request.trainer, request.overrides) == ("code", "command", {"code": 3})
    assert request.config == {"mode": "code", "code": 3}
    assert request.git["dirty"] and request.git["branch"] == "main" and len(request.git["sha"]) == 40
    assert "+# changed" in request.git["diff"] and "experiments.toml" in request.git["untracked"]
    assert request.packages["python"] == sys.version.split()[0]
    told = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.__version__)"], capture_output=True, check=True
    )
    assert request.packages["torch"] == told.stdout.decode().strip(), "with its local part, such as +cu130"
    assert ended(run).exit_code == 3


def test_the_supervisor_is_nobodys_child_and_has_no_terminal(lab: Path) -> None:
    supervisor, trainer = process(run := start(lab, "hold"))
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{supervisor.pid}/status").read_text().splitlines())
    assert int(status["PPid"]) != os.getpid()
    assert os.getsid(supervisor.pid) not in (os.getsid(0), trainer.pid)
    assert os.getsid(trainer.pid) == trainer.pid
    for fd in range(3):
        target = Path(f"/proc/{supervisor.pid}/fd/{fd}").readlink()
        assert target in (Path("/dev/null"), run.path / "supervisor.log")
    # SIGHUP does nothing to the supervisor and what it always did to the trainer.
    trainer_status = Path(f"/proc/{trainer.pid}/status").read_text()
    assert int(trainer_status.split("SigIgn:\t")[1][:16], 16) & 1 == 0
    os.kill(supervisor.pid, signal.SIGHUP)
    stop(run)
    assert ended(run).cause == "stopped"


LAUNCHER = """
import fcntl, sys, termios, time
from pathlib import Path
from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.runner.launch import launch
if sys.stdin.isatty():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
print(launch(load_notebook(Path(sys.argv[1])), "hold").path, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("end", ["SIGKILL", "hang-up"])
def test_the_launchers_end_leaves_the_run(lab: Path, end: str) -> None:
    """SIGKILL to its whole session, or its terminal closed, as when an SSH connection drops."""
    master, terminal = os.openpty()
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(lab)],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
        start_new_session=True,
    )
    os.close(terminal)
    assert launcher.stdout
    run = RunDir(Path(launcher.stdout.readline().strip()))
    if end == "SIGKILL":
        os.killpg(launcher.pid, signal.SIGKILL)
    os.close(master)
    launcher.communicate(timeout=30)
    assert launcher.returncode == -(signal.SIGKILL if end == "SIGKILL" else signal.SIGHUP)
    assert run_status.status(run).state is State.RUNNING
    assert all(p.is_alive() for p in process(run))
    stop(run)
    assert ended(run).cause == "stopped"


def test_stop_lets_the_trainer_save(lab: Path) -> None:
    run = start(lab, "hold")
    stop(run)
    found = ended(run)
    assert (found.cause, found.exit_code, found.signal) == ("stopped", 143, None)
    assert "saved" in run.log.read_text()
    assert kinds(run) == ["started", "stopping", "ended"]


def test_stop_reaches_a_suspended_trainer(lab: Path) -> None:
    run = start(lab, "hold")
    os.kill(process(run)[1].pid, signal.SIGSTOP)
    stop(run)
    assert ended(run).exit_code == 143


def test_stop_of_a_program_that_knows_nothing_of_it(lab: Path) -> None:
    run = start(lab, "mild", ready=False)
    stop(run)
    found = ended(run)
    assert (found.cause, found.exit_code, found.signal) == ("stopped", None, "SIGTERM")


def test_stop_kills_the_whole_tree_after_the_grace_period(lab: Path) -> None:
    (lab / "experiments.toml").write_text(NOTEBOOK.format(grace=0.5))
    run = start(lab, "stubborn")
    assert len(left_of(run)) == 3  # itself, a child in a session of its own, a child
    stop(run)
    stop(run)  # asking twice is the same as once
    found = ended(run)
    assert (found.cause, found.signal) == ("stopped", "SIGKILL")
    assert "killed" in found.detail
    assert left_of(run) == []
    assert kinds(run).count("stopping") == 1


def test_a_killed_trainer_is_named_so_and_its_children_are_swept(lab: Path) -> None:
    run = start(lab, "strays")
    os.kill(process(run)[1].pid, signal.SIGKILL)
    found = ended(run)
    assert (found.cause, found.exit_code, found.signal) == ("killed", None, "SIGKILL")
    assert left_of(run) == []
    assert "warning" in kinds(run)


def test_a_run_that_has_ended_cannot_be_stopped(lab: Path) -> None:
    run = start(lab, "quick")
    ended(run)
    with pytest.raises(ControlError, match="has ended: finished"):
        stop(run)


@pytest.mark.parametrize(
    ("code", "cause", "told"),
    [(1, "failed", "exit code 1"), (143, "stopped", "SIGTERM"), (137, "failed", "SIGKILL")],
)
def test_exit_codes(lab: Path, code: int, cause: str, told: str) -> None:
    found = ended(start(lab, "code", ready=False, code=code))
    assert (found.cause, found.exit_code) == (cause, code)
    assert told in found.detail


def test_a_failure_is_explained_by_its_last_words(lab: Path) -> None:
    found = ended(start(lab, "fail", ready=False))
    assert (found.cause, found.exit_code) == ("failed", 1)
    assert found.detail == "exit code 1: ValueError: no such layer"


def test_a_program_that_is_not_there(lab: Path) -> None:
    found = ended(start(lab, "missing", ready=False))
    assert (found.cause, found.exit_code) == ("failed", 127)
    assert "no-such-program" in found.detail


def test_the_supervisors_death_leaves_the_trainer(lab: Path) -> None:
    run = start(lab, "hold")
    supervisor, trainer = process(run)
    os.kill(supervisor.pid, signal.SIGKILL)
    wait_until(lambda: not supervisor.is_alive())
    assert run_status.status(run).state is State.RUNNING
    os.kill(trainer.pid, signal.SIGKILL)
    wait_until(lambda: not trainer.is_alive())
    assert run_status.status(run).state is State.LOST
    with pytest.raises(ControlError, match="lost"):
        stop(run)


@pytest.mark.parametrize(("version", "by", "told"), [("hold", None, "it ended"), ("stubborn", "SIGKILL", "killed")])
def test_a_trainer_without_supervisor_can_be_stopped(lab: Path, version: str, by: str | None, told: str) -> None:
    (lab / "experiments.toml").write_text(NOTEBOOK.format(grace=30 if version == "hold" else 0.5))
    run = start(lab, version)
    supervisor, _ = process(run)
    os.kill(supervisor.pid, signal.SIGKILL)
    wait_until(lambda: not supervisor.is_alive())
    stop(run)
    stop(run)
    found = ended(run)
    assert (found.cause, found.exit_code, found.signal) == ("stopped", None, by)
    assert told in found.detail
    assert left_of(run) == []
    assert run.log.read_text().count("saved") == (1 if version == "hold" else 0)


def test_a_resumed_run_is_its_next_attempt(lab: Path) -> None:
    run = start(lab, "epochs")
    view = RunFollower(run)
    with pytest.raises(ControlError, match="running"):
        resume(run)
    stop(run)
    assert ended(run).cause == "stopped"
    view.poll()
    before = run.request.read_bytes()
    resume(run)
    assert (run_status.status(run).state, run_status.status(run).attempt) == (State.RUNNING, 2)
    wait_until(lambda: len(jsonl.read_records(run.metrics)) == 2)
    view.poll()
    assert view.status.state is State.RUNNING and view.step == 2
    stop(run)
    found = ended(run)
    assert (found.cause, found.attempt) == ("stopped", 2)
    assert kinds(run) == ["started", "stopping", "ended", "resumed", "stopping", "ended"]
    assert run.request.read_bytes() == before


def test_a_lost_run_can_be_resumed_and_what_was_left_of_it_is_gone(lab: Path) -> None:
    run = start(lab, "strays")
    supervisor, trainer = process(run)
    for one in (supervisor, trainer):
        os.kill(one.pid, signal.SIGKILL)
    wait_until(lambda: run_status.status(run).state is State.LOST)
    left = left_of(run)
    assert len(left) == 2
    resume(run)
    assert not any(one.is_alive() for one in left)
    assert run_status.status(run).attempt == 2


def test_two_resumes_at_once_start_one_attempt(lab: Path) -> None:
    run = start(lab, "hold")
    stop(run)
    wait_for_end(run)
    words = [sys.executable, "-m", "imgexp_tui.runner.supervise", str(run.path)]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(one.communicate(timeout=60)[0] for one in both)
    assert said[0] == "started" and said[1].startswith("the run is ")
    assert run_status.status(run).attempt == 2
    assert kinds(run).count("resumed") == 1


def test_a_finished_run_is_not_resumed(lab: Path) -> None:
    run = start(lab, "quick")
    wait_for_end(run)
    with pytest.raises(ControlError, match="nothing to resume"):
        resume(run)


def test_a_moved_lab_keeps_its_runs(lab: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    run = start(lab, "epochs")
    stop(run)
    wait_for_end(run)
    moved = tmp_path_factory.mktemp("elsewhere") / "lab"
    lab.rename(moved)
    run = find_runs(moved)[0]
    (run.path / "ready").unlink()
    resume(run)
    wait_until(lambda: (run.path / "ready").exists())
    stop(run)
    assert ended(run).attempt == 2
    moved.rename(lab)


def test_a_deleted_folder_does_not_hold_the_supervisor(lab: Path) -> None:
    run = start(lab, "hold")
    supervisor, trainer = process(run)
    subprocess.run(["rm", "-rf", str(run.path)], check=True)
    os.kill(supervisor.pid, signal.SIGTERM)
    wait_until(lambda: not supervisor.is_alive() and not trainer.is_alive())


@pytest.mark.parametrize(
    ("version", "overrides", "told"),
    [
        ("hol", {}, "no version hol; did you mean hold?"),
        ("hold", {"mod": "quick"}, "no setting mod; did you mean mode?"),
        ("shipped", {"batchsize": 8}, "no setting batchsize; did you mean batch_size?"),
        ("shipped", {"batch_size": 0}, "batch_size: 0 is out of range"),
        ("shipped", {"seed": -1}, "seed: -1 is out of range"),
        ("broken", {}, "broken cannot run: experiments.toml:"),
    ],
)
def test_what_cannot_be_launched_is_one_sentence_and_no_run(
    tmp_path: Path, version: str, overrides: dict[str, int | str], told: str
) -> None:
    text = '[versions.shipped]\n[versions.broken.train]\nepochs = "many"\n'
    text += '[versions.hold]\ncommand = ["sleep", "600"]\n[versions.hold.train]\nmode = "hold"\n'
    (tmp_path / "experiments.toml").write_text(text)
    with pytest.raises(LaunchError) as caught:
        launch(load_notebook(tmp_path), version, overrides=overrides)
    assert told in str(caught.value) and "\n" not in str(caught.value)
    assert find_runs(tmp_path) == []


def test_a_lab_that_cannot_be_written(lab: Path) -> None:
    (lab / "runs").write_text("in the way")
    with pytest.raises(LaunchError, match="cannot make a folder"):
        start(lab, "hold")


def test_a_disk_that_is_full_leaves_no_run(lab: Path) -> None:
    """The file size limit of the launcher, which its supervisor inherits, stands in for the disk."""
    code = (
        "import resource, signal, sys; from pathlib import Path; from imgexp_tui.notebook.load import load_notebook\n"
        "from imgexp_tui.runner.launch import LaunchError, launch\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))\n"
        "try: launch(load_notebook(Path(sys.argv[1])), 'hold')\n"
        "except LaunchError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(lab)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("cannot start hold: ") and done.stdout.count("\n") == 1
    assert find_runs(lab) == []


def test_the_shipped_trainer_is_asked_for_what_was_resolved(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (lab / "photos").mkdir()
    (lab / "experiments.toml").write_text(
        "[lab]\n[defaults]\ndata = 'photos'\n[versions.v0]\n[versions.v0.train]\nepochs = 2\n"
    )
    from imgexp_tui.runner.launchers import local

    monkeypatch.setattr(local, "start_detached", lambda module, run: None)  # what is frozen, not what is trained
    run = launch(load_notebook(lab), "v0", overrides={"batch_size": 8}, seed=5)
    request = Request.read(run)
    assert request
    assert request.argv == [sys.executable, "-P", "-m", "imgexp_tui.training", str(run.path)]
    assert request.config["data"] == str(lab / "photos")
    assert (request.config["epochs"], request.config["batch_size"], request.config["seed"]) == (2, 8, 5)
    assert (request.seed, request.trainer, request.grace) == (5, "shipped", 60.0)


def test_runs_are_found_by_what_people_type(lab: Path) -> None:
    first, second = start(lab, "quick"), start(lab, "hold")
    assert find_run(lab, first.run_id) == first
    assert find_run(lab, "hold") == second
    assert find_run(lab, f"quick/{first.run_id}") == first
    assert find_run(lab, f"hold/{second.run_id[:12]}") == second
    third = start(lab, "quick")
    assert find_run(lab, "quick") == third
    assert find_run(lab, "hold") == second
    unique = next(third.run_id[:n] for n in range(1, 23) if not first.run_id.startswith(third.run_id[:n]))
    if not second.run_id.startswith(unique):
        assert find_run(lab, unique) == third
    with pytest.raises(ControlError, match="could mean"):
        find_run(lab, first.run_id[:4])
    with pytest.raises(ControlError, match="did you mean quick"):
        find_run(lab, "quik")
    with pytest.raises(ControlError, match="imgexp-tui runs"):
        find_run(lab, "20010101")


def test_an_event_of_another_process_does_not_disturb(lab: Path) -> None:
    run = start(lab, "quick")
    events.append_event(run, "warning", "[/] \x1b]0;x\x07")
    wait_for_end(run)
    assert "warning" in kinds(run)


def test_a_version_stands_for_its_run_that_is_under_way(lab: Path) -> None:
    first = start(lab, "hold")
    second = start(lab, "hold")
    stop(second)
    wait_for_end(second)
    assert find_run(lab, "hold") == first
    assert find_run(lab, "hold", live_first=False) == second
