"""Runs under the fault library: every call of every writer made to fail once, or to be the process's last.

    LD_PRELOAD=faults.so python -m tests.support.syscall_cases LIBRARY FOLDER

One JSON line a case. torch is imported once; each case is a child of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from imgexp_tui.records.documents import Exit, Process
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner.supervisor.cleanup import remove_leftovers
from imgexp_tui.training import checkpoint
from imgexp_tui.training import loop as _imported_once  # noqa: F401
from imgexp_tui.training.__main__ import main as train
from tests.support.training_runs import folder_of_pictures, new_run

DEEDS = ("ENOSPC", "EIO", "KILL")


@dataclass
class Writer:
    """Something that puts a file there: `write(run, n)` its n-th content, `read(run)` which n is there.

    `read` gives None where nothing is, and raises where what is there is not one of ours, whole.
    """

    name: str
    write: Callable[[RunDir, int], None]
    read: Callable[[RunDir], list[int | None]]


def _process(run: RunDir, n: int) -> None:
    Process("u", n, None, None, 0.0).write(run)


def _exit(run: RunDir, n: int) -> None:
    Exit("u", n, 0, None, "finished", "exit code 0", 0.0).write(run)


def _document(kind: type[Process] | type[Exit], path: Callable[[RunDir], Path]) -> Callable[[RunDir], list[int | None]]:
    def read(run: RunDir) -> list[int | None]:
        if not path(run).exists():
            return [None]
        found = kind.read(run)
        if found is None:
            raise ValueError(path(run).read_bytes())
        return [found.attempt]

    return read


def _checkpoint(run: RunDir, n: int) -> None:
    checkpoint.save_checkpoint(run, ["last", "best"], {"n": n, "model": {"weight": torch.full((1000,), float(n))}}, [])


def _checkpoints(run: RunDir) -> list[int | None]:
    found: list[int | None] = []
    for name in ("last", "best"):
        if not (run.checkpoints / name).exists():
            found.append(None)
            continue
        state = torch.load(run.checkpoints / name, weights_only=True)
        if not bool((state["model"]["weight"] == state["n"]).all()):
            raise ValueError(state)
        found.append(state["n"])
    return found


WRITERS = (
    Writer("process.json", _process, _document(Process, lambda run: run.process)),
    Writer("exit.json", _exit, _document(Exit, lambda run: run.exit)),
    Writer("checkpoints", _checkpoint, _checkpoints),
)


class Faults:
    """The library, which is loaded already."""

    def __init__(self, library: str, log: Path) -> None:
        self._library, self._log = ctypes.CDLL(library), log

    def arm(self, folder: Path, k: int, deed: str) -> None:
        self._log.unlink(missing_ok=True)
        words = (os.fsencode(folder), b"", ctypes.c_long(k), deed.encode(), os.fsencode(self._log))
        self._library.fault_arm(*words)

    def disarm(self) -> None:
        self._library.fault_disarm()

    def calls(self, folder: Path) -> list[str]:
        """Such as "rename process.json"; "TEMPORARY" and "FOLDER" for what has no name of its own."""
        found = []
        for line in self._log.read_text().splitlines():
            call, _, path = line.partition(" ")
            name = "FOLDER" if Path(path).is_dir() else "TEMPORARY" if path.endswith(".tmp") else Path(path).name
            found.append(f"{call} {name}" if path.startswith(str(folder)) else line)
        return found


def in_child(deed: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `deed` returns, done in a child; {"killed": signal} where that was killed."""
    ear, mouth = os.pipe()
    if (pid := os.fork()) == 0:
        told = json.dumps(deed())
        os.write(mouth, told.encode())
        os._exit(0)
    os.close(mouth)
    with os.fdopen(ear) as said:
        text = said.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return json.loads(text) if status == 0 else {"killed": -status}


def writing(faults: Faults, writer: Writer, run: RunDir, k: int, deed: str) -> dict[str, Any]:
    faults.arm(run.path, k, deed)
    try:
        writer.write(run, 2)
        error = ""
    except OSError as found:
        error = str(found)
    faults.disarm()
    return {"error": error}


def temporaries(run: RunDir) -> list[str]:
    return [p.name for p in run.path.rglob("*") if p.name.endswith(".tmp")]


def cases(faults: Faults, writer: Writer, base: Path, first: int) -> Iterator[dict[str, Any]]:
    """Every call with every deed. `first` 0: where nothing stands yet; 1: over what was written before."""

    def fresh() -> RunDir:
        shutil.rmtree(base, ignore_errors=True)
        run = RunDir(base / "run")
        run.path.mkdir(parents=True)
        if first:
            writer.write(run, 1)
        return run

    run = fresh()
    in_child(lambda: writing(faults, writer, run, 0, ""))
    calls = faults.calls(run.path)
    yield {"writer": writer.name, "first": first, "calls": calls}
    for k, call in enumerate(calls, 1):
        for deed in DEEDS:
            run = fresh()
            told = in_child(lambda run=run, k=k, deed=deed: writing(faults, writer, run, k, deed))  # type: ignore[misc]
            row = {"writer": writer.name, "first": first, "k": k, "call": call, "deed": deed, **told}
            row |= {"content": writer.read(run), "temporaries": temporaries(run)}
            writer.write(run, 3)
            row["next"] = writer.read(run)
            remove_leftovers(run, 1)
            yield row | {"left": temporaries(run), "kept": writer.read(run)}


def trainings(faults: Faults, base: Path) -> Iterator[dict[str, Any]]:
    """The trainer itself, whose first checkpoint cannot be written."""
    pictures = folder_of_pictures(base / "pictures", 16)
    for deed in ("ENOSPC", "EIO"):
        run = new_run(base, epochs=1, data=str(pictures))

        def deed_done(run: RunDir = run, deed: str = deed) -> dict[str, Any]:
            faults.arm(run.checkpoints, 5, deed)  # after openat (is there one?), mkdir, openat, fchmod
            with contextlib.redirect_stderr(io.StringIO()) as told, contextlib.redirect_stdout(io.StringIO()):
                code = train([str(run.path)])
            return {"code": code, "told": told.getvalue()}

        yield {"writer": "trainer", "deed": deed, **in_child(deed_done), "calls": faults.calls(run.path)}


def tell(row: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


def main() -> None:
    library, folder = sys.argv[1], Path(sys.argv[2])
    faults = Faults(library, folder / "calls")
    for writer in WRITERS:
        for first in (0, 1):
            for row in cases(faults, writer, folder / "case", first):
                tell(row)
    for row in trainings(faults, folder / "lab"):
        tell(row)


if __name__ == "__main__":
    main()
