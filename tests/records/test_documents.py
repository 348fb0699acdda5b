"""The documents of a run as files: keys that programs outside may read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from imgexp_tui.records.documents import Request
from imgexp_tui.records.rundir import RunDir

OPTIONS = {"partition": "gpu", "time": "30"}


def request(**more: Any) -> Request:
    return Request("u", "r", "v0", None, {}, ["x"], "command", 0, "/lab", "host", "me", 1.0, **more)


def test_the_table_of_a_launcher_is_a_key_of_its_own_in_the_request(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    made = request(launcher_options={"slurm": OPTIONS})
    made.write(run)
    data = orjson.loads(run.request.read_bytes())
    assert data["slurm"] == OPTIONS and "launcher_options" not in data
    assert list(data)[-3:] == ["source", "slurm", "on_event"]
    assert Request.read(run) == made


def test_a_request_without_such_a_table_has_an_empty_one(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    request().write(run)
    assert orjson.loads(run.request.read_bytes())["slurm"] == {}
    assert Request.read(run) == request()


@pytest.mark.parametrize("value", ["text", None, [1]])
def test_a_table_that_is_none_is_damage(tmp_path: Path, value: object) -> None:
    run = RunDir(tmp_path)
    request().write(run)
    data = orjson.loads(run.request.read_bytes())
    run.request.write_bytes(orjson.dumps(data | {"slurm": value}))
    assert Request.read(run) is None
