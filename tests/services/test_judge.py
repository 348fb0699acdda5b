"""What the screens show of a lab whose notebook names the judge, or the goal and the unit of a metric."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.records.rundir import find_runs
from imgexp_tui.services.charts.session import ChartSession
from imgexp_tui.services.compare import ComparisonReader
from imgexp_tui.services.run_follower import VersionRunFollower
from imgexp_tui.services.run_index import RunIndex
from imgexp_tui.views.charts.model import ChartChoice, ChartRequest
from imgexp_tui.views.runs import compare_table
from imgexp_tui.views.runs.panel import run_lines
from imgexp_tui.views.runs.sidebar import sidebar_lines, two_line_summary
from imgexp_tui.views.runs.version_table import fit_columns
from imgexp_tui.views.styled import Line, plain_text
from tests.support.judged_runs import AUROC, LOSS, a_judged_run

VERSIONS = '[versions.v0]\n[versions.v1]\nbase = "v0"\n'
JUDGED = '[lab]\njudge = "valid/auroc"\n' + VERSIONS
RANK = '[lab.metrics."valid/rank"]\ngoal = "higher"\nunit = "percent"\n'
SCREEN_HEIGHT = 24


def a_lab(lab: Path, notebook: str, **series: list[float]) -> Path:
    """A lab with a run of v0."""
    (lab / "experiments.toml").write_text(notebook)
    a_judged_run(lab, **(series or {"auroc": AUROC, "loss": LOSS}))
    return lab


def indexed(lab: Path) -> RunIndex:
    runs = RunIndex(lab)
    runs.set_notebook(load_notebook(lab))
    while not runs.poll(["v0", "v1"], "v0"):
        pass
    return runs


def text(lines: list[Line]) -> str:
    return "\n".join(map(plain_text, lines))


def panel(lab: Path, height: int = SCREEN_HEIGHT) -> str:
    shown = indexed(lab).displayed_run("v0")
    assert shown
    return text(run_lines(shown, 100, height))


def chart(lab: Path, metric: str = "") -> tuple[str, str]:
    """The selected panel, and the picture."""
    picture = ChartSession(lab, [ChartChoice("v0")]).refresh(ChartRequest(120, 30, metric))
    assert picture
    return picture.metric, text(list(picture.lines))


def test_the_table_shows_the_best_of_the_judge_with_its_name(tmp_path: Path) -> None:
    lab = a_lab(tmp_path, JUDGED)
    rows, version = indexed(lab).rows, load_notebook(lab).versions["v0"]
    assert (rows["v0"].metric, rows["v0"].best, rows["v0"].goal) == ("valid/auroc", 0.9, "higher")
    columns = fit_columns(100, [version], rows, frozenset())
    assert "auroc 0.9000" in plain_text(columns.version_row(version, rows["v0"], has_draft=False, is_selected=False))


def test_the_panel_draws_the_judge_even_in_little_room(tmp_path: Path) -> None:
    lab = a_lab(tmp_path, JUDGED)
    for height in (SCREEN_HEIGHT, 8):
        found = panel(lab, height)
        assert "valid auroc  0.8000   best 0.9000 epoch 3" in found
        assert found.index("valid auroc") < found.index("valid loss")
    assert "auroc" not in panel(_without_judge(lab))


def _without_judge(lab: Path) -> Path:
    (lab / "experiments.toml").write_text(VERSIONS)
    return lab


def test_the_judge_of_a_version_that_has_changed_is_drawn_at_once(tmp_path: Path) -> None:
    lab = a_lab(tmp_path, VERSIONS)
    runs = indexed(lab)
    (lab / "experiments.toml").write_text(JUDGED)
    runs.set_notebook(load_notebook(lab))
    runs.poll(["v0", "v1"], "v0")
    shown = runs.displayed_run("v0")
    assert shown and shown.best == ("valid/auroc", 0.9, 3, 3)
    assert [curve.metric for curve in shown.curves] == ["valid/auroc", "valid/loss"]


def test_the_sidebar_of_the_editor_draws_the_judge(tmp_path: Path) -> None:
    run = VersionRunFollower(a_lab(tmp_path, JUDGED), "v0").poll()
    assert "valid auroc  0.8000  best 0.9000 (epoch 3)" in text(sidebar_lines("v0", run, 60, 20))
    assert "best 0.9000 (epoch 3)" in text(two_line_summary(run, 100))


def test_figures_for_notes_offer_the_judge_first(tmp_path: Path) -> None:
    follower = VersionRunFollower(a_lab(tmp_path, VERSIONS), "v0")
    assert follower.quotable_figures()[0] == ("best", "best valid loss 0.2000 (epoch 4)")
    (tmp_path / "experiments.toml").write_text(JUDGED)
    figures = follower.quotable_figures()
    assert figures[0] == ("best", "best valid auroc 0.9000 (epoch 3)")
    assert next(figure for figure in figures if figure[0] == "last") == ("last", "valid auroc 0.8000 (epoch 4)")


def test_figures_for_notes_follow_the_goals_and_units_of_the_lab(tmp_path: Path) -> None:
    follower = VersionRunFollower(a_lab(tmp_path, VERSIONS, rank=AUROC), "v0")
    assert not [said for kind, said in follower.quotable_figures() if kind == "best"], "no goal, hence no best"
    (tmp_path / "experiments.toml").write_text(RANK + VERSIONS)
    assert follower.quotable_figures()[0] == ("best", "best valid rank 90.0 % (epoch 3)")


def test_the_charts_begin_with_the_judge(tmp_path: Path) -> None:
    lab = a_lab(tmp_path, JUDGED)
    metric, picture = chart(lab)
    assert metric == "valid/auroc" and "best 0.9000 epoch 3" in picture
    assert chart(_without_judge(lab))[0] == "valid/loss"


def test_charts_follow_the_goals_and_units_of_the_lab(tmp_path: Path) -> None:
    lab = a_lab(tmp_path, VERSIONS, rank=AUROC)
    assert "best" not in chart(lab)[1]
    (lab / "experiments.toml").write_text(RANK + VERSIONS)
    _, picture = chart(lab)
    assert "best 90.00 % epoch 3" in picture and "80 % ┤" in picture


def test_open_charts_follow_a_notebook_that_changes(tmp_path: Path) -> None:
    lab = a_lab(tmp_path, VERSIONS, rank=AUROC)
    session, request = ChartSession(lab, [ChartChoice("v0")]), ChartRequest(120, 30)
    assert session.refresh(request) and session.refresh(request) is None
    (lab / "experiments.toml").write_text(RANK + VERSIONS)
    picture = session.refresh(request)
    assert picture and "best 90.00 %" in text(list(picture.lines))


@pytest.mark.parametrize(("notebook", "ahead"), [(VERSIONS, "v0"), (JUDGED, "v1")])
def test_the_comparison_follows_the_judge(notebook: str, ahead: str, tmp_path: Path) -> None:
    lab = a_lab(tmp_path, notebook)
    a_judged_run(lab, "v1", auroc=[0.6, 0.95], loss=[0.5, 0.4])
    columns = compare_table.all_columns(load_notebook(lab), indexed(lab).rows)
    best = next(column for column in columns if column.name.startswith("best"))
    assert best.sort_versions(["v0", "v1"], reverse=False)[0] == ahead


def test_side_by_side_stands_the_best_run_of_the_judge(tmp_path: Path) -> None:
    lab = a_lab(tmp_path, JUDGED)
    a_judged_run(lab, "v0", auroc=[0.6, 0.6], loss=[0.1, 0.1])
    best = find_runs(lab, "v0")[-1]
    book = load_notebook(lab)
    sections, shown = ComparisonReader(lab, [book.versions["v0"], book.versions["v1"]]).read()
    assert shown[0] and shown[0].run_id == best.run_id
    assert next(section.title for section in sections if section.title.startswith("valid/")) == "valid/auroc"
