"""The findings in the app: the count on the run's line, the list, what its keys write, and the thread that looks."""

from __future__ import annotations

import threading
from pathlib import Path

import psutil
import pytest
from textual.pilot import Pilot
from textual.widgets import TextArea

from imgexp_tui import paths
from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.rundir import find_runs
from imgexp_tui.services.actions import findings as finding_actions
from imgexp_tui.services.findings import findings_process
from imgexp_tui.services.findings.worker import FindingWorker
from imgexp_tui.tui.app import LabApp
from imgexp_tui.tui.screens.charts import ChartsScreen
from imgexp_tui.tui.screens.findings import FindingsScreen
from imgexp_tui.tui.screens.help import HelpScreen
from imgexp_tui.tui.screens.main.screen import MainScreen
from imgexp_tui.tui.screens.new_version import NewVersionScreen
from imgexp_tui.views import findings
from imgexp_tui.views.notes import settings_input
from imgexp_tui.views.styled import line_width, plain_text
from tests.conftest import NewLab
from tests.helpers import screen_text, shows, until, wait_until, write_lines
from tests.support.made_up_runs import made_up

NOTEBOOK = """\
[versions.v1]
summary = '''It learns.'''
takeaways = '''
-learns well
'''
[versions.v1.train]
batch_size = 64
[versions.v2]
base = "v1"
"""
NAN = {
    "epochs": {"valid/samples": [448] * 3},
    "steps": {"train/loss": [0.5] * 30 + [float("nan")]},
    "plan": {"valid_samples": 500},
}
SAID = "Validation leaves out 52 of 500 images: the last, incomplete batch of 64."


@pytest.fixture
def lab(new_lab: NewLab) -> Path:
    lab = new_lab(NOTEBOOK)
    made_up(lab, **NAN)
    return lab


def takeaways(lab: Path) -> str:
    return load_notebook(lab).versions["v1"].takeaways


async def opened(pilot: Pilot[None]) -> FindingsScreen:
    await shows(pilot, "learns well")
    await pilot.press("F")
    await shows(pilot, "train/loss is nan at step 31", "leaves out 52")
    screen = pilot.app.screen
    assert isinstance(screen, FindingsScreen)
    return screen


async def test_the_runs_line_counts_them_and_marks_the_worst(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(200, 50)) as pilot:
        await shows(pilot, "!! 2 findings F")


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_the_list_says_what_was_found_where_and_what_to_do(lab: Path, size: tuple[int, int]) -> None:
    async with LabApp(lab).run_test(size=size) as pilot:
        await opened(pilot)
        text = screen_text(pilot)
        assert text.index("▌!! train/loss is nan") < text.index("!  Validation leaves out 52 of 500 images")
        assert "→ A lower learning rate, clipped gradients (gradient_clip = 1)" in text
        assert "not_finite · train/loss, steps 21 to 31" in text
        assert "validation · valid/samples, steps 10 to 30" in text
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen), "the main screen")


async def test_the_rule_says_why_and_how_to_switch_it_off(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("j", "w")
        await shows(pilot, "A loader that drops its last batch", 'findings_off = ["validation"]')
        await pilot.press("escape")
        await until(pilot, lambda: "A loader that drops" not in screen_text(pilot), "the reasoning to go")
        assert isinstance(pilot.app.screen, FindingsScreen)


async def test_a_finding_goes_into_the_takeaways_once_beside_what_others_write(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(80, 24), notifications=True) as pilot:
        await opened(pilot)
        await pilot.press("j")
        file = lab / paths.NOTEBOOK
        file.write_text(file.read_text().replace("-learns well", "-learns well\n-by another program"))
        await pilot.press("t")
        await shows(pilot, "Written to the takeaways of v1")
        assert takeaways(lab) == f"-learns well\n-by another program\n-{SAID}\n"
        await pilot.press("t")
        await shows(pilot, "already")
        assert takeaways(lab).count(SAID) == 1
        await pilot.press("i")
        await until(pilot, lambda: "-[ ] Do not drop the last batch" in takeaways(lab), "the idea")


def test_what_cannot_be_written_is_said(lab: Path) -> None:
    assert finding_actions.add_to_takeaways(lab, "v9", SAID) == (False, "v9 is not in experiments.toml (any more).")
    (lab / paths.NOTEBOOK).unlink()
    done, message = finding_actions.add_to_takeaways(lab, "v1", SAID)
    assert not done
    assert "experiments.toml" in message


async def test_a_new_version_has_the_suggested_change(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(pilot.app.screen, NewVersionScreen), "the form")
        await shows(pilot, "gradient_clip = 1")
        assert pilot.app.screen.query_one("#changes", TextArea).text == "gradient_clip = 1"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen), "the main screen")
    made = load_notebook(lab).versions["v3"]
    assert (made.base, made.own_train) == ("v1", {"gradient_clip": 1.0})


async def test_a_key_jumps_to_the_curve(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChartsScreen), "the charts")
        await shows(pilot, "train loss", "×")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, FindingsScreen), "the findings")


async def test_a_key_jumps_to_what_the_supervisor_sampled(tmp_path: Path) -> None:
    (tmp_path / paths.NOTEBOOK).write_text(NOTEBOOK)
    memory = [1e9 + 20e6 * second for second in range(60)]
    made_up(tmp_path, steps={"train/loss": [0.5] * 60}, system={"tree/memory": memory})
    async with LabApp(tmp_path).run_test(size=(80, 24)) as pilot:
        await shows(pilot, "learns well")
        await pilot.press("F")
        await shows(pilot, "grows by")
        screen = pilot.app.screen
        assert isinstance(screen, FindingsScreen)
        while screen._selected is None or screen._selected.name != "memory":
            await pilot.press("j")
        await pilot.press("c")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChartsScreen), "the charts")
        await shows(pilot, "tree memory")


async def test_a_version_without_runs_and_rules_that_are_off(lab: Path) -> None:
    file = lab / paths.NOTEBOOK
    file.write_text('[lab]\nfindings_off = ["not_finite", "validation"]\n' + NOTEBOOK)
    async with LabApp(lab).run_test(size=(80, 24)) as pilot:
        await shows(pilot, "learns well")
        await pilot.press("F")
        await shows(pilot, "Nothing to say: no rule found anything.")
        await pilot.press("q", "j", "F")
        await shows(pilot, "v2 has no run yet.")


async def test_the_help_tells_its_keys(lab: Path) -> None:
    async with LabApp(lab).run_test(size=(100, 80)) as pilot:
        await opened(pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen), "the help")
        await shows(pilot, "Findings", "Put this finding into the takeaways")


def test_the_thread_follows_what_is_wanted_and_grows(tmp_path: Path) -> None:
    view = made_up(tmp_path, epochs={"valid/samples": [500] * 2}, cause="")
    other = made_up(tmp_path, version="v2", **NAN)
    updated = threading.Event()
    watch = FindingWorker(tmp_path, updated.set)
    try:
        wait_until(lambda: watch.findings_for("v1", view.run_id, ()) is not None, "a first look")
        assert watch.findings_for("v1", view.run_id, ()) == ()
        write_lines(view.run_dir.metrics, [{"step": 30, "epoch": 3, "valid/samples": 448}])
        updated.clear()
        wait_until(lambda: watch.findings_for("v1", view.run_id, ()), "the finding")
        assert updated.is_set()
        assert watch.findings_for("v2", other.run_id, ()) is None, "of another run nothing is known yet"
        wait_until(lambda: len(watch.findings_for("v2", other.run_id, ()) or ()) == 2, "both")
        wait_until(lambda: len(watch.findings_for("v2", other.run_id, ("validation",)) or ()) == 1, "one is off")
    finally:
        watch.stop()
    wait_until(lambda: not [t for t in threading.enumerate() if t.name == "findings"], "the thread to end")


def test_a_long_record_is_left_to_another_process(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings_process, "LONG_RECORD_BYTES", 100)
    read: list[object] = []
    monkeypatch.setattr(RunFollower, "poll", read.append)
    run = find_runs(lab, "v1")[0]
    watch = FindingWorker(lab, lambda: None)
    try:
        wait_until(lambda: watch.findings_for("v1", run.run_id, ()), "findings")
        found = watch.findings_for("v1", run.run_id, ())
        wait_until(lambda: len(watch.findings_for("v1", run.run_id, ("validation",)) or ()) == 1, "one is off")
    finally:
        watch.stop()
    assert found is not None
    assert [(one.name, one.severity, one.evidence) for one in found] == [
        ("not_finite", Severity.SERIOUS, Evidence(("train/loss",), 21, 31)),
        ("validation", Severity.WARNING, Evidence(("valid/samples",), 10, 30)),
    ]
    assert found[0].change == {"gradient_clip": 1.0}
    assert not read


def test_a_process_that_nobody_waits_for_is_ended(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings_process, "LONG_RECORD_BYTES", 100)
    monkeypatch.setattr(findings_process.sys, "executable", "sleep")
    monkeypatch.setattr(findings_process, "COMMAND_ARGUMENTS", ("600",))
    run = find_runs(lab, "v1")[0]
    watch = FindingWorker(lab, lambda: None)
    assert watch.findings_for("v1", run.run_id, ()) is None
    wait_until(lambda: [c for c in psutil.Process().children() if "sleep" in c.name()], "the process")
    watch.stop()
    wait_until(lambda: not [c for c in psutil.Process().children() if "sleep" in c.name()], "its end")


def test_what_another_process_could_not_find_is_said(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings_process, "LONG_RECORD_BYTES", 100)
    run = find_runs(lab, "v1")[0]
    (lab / paths.NOTEBOOK).unlink()
    watch = FindingWorker(lab, lambda: None)
    try:
        wait_until(lambda: watch.findings_for("v1", run.run_id, ()), "the trouble")
        (one,) = watch.findings_for("v1", run.run_id, ()) or ()
    finally:
        watch.stop()
    assert "cannot be made" in one.sentence
    assert "experiments.toml" in one.sentence


def test_no_line_is_longer_than_the_room() -> None:
    long = Finding("starved", Severity.INFO, "Ωords " * 60, Evidence(tuple("abcdef")), "suggestion " * 20)
    for room in (20, 40, 80, 200):
        layout = findings.layout_findings([long, long], room)
        assert max(map(line_width, layout.lines)) <= room
        assert layout.item_spans[1][1] == layout.item_spans[0][2] + 1
        assert plain_text(layout.lines[0]).startswith(" i  Ωords")


def test_settings_are_written_as_they_are_read() -> None:
    settings = {"batch_size": 128, "learning_rate": 1e-4, "pretrained": True, "schedule": "one-cycle"}
    typed = settings_input.parse_settings(settings_input.format_settings(settings))
    assert {t.key: t.value for t in typed} == settings
