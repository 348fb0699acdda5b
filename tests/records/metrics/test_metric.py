"""The table of metrics: goals by name and by notebook, the judge of a version, and who follows them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgexp_tui.notebook.load import parse_notebook
from imgexp_tui.notebook.schema.metrics import Goal, Unit
from imgexp_tui.records.alerts import AlertDetector
from imgexp_tui.records.metrics.metric import DEFAULT_METRICS, MetricTable, lab_metrics, version_judges
from imgexp_tui.records.metrics.run_state import Series, best_run
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.reports.side_by_side import ComparedVersion, compare_versions
from imgexp_tui.reports.tabular import run_row, version_row
from imgexp_tui.views.charts.curve import CurveBuilder
from imgexp_tui.views.notes.quotable_figures import quotable_figures
from tests.support.judged_runs import AUROC, LOSS, a_judged_run

BOOK = '[lab]\njudge = "valid/auroc"\n[versions.v0]\n[versions.v1]\nbase = "v0"\njudge = "valid/loss"\n'


def problems(text: str) -> list[str]:
    return [str(problem) for problem in parse_notebook(text, Path("lab")).problems]


@given(
    st.sampled_from([("auroc", Goal.HIGHER), ("f1", Goal.HIGHER), ("mAP", Goal.HIGHER), ("mse", Goal.LOWER)]),
    st.sampled_from(["valid/", "train/", "valid/top5_", ""]),
    st.sampled_from(["", "_x", "/all", ".50"]),
)
def test_a_known_part_of_a_name_gives_its_goal(known: tuple[str, Goal], before: str, after: str) -> None:
    assert DEFAULT_METRICS[f"{before}{known[0]}{after}"].goal is known[1]


@given(st.text("abcdefghij", min_size=1, max_size=6))
def test_a_part_counts_only_as_a_whole(letters: str) -> None:
    assert DEFAULT_METRICS[f"valid/{letters}mapped"].goal is None


def test_the_best_auroc_is_the_highest_everywhere(tmp_path: Path) -> None:
    run = a_judged_run(tmp_path, auroc=AUROC, loss=LOSS)
    curve = CurveBuilder("valid/auroc").update(run.series["valid/auroc"])
    assert curve and curve.best == (0.9, 3)
    assert ("best", "best valid auroc 0.9000 (epoch 3)") in quotable_figures(run)
    version = parse_notebook("[versions.v0]\n", tmp_path).versions["v0"]
    (section,) = (s for s in compare_versions([ComparedVersion(version, (run,))]) if s.title == "valid/auroc")
    assert section.rows[0].cells == ("0.9000 (epoch 3)",)


def test_a_notebook_says_the_goal_and_the_unit() -> None:
    book = parse_notebook('[lab.metrics."valid/rank"]\ngoal = "lower"\nunit = "percent"\n', Path("lab"))
    assert book.problems == ()
    metric = lab_metrics(book)["valid/rank"]
    assert (metric.goal, metric.unit, metric.format_value(0.5)) == (Goal.LOWER, Unit.PERCENT, "50.0 %")
    assert MetricTable({"dice": {"goal": "lower"}})["train/dice"].goal is Goal.LOWER
    assert DEFAULT_METRICS["valid/rank"].goal is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[lab.metrics.dice]\ngoal = "hgher"\n', "did you mean 'higher'?"),
        ('[lab.metrics.dice]\ngaol = "higher"\n', "2: lab.metrics.dice.gaol: unknown key; did you mean goal?"),
        ('[lab.metrics]\ndice = "higher"\n', "2: lab.metrics.dice: must be a table"),
        ('[lab.metrics.dice]\ngoal = "lower"\n[lab.metrics."valid/dice"]\ngoal = "higher"\n', "contradicts"),
        (
            '[lab]\njudge = "valid/rank"\n',
            "2: lab.judge: whether a higher or a lower valid/rank is better is not known",
        ),
        ("[versions.v0]\njudge = 1\n", "2: versions.v0.judge: must be the name of a metric in quotes"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, expected: str) -> None:
    (problem,) = problems(text)
    assert expected in problem


def test_a_version_has_its_own_judge_or_the_labs() -> None:
    book = parse_notebook(BOOK, Path("lab"))
    assert [v.judge for v in book.versions.values()] == ["valid/auroc", "valid/loss"]
    assert [judge.metric for judge in version_judges(book, "v0")] == ["valid/auroc", "valid/loss", "train/loss"]
    assert version_judges(book, "v1") == DEFAULT_METRICS.judges()


def test_the_judge_of_a_record_decides_its_best(tmp_path: Path) -> None:
    run = a_judged_run(tmp_path, "v0", "valid/auroc", "higher", auroc=AUROC, loss=LOSS)
    best = run.best()
    assert best and (best.metric, best.value, best.step) == ("valid/auroc", 0.9, 3)
    assert run_row(run)["best"]["metric"] == "valid/auroc"
    other = a_judged_run(tmp_path, auroc=AUROC, loss=LOSS).best()
    assert other and (other.metric, other.value) == ("valid/loss", 0.2)


def test_the_notebooks_judge_decides_the_best_of_a_version(tmp_path: Path) -> None:
    book = parse_notebook(BOOK, tmp_path)
    without, low, high = (
        a_judged_run(tmp_path, loss=[0.1] * 4),
        a_judged_run(tmp_path, auroc=[0.6] * 4, loss=[0.2] * 4),
        a_judged_run(tmp_path, auroc=AUROC, loss=LOSS),
    )
    judges = version_judges(book, "v0")
    found = best_run([without, low, high], judges)
    assert found and found[0] is high, "one that lacks the judged metric is never compared with it"
    row = version_row(book.versions["v0"], [without, low, high], judges)
    assert (row["best"]["metric"], row["best"]["value"]) == ("valid/auroc", 0.9)
    alone = version_row(book.versions["v0"], [without], judges)
    assert alone["best"]["metric"] == "valid/loss"


def test_a_request_names_a_judge_only_where_the_notebook_does(tmp_path: Path) -> None:
    assert b'"judge"' not in a_judged_run(tmp_path, loss=LOSS).run_dir.request.read_bytes()
    assert (
        b'"judge_goal"' in a_judged_run(tmp_path, "v0", "valid/auroc", "higher", loss=LOSS).run_dir.request.read_bytes()
    )


def test_alerts_follow_the_judge_with_its_direction(tmp_path: Path) -> None:
    detector = AlertDetector(RunDir(tmp_path / "v0" / "r"))
    detector.judges = MetricTable().judges("valid/auroc")
    reported = []
    for step, value in enumerate(AUROC, 1):
        detector.add_line({"step": step, "epoch": step, "valid/auroc": value, "valid/loss": 1 / step})
        reported += [alert.value for alert in detector.take_new()]
    assert reported == [0.5, 0.7, 0.9]


def test_a_run_without_the_judged_metric_is_told_of_by_its_loss(tmp_path: Path) -> None:
    detector = AlertDetector(RunDir(tmp_path / "v0" / "r"))
    detector.judges = MetricTable().judges("valid/auroc")
    detector.add_line({"step": 1, "epoch": 1, "valid/loss": 0.5})
    (alert,) = detector.take_new()
    assert alert.metric == "valid/loss" and "valid/loss 0.5000" in alert.message


def test_units_are_written_as_people_do() -> None:
    table = MetricTable({name: {"unit": name} for name in Unit})
    assert [table[name].format_value(v) for name, v in (("seconds", 75.0), ("si", 2500.0), ("bytes", 2.0**20))] == [
        "1m 15s",
        "2.5 k",
        "1 MB",
    ]
    assert Series().last is None
