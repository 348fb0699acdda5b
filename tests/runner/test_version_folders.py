"""A version renamed together with its runs, also when that is cut off at any step; and what is never deleted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from imgexp_tui import durable
from imgexp_tui.cli import main
from imgexp_tui.notebook.history import drafts, log
from imgexp_tui.notebook.history.drafts import Draft
from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.notebook.model import NotebookError
from imgexp_tui.notebook.saving.save import save_note
from imgexp_tui.records.documents import Process
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.process_identity import identity_of
from imgexp_tui.records.rundir import RunDir, create_run_dir, find_runs
from imgexp_tui.records.status import State
from imgexp_tui.runner import control, version_folders
from imgexp_tui.runner.find_run import find_run
from imgexp_tui.runner.launch import launch
from tests.conftest import NewLab
from tests.helpers import stop_all
from tests.support.recorded_runs import a_run

NOTEBOOK = """\
[versions.v0]
summary = "first"   # as v0 said
[versions.v1]
base = "v0"
"""
RUNS = ["20260102-000000-bbbbbb", "20260101-000000-aaaaaa"]


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    lab = new_lab(NOTEBOOK)
    for run in RUNS:
        a_run(lab, "v0", run, [0.4, 0.3])
    return lab


def told(lab: Path) -> dict[str, tuple[str | None, list[str]]]:
    """Version → its base and its runs."""
    found = load_notebook(lab).versions.values()
    return {v.name: (v.base, [run.run_id for run in find_runs(lab, v.name)]) for v in found}


RENAMED = {"seed.0": (None, RUNS), "v1": ("seed.0", [])}


def test_a_renamed_version_keeps_runs_history_drafts_and_every_other_byte(lab: Path) -> None:
    save_note(lab, "v0", "takeaways", "-one\n", original="")
    save_note(lab, "v0", "takeaways", "-one\n-two\n", original="-one\n")
    drafts.write_draft(lab, Draft("v0", "summary", "typed", "first", 1.0))
    before, states = (lab / "experiments.toml").read_text(), log.note_states(lab, "v0", "takeaways")
    times = log.last_changed_times(lab, load_notebook(lab))
    version_folders.rename_version(lab, "v0", "seed.0")
    assert told(lab) == RENAMED
    assert (lab / "experiments.toml").read_text() == before.replace("[versions.v0]", '[versions."seed.0"]').replace(
        'base = "v0"', 'base = "seed.0"'
    )
    assert [(s.time, s.text) for s in log.note_states(lab, "seed.0", "takeaways")] == [(s.time, s.text) for s in states]
    assert log.last_changed_times(lab, load_notebook(lab))["seed.0"] == times["v0"]
    assert [(d.version, d.text) for d in drafts.read_drafts(lab)] == [("seed.0", "typed")]
    assert not (lab / "runs" / "v0").exists()
    view = RunFollower(find_run(lab, "seed.0"))
    view.poll()
    assert (view.version, view.status.state, view.last_metrics()["valid/loss"]) == ("seed.0", State.KILLED, 0.3)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("v9", "v2", "has no version v9"),
        ("v0", "v1", "v1 is there already"),
        ("v0", "../x", "is no name for a version"),
        ("v0", "gone", "runs/gone is there already"),
    ],
)
def test_what_is_refused_changes_nothing(lab: Path, old: str, new: str, why: str) -> None:
    create_run_dir(lab, "gone")
    with pytest.raises(NotebookError, match=why):
        version_folders.rename_version(lab, old, new)
    assert (lab / "experiments.toml").read_text() == NOTEBOOK
    assert told(lab)["v0"] == (None, RUNS)


STEPS = {
    "the notebook": "imgexp_tui.runner.version_folders.rewrite_notebook",
    "the runs": "imgexp_tui.runner.version_folders._move_or_merge_folder",
    "the drafts": "imgexp_tui.notebook.history.drafts.read_drafts",
    "the mark": "pathlib.Path.unlink",
}
DYING = """
import os, pkgutil, sys
from pathlib import Path
from unittest import mock
from imgexp_tui.runner import version_folders
lab, step, when = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
found = pkgutil.resolve_name(step)
def dying(*words, **named):
    if step.endswith("unlink") and "renaming" not in str(words[0]):
        return found(*words, **named)
    if when == "after":
        found(*words, **named)
    os._exit(9)
with mock.patch(step, dying):
    version_folders.rename_version(lab, "v0", "seed.0")
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("by", ["repeating", "opening the app"])
def test_a_rename_that_is_cut_off_loses_nothing_and_is_mended(lab: Path, step: str, when: str, by: str) -> None:
    drafts.write_draft(lab, Draft("v0", "summary", "typed", "first", 1.0))
    done = subprocess.run([sys.executable, "-c", DYING, str(lab), step, when])
    assert done.returncode == 9
    assert len(find_runs(lab)) == 2
    begun = "v0" not in load_notebook(lab).versions
    if by == "repeating":
        if (lab / ".imgexp" / "renaming.json").exists():
            version_folders.rename_version(lab, "v0", "seed.0")
        assert told(lab) == RENAMED
    else:
        version_folders.finish_rename(lab)
        assert told(lab) == (RENAMED if begun else {"v0": (None, RUNS), "v1": ("v0", [])})
    assert [d.version for d in drafts.read_drafts(lab)] == ["seed.0" if "seed.0" in told(lab) else "v0"]
    assert not (lab / ".imgexp" / "renaming.json").exists()


def test_what_was_renamed_by_hand_since_is_left_alone(lab: Path) -> None:
    log.make_metadata_folder(lab)
    durable.replace(lab / ".imgexp" / "renaming.json", b'{"old": "v0", "new": "other"}')
    version_folders.finish_rename(lab)
    assert told(lab)["v0"] == (None, RUNS)
    assert not (lab / ".imgexp" / "renaming.json").exists()


def test_runs_that_came_in_between_are_joined(lab: Path) -> None:
    log.make_metadata_folder(lab)
    durable.replace(lab / ".imgexp" / "renaming.json", b'{"old": "v0", "new": "wide"}')
    (lab / "experiments.toml").write_text(NOTEBOOK.replace("v0]", "wide]").replace('"v0"', '"wide"'))
    a_run(lab, "wide", "20260103-000000-cccccc", [0.1])
    version_folders.finish_rename(lab)
    assert told(lab)["wide"] == (None, ["20260103-000000-cccccc", *RUNS])
    assert not (lab / "runs" / "v0").exists()


def test_a_version_with_a_live_run_is_not_renamed(lab: Path) -> None:
    run = RunDir(lab / "runs" / "v0" / RUNS[0])
    run.exit.unlink()
    sleeper = subprocess.Popen(["sleep", "600"])
    try:
        known = identity_of(sleeper.pid)
        Process("u", 1, known, known, 1.0).write(run)
        with pytest.raises(NotebookError, match=f"v0/{RUNS[0]} is (running|no heartbeat); its folder can be renamed"):
            version_folders.rename_version(lab, "v0", "seed.0")
        assert (lab / "experiments.toml").read_text() == NOTEBOOK
    finally:
        sleeper.kill()
        sleeper.wait()
    version_folders.rename_version(lab, "v0", "seed.0")
    assert told(lab) == RENAMED


def test_a_folder_that_a_run_is_about_to_fill_is_not_renamed(lab: Path) -> None:
    new = create_run_dir(lab, "v0")
    with pytest.raises(NotebookError, match=f"v0/{new.run_id} is being started"):
        version_folders.rename_version(lab, "v0", "seed.0")


def test_a_renamed_run_can_be_resumed(tmp_path: Path) -> None:
    script = "echo $IMGEXP_RUN_DIR; test -e {flag} || exit 3"
    (tmp_path / "experiments.toml").write_text(
        f'[versions.v0]\ncommand = ["sh", "-c", "{script}"]\n[versions.v0.train]\nflag = "{tmp_path}/flag"\n'
    )
    try:
        run = launch(load_notebook(tmp_path), "v0")
        assert control.wait_for_end(run).state is State.FAILED
        version_folders.rename_version(tmp_path, "v0", "again")
        moved = find_run(tmp_path, "again")
        (tmp_path / "flag").touch()
        control.resume(moved)
        assert control.wait_for_end(moved).state is State.FINISHED
        assert moved.log.read_text().splitlines() == [str(run.path), str(moved.path)]
        assert not run.path.exists()
    finally:
        stop_all(tmp_path)


def test_only_what_never_ran_and_carries_nothing_is_deleted(lab: Path) -> None:
    save_note(lab, "v1", "summary", "bye", original="")
    with pytest.raises(NotebookError, match="v0 has 2 runs, and what has run is never deleted; it can be archived"):
        version_folders.delete_version(lab, "v0")
    version_folders.delete_version(lab, "v1")
    assert list(load_notebook(lab).versions) == ["v0"]
    assert [state.text for state in log.note_states(lab, "v1", "summary")] == ["bye"]


def test_tags_that_others_added_meanwhile_stay(lab: Path) -> None:
    shown = load_notebook(lab).versions["v0"]
    version_folders.set_tags(lab, shown, ["theirs"])
    version_folders.set_tags(lab, shown, ["mine"])
    assert load_notebook(lab).versions["v0"].tags == ("mine", "theirs")
    version_folders.set_tags(lab, load_notebook(lab).versions["v0"], [])
    assert (lab / "experiments.toml").read_text() == NOTEBOOK


def test_rename_and_archive_from_the_command_line(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-C", str(lab), "rename", "v0", "seed.0"]) == 0
    assert told(lab) == RENAMED
    assert main(["-C", str(lab), "rename", "v0", "seed.0"]) == 1
    assert "has no version v0" in capsys.readouterr().err
    before = (lab / "experiments.toml").read_text()
    assert main(["-C", str(lab), "archive", "v1", "seed.0"]) == 0
    assert [v.archived for v in load_notebook(lab).versions.values()] == [True, True]
    assert main(["-C", str(lab), "archive", "--back", "v1", "seed.0"]) == 0
    assert (lab / "experiments.toml").read_text() == before
    assert main(["-C", str(lab), "archive", "v9"]) == 1
