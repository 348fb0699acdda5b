"""Other programs that read and write the notebook in the very middle of a save."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from imgexp_tui import durable
from imgexp_tui.notebook.history import log
from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.notebook.model import NotebookError
from imgexp_tui.notebook.saving import atomic_swap
from imgexp_tui.notebook.saving.save import save_note

NOTEBOOK = "[versions.v0]\nsummary = 'one line'\ntakeaways = '''\n-a\n'''\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "experiments.toml").write_text(NOTEBOOK)
    return tmp_path / "experiments.toml"


def meddle(monkeypatch: pytest.MonkeyPatch, before: Callable[[], object], after: Callable[[], object]) -> None:
    """Do something just before and just after the first exchange, when all was looked at that can be."""
    exchange_, met = atomic_swap._exchange, []

    def exchange_once_met(a: Path, b: Path) -> bool:
        if met:
            return exchange_(a, b)
        met.append(True)
        before()
        done = exchange_(a, b)
        after()
        return done

    monkeypatch.setattr(atomic_swap, "_exchange", exchange_once_met)


def rename_into_place(path: Path, text: str) -> None:
    path.with_name("theirs").write_text(text)
    path.with_name("theirs").rename(path)


def test_nobody_reads_what_is_about_to_be_taken_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What that reader wrote would be built on a text without the line that is put back, and overwrite it."""
    theirs, read = NOTEBOOK.replace("-a", "-a\n-theirs"), []
    reader = threading.Thread(target=lambda: read.append(path.read_text()))

    def come_to_read() -> None:
        reader.start()
        reader.join(0.3)  # it waits for the saver, if it can be made to

    meddle(monkeypatch, lambda: rename_into_place(path, theirs), come_to_read)
    saved = save_note(path.parent, "v0", "takeaways", "-a\n-mine\n", original="-a\n")
    reader.join()
    assert read == [theirs]
    assert saved.text == load_notebook(path.parent).versions["v0"].takeaways == "-a\n-theirs\n-mine\n"
    assert not list(path.parent.glob(".experiments*"))


def test_readers_are_not_held_up_while_the_disk_is_slow(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    sync_folder = durable.sync_folder

    def slow(folder: Path) -> None:
        reader = threading.Thread(target=lambda: read.append(path.read_text()), daemon=True)
        reader.start()
        reader.join(10)
        sync_folder(folder)

    monkeypatch.setattr(durable, "sync_folder", slow)
    assert atomic_swap.compare_and_swap(path, b"new", NOTEBOOK.encode())
    assert read == ["new"]


def test_who_begins_to_write_the_new_file_in_the_middle_is_not_overwritten(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One program has renamed a file into place unseen, another opens ours for writing before it is taken back."""
    theirs, others = NOTEBOOK.replace("one", "their"), NOTEBOOK.replace("one", "other")
    writer = threading.Thread(target=lambda: path.write_text(others))

    def come_to_write() -> None:
        writer.start()
        writer.join(0.3)

    meddle(monkeypatch, lambda: rename_into_place(path, theirs), come_to_write)
    assert not atomic_swap.compare_and_swap(path, NOTEBOOK.replace("-a", "-mine").encode(), NOTEBOOK.encode())
    writer.join()
    # Which of the two wins is theirs to settle; neither is lost.
    kept = {path.read_text(), *(p.read_text() for p in path.parent.glob("*.other"))}
    assert kept == {theirs, others}


def test_a_file_that_is_just_being_renamed_is_not_called_read_only(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Editors that move the old file away first leave its name empty for a moment."""
    access, missed = os.access, []

    def miss(place: Path, mode: int) -> bool:
        if place != path or missed:
            return access(place, mode)
        missed.append(True)
        path.rename(path.with_name("old~"))
        found = access(place, mode)
        rename_into_place(path, NOTEBOOK)
        return found

    monkeypatch.setattr(os, "access", miss)
    assert save_note(path.parent, "v0", "summary", "new", original="one line").outcome == "saved"
    assert missed


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_no_state_is_replaced_that_could_not_be_brought_back(
    path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(durable, "append", fail)
        with pytest.raises(NotebookError, match=f"{os.strerror(code)}; the file is as it was"):
            save_note(path.parent, "v0", "summary", "new", original="one line")
    assert path.read_text() == NOTEBOOK
    save_note(path.parent, "v0", "summary", "new", original="one line")
    assert [state.text for state in log.note_states(path.parent, "v0", "summary")] == ["new", "one line"]


def test_a_lab_in_which_no_history_may_be_kept_can_be_written_to(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(durable, "append", fail)
    assert save_note(path.parent, "v0", "summary", "new", original="one line").outcome == "saved"


def test_a_turn_that_cannot_be_given_back_is_no_failure_of_the_save(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = os.close

    def fail(fd: int) -> None:
        name = str(Path(f"/proc/self/fd/{fd}").readlink())
        close(fd)
        if name.endswith("/turn"):
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "close", fail)
    assert save_note(path.parent, "v0", "summary", "new", original="one line").outcome == "saved"
