"""Versions side by side: what differs, who is ahead at the same step and time, over seeds, and in the code."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.notebook.model import Notebook
from imgexp_tui.records.documents import Request
from imgexp_tui.records.jsonl import LineWriter
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.metric import MetricTable
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.reports.code_diff import code_diff
from imgexp_tui.reports.side_by_side import ComparedVersion, ComparisonSection, compare_versions
from imgexp_tui.views.lab import VersionRow
from imgexp_tui.views.runs import compare_table, side_by_side
from imgexp_tui.views.styled import line_width, plain_text
from tests.support.judged_runs import a_judged_run
from tests.support.recorded_runs import a_run

NOTEBOOK = """
[defaults]
data = "shapes"
[versions.v0]
takeaways = "- could be bigger [/] 幅"
[versions.v0.train]
batch_size = 64
[versions.v1]
base = "v0"
[versions.v1.train]
batch_size = 512
"""


@pytest.fixture
def book(tmp_path: Path) -> Notebook:
    (tmp_path / "experiments.toml").write_text(NOTEBOOK)
    return load_notebook(tmp_path)


def part(parts: list[ComparisonSection], title: str) -> dict[str, tuple[tuple[str, ...], int | None]]:
    return {e.label: (e.cells, e.best_index) for p in parts if p.title == title for e in p.rows}


def differing(parts: list[ComparisonSection]) -> list[str]:
    return [e.label for p in parts if p.title == "settings" for e in p.rows if e.differs]


def test_who_trained_longer_is_ahead_at_the_end_and_behind_at_the_same_step(book: Notebook) -> None:
    long = a_run(book.lab, "v0", "20260101-000000-aaaaaa", [0.6, 0.5, 0.4, 0.2])
    short = a_run(book.lab, "v1", "20260101-000000-bbbbbb", [0.5, 0.3])
    parts = compare_versions(
        [ComparedVersion(book.versions["v0"], (long,)), ComparedVersion(book.versions["v1"], (short,))]
    )
    assert differing(parts) == ["batch_size"]
    loss = part(parts, "valid/loss")
    assert loss["last"] == (("0.2000", "0.3000"), 0)
    assert loss["at step 4"] == (("0.5000", "0.3000"), 1)
    accuracy = part(parts, "valid/accuracy")
    assert accuracy["last"] == (("0.8000", "0.7000"), 0), "accuracy is better where it is higher"
    assert part(parts, "notes")["takeaways"][0] == ("- could be bigger [/] 幅", "")


def test_time_of_training_leaves_out_the_break_before_a_resumption(book: Notebook, tmp_path: Path) -> None:
    run = RunDir(book.lab / "runs" / "v0" / "20260101-000000-aaaaaa")
    run.path.mkdir(parents=True)
    events, metrics = LineWriter(run.events), LineWriter(run.metrics)
    events.write({"kind": "resumed", "attempt": 2, "time": 500.0})
    for step, moment in ((1, 10.0), (2, 20.0), (3, 510.0), (4, 530.0)):
        metrics.write({"step": step, "time": moment, "valid/loss": 1 / step})
    view = RunFollower(run)
    view.poll()
    assert list(view.training_seconds.steps) == [1, 2, 3, 4]
    assert list(view.training_seconds.values) == [0.0, 10.0, 10.0, 30.0]


def test_at_the_same_time_the_slower_run_has_come_less_far(book: Notebook) -> None:
    fast = a_run(book.lab, "v0", "20260101-000000-aaaaaa", [0.6, 0.5, 0.4, 0.3])
    run = RunDir(book.lab / "runs" / "v1" / "20260101-000000-bbbbbb")
    run.path.mkdir(parents=True)
    lines = LineWriter(run.metrics)
    for epoch in range(3):
        lines.write({"step": 2 * epoch + 2, "time": 10.0 * epoch, "valid/loss": 0.9 - 0.1 * epoch})
    slow = RunFollower(run)
    slow.poll()
    parts = compare_versions(
        [ComparedVersion(book.versions["v0"], (fast,)), ComparedVersion(book.versions["v1"], (slow,))]
    )
    # The fast one ended after 3.5 s: by then the slow one had its first validation only.
    found = {label: cells for label, (cells, _) in part(parts, "valid/loss").items() if label.startswith("after")}
    assert list(found.values()) == [("0.3000", "0.9000")]


def test_seeds_stand_as_mean_and_spread(book: Notebook) -> None:
    seeds = tuple(
        a_run(book.lab, "v0", f"20260101-00000{i}-aaaaaa", [0.5, loss], group="g", seed=i)
        for i, loss in enumerate((0.2, 0.3, 0.4))
    )
    parts = compare_versions([ComparedVersion(book.versions["v0"], seeds), ComparedVersion(book.versions["v1"])])
    assert part(parts, "valid/loss")["best"] == (("0.3000 ± 0.1000 (3)", ""), None)
    assert part(parts, "runs")["run"][0] == ("3 seeds", "no run")


def test_a_run_that_was_never_finite_says_so_and_is_not_ahead(book: Notebook) -> None:
    broken = a_run(book.lab, "v0", "20260101-000000-aaaaaa", [float("nan")] * 2)
    sound = a_run(book.lab, "v1", "20260101-000000-bbbbbb", [0.6, 0.5])
    parts = compare_versions(
        [ComparedVersion(book.versions["v0"], (broken,)), ComparedVersion(book.versions["v1"], (sound,))]
    )
    assert part(parts, "valid/loss")["last"] == (("not finite", "0.5000"), None)


@pytest.mark.parametrize("room", [30, 80, 200])
def test_lines_fit_and_every_side_can_be_brought_into_sight(book: Notebook, room: int) -> None:
    sides = [ComparedVersion(version) for version in book.versions.values()] * 4
    parts = compare_versions(sides)
    names = [f"{side.version.name}-{i}" for i, side in enumerate(sides)]
    seen: set[str] = set()
    for first in range(len(sides)):
        at = side_by_side.fit_sides(len(sides), first, room)
        head = side_by_side.header_row(names, at, room)
        assert line_width(head) == room
        seen |= set(plain_text(head).split())
        assert all(line_width(one) <= room for one in side_by_side.side_by_side_lines(parts, at, include_equal=True))
    assert seen == set(names)


def test_settings_that_are_the_same_are_left_out_and_counted(book: Notebook) -> None:
    parts = compare_versions([ComparedVersion(version) for version in book.versions.values()])
    at = side_by_side.fit_sides(2, 0, 80)
    short = [plain_text(one) for one in side_by_side.side_by_side_lines(parts, at, include_equal=False)]
    long = [plain_text(one) for one in side_by_side.side_by_side_lines(parts, at, include_equal=True)]
    assert any("batch_size" in one and "64" in one and "512" in one for one in short)
    assert not any(one.startswith(" data ") for one in short)
    assert any(one.startswith(" data ") for one in long)
    assert any("that are the same are left out" in one for one in short)


def test_a_column_sorts_its_best_first_and_what_is_empty_last_either_way(book: Notebook) -> None:
    rows = {"v0": VersionRow(best=0.3, accuracy=0.7, metric="valid/loss"), "v1": VersionRow(best=0.2, accuracy=0.8)}
    columns = {c.name: c for c in compare_table.all_columns(book, rows)}
    loss, accuracy = columns["best loss"], columns["accuracy"]
    names = ["v0", "empty", "v1"]
    assert loss.sort_versions(names, reverse=False) == ["v1", "v0", "empty"]
    assert loss.sort_versions(names, reverse=True) == ["v0", "v1", "empty"]
    assert accuracy.sort_versions(names, reverse=False) == ["v1", "v0", "empty"], "the highest accuracy is the best"
    assert columns["batch_size"].sort_versions(names, reverse=False) == ["v0", "v1", "empty"]
    assert "data" not in columns, "what is the same everywhere is no column"


@pytest.mark.parametrize("room", [40, 80, 200])
def test_every_column_comes_into_sight(book: Notebook, room: int) -> None:
    columns = compare_table.all_columns(book, {"v0": VersionRow(best=0.3, runs=1, epoch=3)})
    for at in range(1, len(columns)):
        sight = compare_table.visible_columns(columns, at, room)
        assert at in sight
        assert (
            line_width(compare_table.version_row(columns, sight, "v0", is_selected=True, is_marked=True, room=room))
            == room
        )


def test_the_code_that_ran_is_compared_file_by_file(book: Notebook) -> None:
    views = []
    for version, text in (("v0", "lr = 1\nkeep\n"), ("v1", "lr = 2\nkeep\n")):
        view = a_run(book.lab, version, "20260101-000000-aaaaaa", [0.5])
        source = view.run_dir.path / "source"
        source.mkdir()
        (source / "train.py").write_text(text)
        assert view.request
        view.request = replace(view.request, source="source")
        views.append(view)
    lines = code_diff(*views)
    assert "-lr = 1" in lines
    assert "+lr = 2" in lines
    assert " keep" in lines


@pytest.mark.git
def test_without_copies_the_commits_are_compared(book: Notebook, tmp_path: Path) -> None:
    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(book.lab), *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q")
    git("config", "user.email", "a@b.c")
    git("config", "user.name", "a")
    shas = []
    for text in ("one\n", "two\n"):
        (book.lab / "model.py").write_text(text)
        git("add", "model.py")
        git("commit", "-qm", text)
        shas.append(git("rev-parse", "HEAD"))
    views = []
    for version, sha in zip(("v0", "v1"), shas, strict=True):
        view = a_run(book.lab, version, "20260101-000000-aaaaaa", [0.5])
        assert isinstance(view.request, Request)
        view.request = replace(view.request, git={"sha": sha}, lab=str(book.lab))
        views.append(view)
    lines = code_diff(*views)
    assert "-one" in lines
    assert "+two" in lines
    views[1].request = replace(views[1].request, git={"sha": "f" * 40})  # type: ignore[type-var]
    assert any("git could not compare" in line for line in code_diff(*views))


def test_a_metric_of_unknown_goal_has_no_best(book: Notebook) -> None:
    sides = [
        ComparedVersion(book.versions[name], (a_judged_run(book.lab, name, rank=values, auroc=values),))
        for name, values in (("v0", [0.5, 0.9, 0.8]), ("v1", [0.5, 0.6, 0.7]))
    ]
    assert {label: ahead for label, (_, ahead) in part(compare_versions(sides), "valid/rank").items()} == {
        "last": None,
        "after 2s": None,
    }
    known = compare_versions(sides, MetricTable({"rank": {"goal": "lower"}}))
    assert part(known, "valid/rank")["last"] == (("0.8000", "0.7000"), 1)
    assert part(known, "valid/auroc")["best"] == (("0.9000 (epoch 2)", "0.7000 (epoch 3)"), 0)
