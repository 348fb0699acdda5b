"""A write is absent or complete."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from imgexp_tui import durable


@pytest.mark.parametrize("step", ["open", "fchmod", "fsync", "replace"])
def test_replace_keeps_the_old_file_where_a_step_fails(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "note"
    durable.replace(path, b"old")

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(OSError, match="No space left"):
            durable.replace(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["note"]


def test_create_refuses_what_stands_there(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    durable.create(path, b"first")
    with pytest.raises(FileExistsError):
        durable.create(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_append_adds_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    durable.append(path, b"one\n")
    durable.append(path, b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"
    assert path.stat().st_mode & 0o777 == 0o600
