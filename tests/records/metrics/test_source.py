"""Sources of metrics: a second kind is followed, charted and kept in snapshots as the first, and nobody opens files."""

from __future__ import annotations

import ast
import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

import imgexp_tui
from imgexp_tui.records.documents import Process
from imgexp_tui.records.metrics import opening, snapshot, snapshot_writer, source_registry
from imgexp_tui.records.metrics.fast_follower import FastFollower
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.history import MetricHistory
from imgexp_tui.records.metrics.jsonl_source import JsonlSource
from imgexp_tui.records.metrics.source import NON_METRIC_KEYS, MetricSource, Record, SourceStat
from imgexp_tui.records.metrics.source_registry import metric_files, metrics_size, open_source
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.status import status
from tests.helpers import wait_until, write_lines


class CsvSource:
    """`metrics.csv`: a line of names, then a record a line. Positions count lines, the names not among them."""

    def __init__(self, run: RunDir) -> None:
        self._path, self._exit = run.path / "metrics.csv", run.exit
        self._position, self._identity, self._replaced = 0, 0, False

    @staticmethod
    def files(run: RunDir) -> Sequence[Path]:
        return (run.path / "metrics.csv",)

    @property
    def position(self) -> int:
        return self._position

    @property
    def replaced(self) -> bool:
        return self._replaced

    @property
    def metric_names(self) -> Sequence[str]:
        return [name for record in self._records()[:1] for name in record if name not in NON_METRIC_KEYS]

    @property
    def ended(self) -> bool:
        return self._exit.exists()

    def stat(self) -> SourceStat | None:
        if not self._path.exists():
            return None
        return SourceStat(len(self._records()), self._path.stat().st_ino)

    def read_new(self) -> list[Record]:
        found, records = self.stat(), self._records()
        self._replaced = bool(found and self._identity not in (0, found.identity))
        self._identity = found.identity if found else 0
        start = 0 if self._replaced else self._position
        self._position = len(records)
        return records[start:]

    def seek(self, position: int) -> None:
        self._position = position

    def sample(self, size: int) -> list[Record]:
        records = self._records()[:size]
        return [*records[: size - 1 : 10], *records[-1:]]

    def fingerprint(self, position: int) -> str:
        return hashlib.sha256(repr(self._records()[:position]).encode()).hexdigest()

    def _records(self) -> list[Record]:
        if not self._path.exists():
            return []
        with self._path.open(newline="") as file:
            return [
                {k: int(v) if k in ("step", "epoch") else float(v) for k, v in row.items()}
                for row in csv.DictReader(file)
            ]


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    found = RunDir(tmp_path / "runs" / "v0" / "20261124-081530-3fa2c1")
    found.path.mkdir(parents=True)
    return found


@pytest.fixture
def csv_run(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    monkeypatch.setattr(source_registry, "SOURCES", [CsvSource, JsonlSource])
    write_csv(run, 200)
    return run


def write_csv(run: RunDir, count: int) -> None:
    rows = (f"{s},{(s - 1) // 50 + 1},{1000.0 + s},{1 / s},{2 / s}\n" for s in range(1, count + 1))
    (run.path / "metrics.csv").write_text("step,epoch,time,train/loss,valid/loss\n" + "".join(rows))


def numbers(run: RunFollower) -> dict[str, list[tuple[int, float]]]:
    return {name: list(zip(s.steps, s.values, strict=True)) for name, s in run.series.items()}


def history_numbers(found: MetricHistory) -> dict[str, list[tuple[int, float]]]:
    columns = {name: found.values(name) for name in found.metric_names}
    return {name: list(zip(map(int, s), map(float, v), strict=True)) for name, (s, v) in columns.items()}


def test_another_kind_of_source_is_followed_and_charted(csv_run: RunDir) -> None:
    follower, history = RunFollower(csv_run), MetricHistory(csv_run)
    assert follower.poll() and history.poll()
    assert (follower.step, follower.epoch, follower.time) == (200, 4.0, 1200.0)
    best = follower.best()
    assert best and (best.metric, best.step, best.value, best.epoch) == ("valid/loss", 200, 0.01, 4.0)
    assert history_numbers(history) == numbers(follower)
    assert not follower.poll() and not history.poll()
    write_csv(csv_run, 210)
    assert follower.poll() and history.poll()
    assert follower.step == history.last_step == 210
    (csv_run.path / "other").write_text("step,epoch,time,valid/loss\n1,1,5.0,0.5\n")
    (csv_run.path / "other").replace(csv_run.path / "metrics.csv")
    assert follower.poll() and history.poll()
    assert numbers(follower) == history_numbers(history) == {"valid/loss": [(1, 0.5)]}


def test_another_kind_of_source_has_snapshots(csv_run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "LONG_RECORD_BYTES", 50)
    whole = RunFollower(csv_run)
    whole.poll()
    assert snapshot_writer.main([str(csv_run.path)]) == snapshot_writer.EXIT_STORED
    there = snapshot.open_snapshot(csv_run.cache, open_source(csv_run))
    assert there is not None and there.prefix.offset == 200
    follower, history = FastFollower(csv_run), MetricHistory(csv_run)
    assert follower.poll() and history.poll()
    assert not follower.is_partial and not history.is_partial
    assert not follower.has_every_value, "it is drawn from the overview"
    assert (follower.best(), follower.step, follower.time) == (whole.best(), 200, 1200.0)
    assert history_numbers(history) == numbers(whole)
    write_csv(csv_run, 220)
    follower.poll(), history.poll()
    assert follower.step == history.last_step == 220


def test_another_kind_of_source_is_sampled_first(csv_run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that makes snapshots does not know this kind; the record is then read here."""
    monkeypatch.setattr(opening, "LONG_RECORD_BYTES", 50)
    follower, history, whole = FastFollower(csv_run), MetricHistory(csv_run), RunFollower(csv_run)
    whole.poll()
    assert follower.poll() and history.poll()
    assert follower.is_partial and history.is_partial
    assert follower.step == history.last_step == 200 and len(follower.series["train/loss"].steps) < 50
    for one in (follower, history):
        wait_until(lambda one=one: (one.poll(), not one.is_partial)[1], "the whole record")  # type: ignore[misc]
        one.poll()
    assert numbers(follower) == history_numbers(history) == numbers(whole)


def test_the_source_says_what_there_is(csv_run: RunDir, run: RunDir) -> None:
    assert isinstance(open_source(csv_run), CsvSource)
    assert metric_files(csv_run) == (csv_run.path / "metrics.csv",)
    assert metrics_size(csv_run) == 200
    Process("u", 1, None, None, 1.0).write(csv_run)
    assert status(csv_run).attempt == 1


def test_lines_of_json_are_the_source_of_any_other_run(run: RunDir) -> None:
    source: MetricSource = open_source(run)
    assert isinstance(source, JsonlSource)
    assert (source.stat(), source.read_new(), source.metric_names, metrics_size(run)) == (None, [], (), 0)
    write_lines(run.metrics, [{"step": 1, "time": 2.0, "a": 1.0}, {"step": 2, "b": 1.0}])
    assert [record["step"] for record in source.read_new()] == [1, 2]
    assert source.metric_names == ("a", "b") and not source.replaced
    found = source.stat()
    assert found and source.position == found.size == metrics_size(run)
    assert not source.ended
    run.exit.write_text("{}")
    assert source.ended
    run.metrics.unlink()
    write_lines(run.metrics, [{"step": 1, "c": 1.0}])
    assert source.read_new() == [{"step": 1, "c": 1.0}]
    assert source.replaced and source.metric_names == ("c",)


def test_only_the_source_and_the_trainer_know_the_file() -> None:
    """Everybody else sees records. `RunDir.metrics` is read from names that a run's folder goes by."""
    root, allowed = Path(imgexp_tui.__file__).parent, {"records/metrics/jsonl_source.py", "records/rundir.py"}
    folders = {"run", "_run", "run_dir", "_run_dir", "folder", "target", "one", "newest", "shown"}
    users = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr == "metrics":
                owner = node.value
                name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
                if name in folders:
                    users.add(path.relative_to(root).as_posix())
            elif isinstance(node, ast.Constant) and node.value == "metrics.jsonl":
                users.add(path.relative_to(root).as_posix())
    assert {user for user in users if not user.startswith("training/")} == allowed
