"""Machines that end a user's processes at logout.

No systemd runs where these tests run. In a mount namespace of its own, a run meets the folders that it looks at, and
programs in place of systemd's that answer as theirs do and write down what they were asked.
"""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from pathlib import Path

import pytest

from imgexp_tui.records import jsonl
from imgexp_tui.records.rundir import find_runs
from imgexp_tui.records.status import State
from imgexp_tui.runner.control import wait_for_end
from tests.conftest import NewLab

PROGRAMS = {
    "busctl": 'case $5 in KillUserProcesses) echo "b $KILLS";; '
    'KillExcludeUsers) echo "as 1 \\"$EXCLUDED\\"";; *) echo "as 0";; esac',
    "loginctl": '[ "$ALLOWED" = yes ] && touch "/var/lib/systemd/linger/$(id -un)"',
    "systemd-run": '[ "$MANAGER" = no ] && exit 1; while [ "$1" != -- ]; do shift; done; shift; exec "$@"',
}
"""What stands in for systemd's: each notes its words, then does this."""
SETUP = (
    "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && mkdir -p /var/lib/systemd && "
    'mount -t tmpfs tmpfs /var/lib/systemd && mkdir /var/lib/systemd/linger && exec "$@"'
)


@pytest.fixture
def lab(new_lab: NewLab, tmp_path: Path) -> Path:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, body in PROGRAMS.items():
        (programs / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/asked\n{body}\n')
        (programs / name).chmod(0o755)
    return new_lab("[versions.v0]\ncommand = ['true']\n", "lab", runs=True)


def cli(lab: Path, *words: str, **answers: str) -> subprocess.CompletedProcess[str]:
    """A command on a machine whose systemd answers so."""
    path = f"{lab.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    known = {"KILLS": "true", "EXCLUDED": "nobody", "ALLOWED": "no", "MANAGER": "yes"}
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", SETUP, "sh", sys.executable, "-m", "imgexp_tui", "-C", str(lab), *words],
        env=os.environ | known | answers | {"PATH": path},
        capture_output=True,
        text=True,
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("may not make a mount namespace here")
    return done


def asked(lab: Path) -> str:
    path = lab.parent / "asked"
    return path.read_text() if path.exists() else ""


def warnings(lab: Path) -> list[str]:
    (run,) = find_runs(lab)
    assert wait_for_end(run).state is State.FINISHED
    return [e["message"] for e in jsonl.read_records(run.events) if e["kind"] == "warning"]


def test_a_run_gets_a_scope_of_its_own_where_that_is_allowed(lab: Path) -> None:
    assert cli(lab, "run", "v0", ALLOWED="yes").returncode == 0
    said = asked(lab)
    assert "loginctl --no-ask-password enable-linger" in said
    assert "systemd-run --user --scope --quiet --collect --unit=imgexp-tui-" in said
    assert "imgexp_tui.runner.supervise" in said


@pytest.mark.parametrize("answers", [{"ALLOWED": "no"}, {"ALLOWED": "yes", "MANAGER": "no"}])
def test_a_run_that_would_end_at_logout_says_so_at_once(lab: Path, answers: dict[str, str]) -> None:
    done = cli(lab, "run", "v0", **answers)
    assert done.returncode == 0
    assert "systemd ends your processes at logout here" in done.stderr and "enable-linger" in done.stderr
    (warning,) = warnings(lab)
    assert warning in done.stderr


@pytest.mark.parametrize("answers", [{"KILLS": "false"}, {"EXCLUDED": getpass.getuser()}])
def test_nothing_is_done_where_processes_stay(lab: Path, answers: dict[str, str]) -> None:
    done = cli(lab, "run", "v0", **answers)
    assert done.stderr == "" and warnings(lab) == []
    assert "systemd-run" not in asked(lab) and "loginctl" not in asked(lab)


def test_doctor_says_it(lab: Path) -> None:
    assert "note  logout      systemd ends your processes at logout" in cli(lab, "doctor").stdout
    assert "ok    logout      systemd ends" in cli(lab, "doctor", ALLOWED="yes").stdout
    assert "ok    logout      runs go on" in cli(lab, "doctor", KILLS="false").stdout
