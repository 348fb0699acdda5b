"""What a version's own command is given: the folder of its run."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.records.rundir import find_runs
from imgexp_tui.runner.control import resume, wait_for_end
from imgexp_tui.runner.launch import launch
from imgexp_tui.runner.version_folders import rename_version
from tests.conftest import NewLab


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    return new_lab(
        '[versions.v0]\ncommand = ["sh", "-c", "printf \'%s\\\\n\' \\"$@\\"; exit 3", "sh", "--out={run_dir}/out", '
        '"{{run_dir}}"]\n[versions.own]\ncommand = ["echo", "{run_dir}"]\n[versions.own.train]\nrun_dir = "mine"\n',
        runs=True,
    )


def test_a_command_gets_the_folder_of_its_run_also_when_that_has_moved(lab: Path) -> None:
    book = load_notebook(lab)
    assert book.problems == ()
    run = launch(book, "v0")
    wait_for_end(run)
    assert run.log.read_text().splitlines() == [f"--out={run.path}/out", "{run_dir}"]
    rename_version(lab, "v0", "v1")
    moved = find_runs(lab, "v1")[0]
    resume(moved)
    wait_for_end(moved)
    assert moved.log.read_text().splitlines()[2:] == [f"--out={moved.path}/out", "{run_dir}"]


def test_a_setting_of_that_name_goes_before(lab: Path) -> None:
    run = launch(load_notebook(lab), "own")
    wait_for_end(run)
    assert run.log.read_text() == "mine\n"
