"""JSON lines while they grow, tear, vanish and come back."""

from __future__ import annotations

import errno
import math
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from imgexp_tui.records import jsonl
from imgexp_tui.records.jsonl import LineTail, LineWriter


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def test_what_is_not_finite_survives_as_text(path: Path) -> None:
    jsonl.append_line(path, {"step": 1, "a": math.nan, "b": math.inf, "c": -math.inf})
    assert b"null" not in path.read_bytes()
    (record,) = jsonl.read_records(path)
    assert math.isnan(record["a"]) and record["b"] == math.inf and record["c"] == -math.inf


def test_a_line_is_read_once_and_only_when_it_is_whole(path: Path) -> None:
    tail = LineTail(path)
    assert tail.poll() == []
    path.write_bytes(b'{"step":1}\n{"st')
    assert tail.poll() == [{"step": 1}]
    assert tail.poll() == []
    with path.open("ab") as file:
        file.write(b'ep":2}\n')
    assert tail.poll() == [{"step": 2}]


def test_a_zero_filled_tail_is_not_yet(path: Path) -> None:
    path.write_bytes(b'{"step":1}\n' + bytes(4096))
    tail = LineTail(path)
    assert tail.poll() == [{"step": 1}]
    assert tail.poll() == []
    # What a writer that starts again after the crash adds is found behind the hole.
    writer = LineWriter(path)
    writer.write({"step": 2})
    writer.close()
    assert tail.poll() == [{"step": 2}]
    assert tail.skipped == 0


def test_a_hole_larger_than_a_read_does_not_stop_the_reader(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b'{"step":1}\n')
        file.truncate(9 << 20)
    jsonl.append_line(path, {"step": 2})
    assert jsonl.read_records(path) == [{"step": 1}, {"step": 2}]


def test_a_torn_line_costs_only_itself(path: Path) -> None:
    path.write_bytes(b'{"step":1}\n{"step":2,"train/lo')
    tail = LineTail(path)
    tail.poll()
    jsonl.append_line(path, {"step": 3})
    assert tail.poll() == [{"step": 3}]
    assert tail.skipped == 1


@pytest.mark.parametrize("rubbish", [b"[1, 2]\n", b"7\n", b"\xff\xfe\n", b'{"a": }\n', b"null\n", b'{"a":1}{"a":2}\n'])
def test_what_is_no_object_is_skipped(path: Path, rubbish: bytes) -> None:
    path.write_bytes(rubbish + b'{"step":1}\n')
    tail = LineTail(path)
    assert tail.poll() == [{"step": 1}]
    assert tail.skipped == 1


def test_a_replaced_file_is_read_anew(path: Path) -> None:
    path.write_bytes(b'{"step":1}\n{"step":2}\n')
    tail = LineTail(path)
    assert len(tail.poll()) == 2 and not tail.restarted
    other = path.with_suffix(".new")
    other.write_bytes(b'{"step":7}\n{"step":8}\n{"step":9}\n')
    other.replace(path)
    assert [r["step"] for r in tail.poll()] == [7, 8, 9]
    assert tail.restarted
    assert tail.poll() == [] and not tail.restarted


def test_a_file_that_was_emptied_says_so_when_it_grows_again(path: Path) -> None:
    path.write_bytes(b'{"step":1}\n{"step":2}\n')
    tail = LineTail(path)
    tail.poll()
    os.truncate(path, 0)
    assert tail.poll() == []
    jsonl.append_line(path, {"step": 1})
    assert tail.poll() == [{"step": 1}]
    assert tail.restarted


def test_text_that_is_no_utf8_does_not_lose_the_record(path: Path) -> None:
    jsonl.append_line(path, {"message": os.fsdecode(b"caf\xe9.png"), "step": 1})
    (record,) = jsonl.read_records(path)
    assert record["step"] == 1 and record["message"].startswith("caf")


def test_a_full_disk_tears_one_line_and_the_next_is_whole(path: Path) -> None:
    """The file size limit of a process stands in for the disk: a write that passes it is cut, the next fails."""
    code = f"""
import resource, signal
from imgexp_tui.records.jsonl import LineWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = LineWriter({str(path)!r})
writer.write({{"step": 1}})
resource.setrlimit(resource.RLIMIT_FSIZE, (20, resource.RLIM_INFINITY))
try:
    writer.write({{"step": 2, "text": "x" * 50}})
except OSError as error:
    print(error.errno)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
writer.write({{"step": 3}})
"""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == errno.EFBIG
    assert jsonl.read_records(path) == [{"step": 1}, {"step": 3}]
