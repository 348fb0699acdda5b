"""Runs carried by a real Slurm: submitted, watched, stopped, taken back by Slurm, its controller gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.records import jsonl, process_identity, status
from imgexp_tui.records.documents import Exit, Process, Request
from imgexp_tui.records.job_status import JobStatus
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.rundir import RunDir, find_runs
from imgexp_tui.records.status import State, Status
from imgexp_tui.runner.control import ControlError, resume, stop, wait_for_end
from imgexp_tui.runner.launch import LaunchError, launch
from imgexp_tui.runner.launchers.poller import JobPoller
from imgexp_tui.runner.launchers.slurm import api
from imgexp_tui.runner.launchers.slurm.poll import update_statuses
from imgexp_tui.runner.supervisor.process_cleanup import processes_of_run
from imgexp_tui.tui.app import LabApp
from tests.conftest import NewLab
from tests.helpers import shows
from tests.support.slurm_cluster import Cluster, until

pytestmark = pytest.mark.slurm

TRAINER = '''
"""Goes on from where it was when it is started again; saves on SIGTERM."""
import os, signal, sys, time

run, mode = os.environ["IMGEXP_RUN_DIR"], sys.argv[1]
signal.signal(signal.SIGTERM, lambda *_: (print("saved", flush=True), sys.exit(143)))
print("gpus", os.environ.get("CUDA_VISIBLE_DEVICES"), "job", os.environ["SLURM_JOB_ID"])
done = sum(1 for _ in open(run + "/metrics.jsonl")) if os.path.exists(run + "/metrics.jsonl") else 0
with open(run + "/metrics.jsonl", "a") as file:
    print(f'{{"step": {done + 1}, "train/loss": 0.5}}', file=file, flush=True)
if mode == "hold":
    time.sleep(600)
'''
NOTEBOOK = """
[lab]
launcher = "slurm"
grace = 20
[lab.slurm]
time = "30"
{options}
[defaults]
command = ["python", "trainer.py", "{{mode}}"]
mode = "hold"
[versions.hold]
[versions.quick]
gpus = 2
[versions.quick.train]
mode = "quick"
"""


@pytest.fixture(scope="session")
def _cluster() -> Iterator[Cluster]:
    made = Cluster()
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def cluster(_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The cluster, empty before and after."""
    monkeypatch.setenv("SLURM_CONF", str(_cluster.conf))
    yield _cluster
    _cluster.clear()


@pytest.fixture
def lab(cluster: Cluster, new_lab: NewLab) -> Path:
    lab = new_lab(NOTEBOOK.format(options=""))
    (lab / "trainer.py").write_text(TRAINER)
    return lab


@pytest.fixture
def login_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is on another machine than the jobs: it sees their files, and none of their processes."""
    monkeypatch.setattr(process_identity, "host", lambda: "login")


def told(run: RunDir) -> Status:
    """The state after Slurm was asked."""
    update_statuses([run])
    return status.status(run)


def running(run: RunDir, attempt: int = 1) -> Process:
    """The processes of an attempt whose trainer is at work."""
    until(lambda: len(jsonl.read_records(run.metrics)) >= attempt and (p := Process.read(run)) and p.attempt == attempt)
    found = Process.read(run)
    assert found and found.trainer
    return found


def kinds(run: RunDir) -> list[str]:
    return [e["kind"] for e in jsonl.read_records(run.events)]


def number(run: RunDir) -> str:
    found = JobStatus.read(run, "slurm", uuid(run))
    assert found
    return found.job


def uuid(run: RunDir) -> str:
    request = Request.read(run)
    assert request
    return request.uuid


def test_a_run_is_watched_from_pending_to_its_end(cluster: Cluster, lab: Path) -> None:
    blocker = cluster.sbatch("--exclusive")
    until(lambda: cluster.state(blocker) == "RUNNING")
    run = launch(load_notebook(lab), "quick")
    view, watch = RunFollower(run), JobPoller()
    view.poll()
    assert view.status.state is State.QUEUED and view.status.evidence == f"Slurm job {number(run)} pending"
    until(lambda: "Resources" in told(run).evidence or "Priority" in told(run).evidence, pace=0.3)
    # However long a job waits, it is not lost.
    assert status.status(run, now=time.time() + 1e6).state is State.QUEUED

    cluster.ask("scancel", blocker)
    seen = set()
    until(lambda: watch.poll([run]) or ((view.poll(), seen.add(view.status.state)) and not view.status.state.live))
    assert seen <= {State.QUEUED, State.RUNNING, State.FINISHED}
    assert (view.status.state, view.status.evidence) == (State.FINISHED, "exit code 0")
    process = Process.read(run)
    assert process and process.launcher == f"slurm {number(run)}"
    assert run.log.read_text() == f"gpus 0,1 job {number(run)}\n" and process.gpus == [0, 1]
    assert kinds(run) == ["queued", "started", "ended"]
    assert view.step == 1 and "tree/memory" in view.system
    until(lambda: cluster.state(number(run)) == "COMPLETED")


def test_a_run_that_waits_is_cancelled(cluster: Cluster, lab: Path) -> None:
    cluster.sbatch("--exclusive")
    run = launch(load_notebook(lab), "hold")
    stop(run)
    found = wait_for_end(run)
    assert (found.state, found.evidence) == (State.STOPPED, "as asked, before it was started")
    assert cluster.state(number(run)) == "CANCELLED"
    assert not run.log.exists() and kinds(run) == ["queued", "ended"]
    with pytest.raises(ControlError, match="has ended"):
        stop(run)


def test_a_run_is_stopped_from_the_login_node(cluster: Cluster, lab: Path, login_node: None) -> None:
    run = launch(load_notebook(lab), "hold")
    running(run)
    found = told(run)
    assert found.state is State.RUNNING and found.evidence.startswith(f"Slurm job {number(run)} on ")
    stop(run)
    found = wait_for_end(run)
    assert (found.state, found.evidence) == (State.STOPPED, "as asked, exit code 143")
    assert run.log.read_text().count("saved") == 1
    assert kinds(run) == ["queued", "started", "stopping", "ended"]
    assert processes_of_run(uuid(run), None) == []
    assert {p.name for p in run.path.iterdir() if p.name.startswith(".")} == set()

    resume(run)  # submits it again
    assert status.status(run).state is State.QUEUED
    assert running(run, attempt=2).launcher == f"slurm {number(run)}"
    stop(run)
    assert (wait_for_end(run).attempt, wait_for_end(run).state) == (2, State.STOPPED)


def test_a_request_to_stop_waits_for_a_job_that_starts_later(cluster: Cluster, lab: Path) -> None:
    blocker = cluster.sbatch("--exclusive")
    run = launch(load_notebook(lab), "hold")
    (run.path / api.STOP_MARK).touch()  # as from a machine whose word did not reach Slurm
    cluster.ask("scancel", blocker)
    found = wait_for_end(run)
    assert (found.state, found.evidence) == (State.STOPPED, "as asked, before it was started")
    assert not run.log.exists() and not (run.path / api.STOP_MARK).exists()


def test_a_run_that_is_preempted_goes_on_later(cluster: Cluster, lab: Path, login_node: None) -> None:
    run = launch(load_notebook(lab), "hold")
    running(run)
    told(run)
    urgent = cluster.sbatch("--exclusive", "--partition=urgent")
    seen = []
    until(lambda: seen.append(told(run)) or "requeued" in kinds(run), pace=0.2)
    until(lambda: seen.append(told(run)) or "pending" in seen[-1].evidence, pace=0.2)
    until(lambda: cluster.state(urgent) == "RUNNING")
    cluster.ask("scancel", urgent)
    until(lambda: seen.append(told(run)) or len(jsonl.read_records(run.metrics)) > 1, pace=0.2)
    assert {s.state for s in seen} <= {State.RUNNING, State.QUEUED}
    assert not run.exit.exists()
    assert running(run, attempt=2).launcher == f"slurm {number(run)}"
    assert told(run).state is State.RUNNING
    assert run.log.read_text().count("saved") == 1
    assert kinds(run) == ["queued", "started", "stopping", "requeued", "resumed"]
    stop(run)
    assert (wait_for_end(run).state, wait_for_end(run).attempt) == (State.STOPPED, 2)


def test_a_time_limit_queues_the_run_again_and_a_cancelled_job_ends_it(cluster: Cluster, lab: Path) -> None:
    run = launch(load_notebook(lab), "hold")
    running(run)
    # What Slurm sends before the limit, with a minute's resolution.
    cluster.ask("scancel", "--batch", "--signal=USR2", number(run))
    until(lambda: "requeued" in kinds(run))
    assert (
        next(e for e in jsonl.read_records(run.events) if e["kind"] == "requeued")["message"]
        == "its time limit is near"
    )
    until(lambda: told(run).evidence.startswith(f"Slurm job {number(run)} pending"), pace=0.2)
    running(run, attempt=2)
    cluster.ask("scancel", number(run))
    found = wait_for_end(run)
    assert (found.state, found.attempt) == (State.STOPPED, 2)
    assert found.evidence == f"Slurm job {number(run)} was cancelled, but not by this app"
    assert run.log.read_text().count("saved") == 2


def test_a_run_that_waits_to_start_again_is_cancelled(cluster: Cluster, lab: Path, login_node: None) -> None:
    run = launch(load_notebook(lab), "hold")
    running(run)
    cluster.ask("scancel", "--batch", "--signal=USR2", number(run))
    until(lambda: "requeued" in kinds(run))
    stop(run)
    found = wait_for_end(run)
    assert (found.state, found.evidence) == (State.STOPPED, "as asked, while its job waited to start again")


def test_the_controllers_death_and_return_change_no_state(cluster: Cluster, lab: Path, login_node: None) -> None:
    run = launch(load_notebook(lab), "hold")
    running(run)
    cluster.saved()
    before = told(run)
    cluster.kill_controller()
    found = told(run)
    assert found.state is State.RUNNING and "Slurm does not answer since" in found.evidence
    cluster.start_controller()
    seen = []
    until(lambda: seen.append(told(run)) or seen[-1] == before, pace=0.3)
    assert {s.state for s in seen} == {State.RUNNING}
    stop(run)
    assert wait_for_end(run).state is State.STOPPED


def test_a_silent_controller_holds_nobody_up(cluster: Cluster, lab: Path, login_node: None) -> None:
    cluster.sbatch("--exclusive")
    run = launch(load_notebook(lab), "hold")
    cluster.kill_controller()
    start = time.monotonic()
    watch = JobPoller()
    watch.poll([run])
    watch.poll([run])
    assert status.status(run).state is State.QUEUED
    assert time.monotonic() - start < 1
    with pytest.raises(LaunchError) as caught:
        launch(load_notebook(lab), "hold")
    assert str(caught.value) == "cannot start hold: Slurm's controller is down"
    assert find_runs(lab) == [run]
    with pytest.raises(ControlError, match="the request stands"):
        stop(run)
    until(lambda: "Slurm does not answer since" in status.status(run).evidence)
    assert status.status(run).state is State.QUEUED


def test_a_run_is_stopped_without_a_controller(cluster: Cluster, lab: Path, login_node: None) -> None:
    run = launch(load_notebook(lab), "hold")
    running(run)
    cluster.kill_controller()
    stop(run)
    assert (wait_for_end(run).state, wait_for_end(run).evidence) == (State.STOPPED, "as asked, exit code 143")


def test_another_job_with_the_same_number_is_not_ours(cluster: Cluster, lab: Path, login_node: None) -> None:
    run = launch(load_notebook(lab), "hold")
    running(run)
    stop(run)
    wait_for_end(run)
    stranger = cluster.sbatch()
    until(lambda: cluster.state(stranger) == "RUNNING")
    # As after a controller that lost the run's job and gave its number out again.
    run.exit.unlink()
    before = Process.read(run)
    assert before
    Process("another", 1, before.supervisor, before.trainer, time.time(), f"slurm {stranger}").write(run)
    with pytest.raises(ControlError, match="knows no such job"):
        stop(run)
    assert told(run).state.live
    later = status.status(run, now=time.time() + status.JOB_GONE_SECONDS + 5)
    assert (later.state, later.evidence) == (State.LOST, f"ended, exit unknown: Slurm knows no job {stranger}")
    assert cluster.state(stranger) == "RUNNING"


LAUNCHER = """
import os, sys
from pathlib import Path
from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.records.job_status import JobStatus
from imgexp_tui.runner.launch import launch
JobStatus.write = lambda *_: os._exit(9)  # between sbatch's answer and the note of it
launch(load_notebook(Path(sys.argv[1])), "hold")
"""


def test_a_job_whose_launcher_died_is_found_by_the_runs_uuid(cluster: Cluster, lab: Path) -> None:
    cluster.sbatch("--exclusive")
    done = subprocess.run([sys.executable, "-c", LAUNCHER, str(lab)], check=False)
    assert done.returncode == 9
    (run,) = find_runs(lab)
    assert (status.status(run).state, status.status(run).evidence) == (State.QUEUED, "waits for its Slurm job")
    found = told(run)
    assert found.state is State.QUEUED and found.evidence.startswith(f"Slurm job {number(run)} pending")
    stop(run)
    assert wait_for_end(run).state is State.STOPPED
    assert cluster.state(number(run)) == "CANCELLED"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ('partition = "nowhere"', "cannot start hold: Slurm refuses the job: .*partition"),
        ('gres = "gpu:9"', "cannot start hold: Slurm refuses the job: .*node"),
        ('output = "x"', r"cannot start hold: \[lab.slurm\] output is set by the app"),
    ],
)
def test_what_slurm_does_not_take_is_one_sentence_and_no_run(
    cluster: Cluster, lab: Path, options: str, sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (lab / "experiments.toml").write_text(NOTEBOOK.format(options=options))
    with pytest.raises(LaunchError, match=sentence):
        launch(load_notebook(lab), "hold")
    assert find_runs(lab) == []
    assert capfd.readouterr() == ("", "")


def test_a_killed_supervisor_is_lost_with_what_slurm_says(cluster: Cluster, lab: Path, login_node: None) -> None:
    run = launch(load_notebook(lab), "hold")
    process = running(run)
    assert process.supervisor and process.trainer
    os.kill(process.supervisor.pid, signal.SIGKILL)
    until(lambda: not processes_of_run(uuid(run), None))
    until(lambda: told(run) and (JobStatus.read(run, "slurm", uuid(run)) or JobStatus("")).state == "FAILED", pace=0.3)
    assert status.status(run).state.live  # an end may be on its way through the file system
    found = status.status(run, now=time.time() + status.JOB_GONE_SECONDS + 20)
    assert (found.state, found.evidence) == (State.LOST, f"ended, exit unknown: Slurm calls job {number(run)} failed")


SHIPPED = """
[lab]
launcher = "slurm"
[defaults]
data = "shapes"
image_size = 32
encoder = "test_efficientnet"
train_samples = 64
valid_samples = 32
batch_size = 16
num_workers = 0
cache_images = false
device = "cpu"
epochs = 8
[versions.v0]
"""


def test_the_shipped_trainer_from_submission_to_its_end(cluster: Cluster, tmp_path: Path, login_node: None) -> None:
    (tmp_path / "experiments.toml").write_text(SHIPPED)
    run = launch(load_notebook(tmp_path), "v0")
    view = RunFollower(run)

    def reached(step: int) -> bool:
        view.poll()
        assert view.status.state.live, view.status
        return (view.step or 0) >= step

    until(lambda: reached(6), seconds=120)
    stop(run)
    found = wait_for_end(run)
    assert found.exit and (found.state, found.exit.exit_code) == (State.STOPPED, 143)
    resume(run)
    found = wait_for_end(run)
    assert (found.state, found.attempt) == (State.FINISHED, 2), run.log.read_text()
    view.poll()
    assert list(view.series["train/loss"].steps) == list(range(1, 33))
    process = Process.read(run)
    assert process and process.gpus == []  # a run on the CPU takes none from others
    end = Exit.read(run)
    assert end and end.attempt == 2


def test_two_processes_train_one_run(cluster: Cluster, tmp_path: Path) -> None:
    notebook = SHIPPED.replace("test_efficientnet", "small_conv").replace('device = "cpu"\nepochs = 8', "epochs = 2")
    (tmp_path / "experiments.toml").write_text(notebook)
    run = launch(load_notebook(tmp_path), "v0", resources={"gpus": 2})
    found = wait_for_end(run)
    assert found.state is State.FINISHED, run.log.read_text()
    view = RunFollower(run)
    view.poll()
    assert view.plan["processes"] == 2
    assert list(view.series["train/loss"].steps) == list(range(1, 9))
    assert view.last_metrics()["valid/samples"] == 32
    process = Process.read(run)
    assert process and process.gpus == [0, 1]


async def test_a_run_is_started_watched_and_stopped_from_the_app(cluster: Cluster, lab: Path, login_node: None) -> None:
    async with LabApp(lab).run_test(size=(120, 40), notifications=True) as pilot:
        await shows(pilot, "hold", "no run", seconds=60)
        await pilot.press("r")
        await shows(pilot, "● running", "Slurm job", "train loss  0.5000", seconds=60)
        await pilot.press("S")
        await shows(pilot, "Stop hold?", seconds=60)
        await pilot.press("y")
        await shows(pilot, "■ stopped", "as asked", seconds=60)
    (run,) = find_runs(lab)
    assert run.log.read_text().endswith("saved\n")


def test_doctor_says_whether_slurm_answers(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    well, sentence = api.diagnose()
    assert well and sentence.startswith("slurm-wlm ") and sentence.endswith("its controller answers")
    cluster.kill_controller()
    assert api.diagnose() == (False, "installed, but Slurm's controller is down")
    monkeypatch.setenv("PATH", "/nowhere")
    assert api.diagnose() == (False, 'not found; launcher = "slurm" cannot be used on this machine')


def test_the_end_of_a_job_is_told_before_the_job_is_over(lab: Path) -> None:
    command = 'on_event = ["sh", "-c", "sleep 1; echo $IMGEXP_EVENT $IMGEXP_VERSION >> told"]'
    (lab / "experiments.toml").write_text(NOTEBOOK.format(options="").replace("[lab]\n", f"[lab]\n{command}\n", 1))
    book = load_notebook(lab)
    run = launch(book, "quick")
    until(lambda: told(run).state is State.FINISHED)
    process = Process.read(run)
    assert process
    job = ["squeue", "--noheader", "--jobs", process.launcher.removeprefix("slurm ")]
    until(lambda: not subprocess.run(job, capture_output=True, check=False).stdout)
    assert (lab / "told").exists()
    held = launch(book, "hold")
    running(held)
    stop(held)
    until(lambda: told(held).state is State.STOPPED)
    assert (lab / "told").read_text() == "finished quick\n"
