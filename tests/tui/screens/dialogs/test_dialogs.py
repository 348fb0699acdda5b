"""Dialogs: a new version is written as it was shown, a question is answered with care, help tells every key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomli
from textual.app import App
from textual.binding import Binding
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input, Static

from imgexp_tui import paths
from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.tui.screens.dialogs.confirm import ConfirmScreen
from imgexp_tui.tui.screens.help import HelpScreen
from imgexp_tui.tui.screens.new_version import NewVersionScreen
from imgexp_tui.tui.widgets.base.checkbox import BracketCheckbox
from imgexp_tui.tui.widgets.notes.area import NoteArea
from imgexp_tui.views.notes import settings_input
from tests.helpers import until

NOTEBOOK = """\
# comment
[lab]
title = "Trial"

[versions.V4]
summary = "Dropout up [/]."
takeaways = '''
-still underfitting
    -much larger model?
'''
[versions.V4.train]
batch_size = 128
dropout = 0.4

[versions.mine]
command = ["python", "x.py", "--bs", "{bs}"]
[versions.mine.train]
bs = 3
"""


class Host(App[None]):
    BINDINGS = [Binding("ctrl+q", "quit", "Quit the app", priority=True)]

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        self._first = screen
        self.answers: list[Any] = []

    def on_mount(self) -> None:
        self.push_screen(self._first, self.answers.append)


def told(app: App[None], id: str) -> str:
    return str(app.screen.query_one(id, Static).render())


# New version


def new_version(lab: Path, base: str = "V4") -> Host:
    return Host(NewVersionScreen(lab, load_notebook(lab), base))


async def fill(pilot: Pilot[None], id: str, text: str) -> None:
    """Put `text` into a field as a paste would."""
    field = pilot.app.screen.query_one(id)
    if isinstance(field, Input):
        field.value = text
    else:
        assert isinstance(field, NoteArea)
        field.replace_text(text)
    await pilot.pause()


async def test_a_new_version_is_written_as_it_was_shown(lab: Path) -> None:
    app = new_version(lab)
    async with app.run_test() as pilot:
        await pilot.press(*"batch_size", "equals_sign", *"512", "enter", *"head", "equals_sign", *"fastai")
        await pilot.pause()
        summary = app.screen.query_one("#summary", NoteArea).text
        assert "V4" in summary and "128" in summary and "512" in summary
        assert "batch_size 128 → 512" in told(app, "#checks")
        assert "Carry over 1 open takeaway of V4" in str(app.screen.query_one(BracketCheckbox).label)
        await pilot.press("tab", "tab", "space", "ctrl+s")
        await until(pilot, lambda: bool(app.answers), "the new version")
    assert app.answers == ["V5"]
    text = (lab / paths.NOTEBOOK).read_text()
    assert text.startswith(NOTEBOOK.rstrip("\n"))
    made = tomli.loads(text)["versions"]["V5"]
    assert made["base"] == "V4" and made["summary"] == summary
    assert made["train"] == {"batch_size": 512, "head": "fastai"}
    assert made["takeaways"] == "-much larger model?\n"


async def test_without_the_request_no_takeaway_is_carried_over(lab: Path) -> None:
    app = new_version(lab)
    async with app.run_test() as pilot:
        await pilot.press("ctrl+s")
        await until(pilot, lambda: bool(app.answers), "the new version")
    assert load_notebook(lab).versions["V5"].takeaways == ""


async def test_the_summary_follows_the_changes_until_it_is_ones_own(lab: Path) -> None:
    app = new_version(lab)
    async with app.run_test() as pilot:
        summary = app.screen.query_one("#summary", NoteArea)
        await fill(pilot, "#changes", "batch_size = 512")
        assert "512" in summary.text
        await fill(pilot, "#changes", "batch_size = 256")
        assert "256" in summary.text and "512" not in summary.text
        await fill(pilot, "#summary", "My own words.")
        await fill(pilot, "#changes", "batch_size = 32")
        assert summary.text == "My own words."


@pytest.mark.parametrize("name", ["V4", "v4", "", "a b", "../x", "-x", "[/]", "x" * 65])
async def test_a_name_that_cannot_be_is_refused(lab: Path, name: str) -> None:
    app = new_version(lab)
    async with app.run_test() as pilot:
        await fill(pilot, "#name", name)
        assert told(app, "#trouble")
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert app.answers == []
    assert (lab / paths.NOTEBOOK).read_text() == NOTEBOOK


async def test_the_base_can_be_another_one(lab: Path) -> None:
    app = new_version(lab)
    async with app.run_test() as pilot:
        await fill(pilot, "#base", "min")
        assert "did you mean mine" in told(app, "#trouble")
        await fill(pilot, "#base", "mine")
        await fill(pilot, "#name", "other")
        await fill(pilot, "#changes", "bs = 7\nanything = [/]x")
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert "Line 2: anything" in told(app, "#trouble")
        await pilot.press("x")
        await until(pilot, lambda: told(app, "#trouble") == "", "the text has changed since")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Line 2: anything" in told(app, "#trouble"), "the refusal")
        await pilot.press("tab", "x")
        await until(pilot, lambda: told(app, "#trouble") == "", "another text has changed since")
        await fill(pilot, "#changes", "bs = 7")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: bool(app.answers), "the new version")
    made = load_notebook(lab).versions["other"]
    assert made.base == "mine" and made.own_train == {"bs": 7} and made.command


async def test_a_name_taken_meanwhile_is_said(lab: Path) -> None:
    app = new_version(lab)
    async with app.run_test() as pilot:
        (lab / paths.NOTEBOOK).write_text(NOTEBOOK + "\n[versions.V5]\n")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Not created" in told(app, "#trouble"), "the refusal")
    assert app.answers == []


async def test_leaving_with_something_typed_asks_first(lab: Path) -> None:
    app = new_version(lab)
    async with app.run_test() as pilot:
        await pilot.press(*"ep", "escape")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen), "the question")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, NewVersionScreen), "the form")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen), "the question")
        await pilot.press("y")
        await until(pilot, lambda: app.answers == [None], "the way back")


async def test_right_takes_the_completion(lab: Path) -> None:
    app = new_version(lab)
    async with app.run_test() as pilot:
        await pilot.press(*"batch", "right", *"32")
        assert app.screen.query_one("#changes", NoteArea).text == "batch_size = 32"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("batch_size = 512", 512),
        ("  epochs=3", 3),
        ("dropout = .5", 0.5),
        ("learning_rate = 1e-3", 0.001),
        ("dropout = 0", 0.0),
        ("pretrained = yes", True),
        ("pretrained = true", True),
        ('head = "fastai"', "fastai"),
        ("head = fastai", "fastai"),
        ("data = /data/my set.zip", "/data/my set.zip"),
    ],
)
def test_settings_that_are_right(line: str, value: object) -> None:
    (typed,) = settings_input.parse_settings(line)
    assert (typed.fault, typed.value, type(typed.value)) == ("", value, type(value))


@pytest.mark.parametrize(
    ("line", "clause"),
    [
        ("bacth_size = 5", "did you mean batch_size?"),
        ("learn", "did you mean learning_rate?"),
        ("batch_size", "write key = value"),
        ("batch_size =", "needs a value, such as 64"),
        ("batch_size = many", "is not a whole number"),
        ("batch_size = 0", "must be at least 1"),
        ("head = fastia", "did you mean 'fastai'?"),
        ('head = "fastai', "is a quote or bracket missing?"),
        ("epochs = 3\nepochs = 4", "said twice"),
        ("epochs = [1]", "is not a whole number"),
        ("[/] = 1", "no such setting"),
        ("dropout = nan", "is not a finite number"),
    ],
)
def test_settings_that_are_wrong(line: str, clause: str) -> None:
    assert clause in settings_input.parse_settings(line)[-1].fault


def test_completions() -> None:
    assert settings_input.completion("batch") == "_size = "
    assert settings_input.completion("batch_size") == " = "
    assert settings_input.completion("head = f") == "astai"
    assert settings_input.completion('head = "f') == "astai"
    assert settings_input.completion("pretrained = t") == "rue"
    assert (
        settings_input.completion("")
        == settings_input.completion("x = 1")
        == settings_input.completion("head = ")
        == ""
    )


# Confirmation


@pytest.mark.parametrize(
    ("keys", "answer"),
    [(["enter"], False), (["y"], True), (["n"], False), (["escape"], False), (["tab", "enter"], True),
     (["right", "enter"], True)],
)  # fmt: skip
async def test_a_hasty_enter_changes_nothing(keys: list[str], answer: bool) -> None:
    app = Host(ConfirmScreen("Stop [/] the run?", "Stop", "Let it run"))
    async with app.run_test() as pilot:
        await pilot.press(*keys)
        await until(pilot, lambda: bool(app.answers), "the answer")
    assert app.answers == [answer]


# Help


async def test_help_tells_the_keys_of_every_screen_and_closes() -> None:
    app = Host(HelpScreen())
    async with app.run_test() as pilot:
        await until(pilot, lambda: len(app.screen.query(".row")) > 20, "the keys")
        text = "\n".join(str(s.render()) for s in app.screen.query(Static))
        for words in ("Quit the app", "Next note", "UPDATE", "Create", "Undo", "What is what"):
            assert words in text
        box = app.screen.query_one("#box")
        await pilot.press("pagedown")
        await until(pilot, lambda: box.scroll_y > 0, "scrolling")
        await pilot.press("escape")
        await until(pilot, lambda: bool(app.answers), "the end")
