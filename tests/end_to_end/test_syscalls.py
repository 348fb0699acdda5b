"""Every call of the writers of `process.json`, `exit.json` and checkpoints fails once, or is the last of its process.

The calls are counted in a run without a fault, so that none is left out; a library that is preloaded makes them fail.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import ROOT
from tests.native import library

WRITTEN = ["openat", "fchmod", "write", "fsync", "close"]
"""Of the temporary file, before it gets its name."""
NAMED = ["openat", "fsync", "close"]
"""Of the folder, after."""
MESSAGES = {"ENOSPC": "[Errno 28] No space left on device: '", "EIO": "[Errno 5] Input/output error: '"}


@pytest.fixture(scope="module")
def rows() -> Iterator[list[dict[str, Any]]]:
    # In memory where there is such a folder: a thousand times fsync takes its time on a disk.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield _rows(Path(folder))


def _rows(folder: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.syscall_cases", str(library("faults")), str(folder)],
        cwd=ROOT,
        env=os.environ | {"LD_PRELOAD": str(library("faults")), "XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def cases(rows: list[dict[str, Any]], writer: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["writer"] == writer and "k" in row]


def sequences(rows: list[dict[str, Any]], writer: str) -> list[list[str]]:
    return [row["calls"] for row in rows if row["writer"] == writer and "k" not in row]


def replaced(name: str) -> list[str]:
    """The calls that put a whole file at `name` and make it durable, in the only order that does so."""
    return [*(f"{c} TEMPORARY" for c in WRITTEN), f"rename {name}", *(f"{c} FOLDER" for c in NAMED)]


@pytest.mark.compiler
@pytest.mark.parametrize("name", ["process.json", "exit.json"])
def test_a_document_is_synced_before_it_is_named_and_its_folder_after(rows: list[dict[str, Any]], name: str) -> None:
    """Without any one of the two, a power cut could leave an empty file, or none."""
    assert sequences(rows, name) == [replaced(name), replaced(name)]


@pytest.mark.compiler
def test_a_checkpoint_is_synced_before_it_is_named_and_its_folder_after(rows: list[dict[str, Any]]) -> None:
    both = [*replaced("last"), *replaced("best")]
    assert sequences(rows, "checkpoints") == [["mkdir FOLDER", *both], ["mkdir FOLDER", *both]]


@pytest.mark.compiler
@pytest.mark.parametrize(("name", "files"), [("process.json", 1), ("exit.json", 1), ("checkpoints", 2)])
def test_a_fault_leaves_the_old_or_the_new(rows: list[dict[str, Any]], name: str, files: int) -> None:
    found = cases(rows, name)
    assert len(found) == 3 * sum(len(calls) for calls in sequences(rows, name))
    for row in found:
        old = row["first"] or None
        assert len(row["content"]) == files and set(row["content"]) <= {old, 2}, row
        # The next write works, and what a killed writer left is gone when the run is resumed.
        assert row["next"] == row["kept"] == [3] * files and row["left"] == [], row
        if row["deed"] == "KILL":
            assert row["killed"] == 9 and len(row["temporaries"]) <= 1, row
        else:
            assert row["temporaries"] == [], row
            _check_what_was_told(row)


def _check_what_was_told(row: dict[str, Any]) -> None:
    """Which file, and why. Only a folder that is there already may fail to be made without a word."""
    if row["call"] == "mkdir FOLDER" and row["first"]:
        assert row["error"] == "" or row["error"].startswith(MESSAGES[row["deed"]]), row
        return
    assert row["error"].startswith(MESSAGES[row["deed"]]) and ".tmp" not in row["error"], row
    # Nothing new is there where the fault came before the name; where it came after, it is whole.
    after = row["call"].endswith(" FOLDER") and not row["call"].startswith("mkdir")
    if row["writer"] != "checkpoints":
        assert row["content"] == [2 if after else row["first"] or None], row


@pytest.mark.compiler
@pytest.mark.parametrize(("deed", "told"), [("ENOSPC", "the disk is full"), ("EIO", "the disk is failing")])
def test_the_trainer_says_why_it_cannot_save(rows: list[dict[str, Any]], deed: str, told: str) -> None:
    (row,) = (r for r in rows if r["writer"] == "trainer" and r["deed"] == deed)
    assert row["code"] == 1 and row["calls"][4] == "write TEMPORARY", row
    assert row["told"].startswith(f"error: {told} (") and "checkpoints/last): " in row["told"], row
    assert row["told"].count("\n") == 1 and "resume this run" in row["told"], row


WRITE = """
import sys
from imgexp_tui.records.documents import Process
from imgexp_tui.records.rundir import RunDir
from pathlib import Path
Process("u", 1, None, None, 0.0).write(RunDir(Path(sys.argv[1])))
"""


@pytest.mark.strace
def test_no_call_is_missed(tmp_path: Path) -> None:
    """What the kernel sees, by strace: nothing that changes a file but the calls above."""
    run, log = tmp_path / "run", tmp_path / "strace"
    run.mkdir()
    words = ["strace", "-f", "-y", "-e", "trace=file,desc", "-o", str(log), sys.executable, "-c", WRITE, str(run)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"strace cannot trace here: {done.stderr.strip()[-100:]}")
    lines = [line.split(maxsplit=1)[1] for line in log.read_text().splitlines() if f"{run}" in line]
    calls = [line.partition("(")[0] for line in lines if not line.startswith("execve")]
    harmless = ("newfstatat", "fstat", "lseek", "ioctl", "fcntl", "readlink")
    assert [call for call in calls if call not in harmless] == [*WRITTEN, "rename", *NAMED]
