"""The main screen's controllers: each key has its action, none is lost, and the order of keys is the footer's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from imgexp_tui.tui.app import LabApp
from imgexp_tui.tui.screens.main.controller import Controller
from imgexp_tui.tui.screens.main.navigation import Navigation
from imgexp_tui.tui.screens.main.notebook_actions import NotebookActions
from imgexp_tui.tui.screens.main.run_actions import RunActions
from imgexp_tui.tui.screens.main.screen import MainScreen
from imgexp_tui.tui.screens.main.version_actions import VersionActions
from tests.helpers import until

CONTROLLERS = [Navigation, RunActions, VersionActions, NotebookActions]


def action_names(controller: type[Controller]) -> set[str]:
    return {binding.action.partition("(")[0] for binding in controller.BINDINGS}


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_each_key_of_a_controller_has_a_method_and_is_on_the_screen(controller: type[Controller]) -> None:
    assert {f"action_{name}" for name in action_names(controller)} == {
        name for name in dir(controller) if name.startswith("action_")
    }
    assert all(binding in MainScreen.BINDINGS for binding in controller.BINDINGS)


def test_no_two_controllers_share_an_action() -> None:
    names = [name for controller in CONTROLLERS for name in action_names(controller)]
    assert len(names) == len(set(names))


def test_the_keys_are_in_the_order_of_the_footer() -> None:
    keys = " ".join(binding.key for binding in MainScreen.BINDINGS)
    assert keys == (
        "e,enter s r S R n i slash f v A less_than_sign greater_than_sign escape Q d c m l p F H C x tab shift+tab "
        "question_mark,f1 q t j,down k,up g,home G,end J,ctrl+down K,ctrl+up pagedown,space pageup,b"
    )


async def test_the_screen_runs_the_actions_of_its_controllers(new_lab: Callable[[str], Path]) -> None:
    async with LabApp(new_lab("[versions.v0]\n")).run_test() as pilot:
        screen = pilot.app.screen
        assert isinstance(screen, MainScreen)
        await until(pilot, lambda: screen._state.watcher, "the panes")
        for controller in CONTROLLERS:
            for name in action_names(controller):
                assert callable(getattr(screen, f"action_{name}"))
        assert screen.check_action("run", ()) is True
        assert screen.check_action("stop", ()) is False
        assert screen.check_action("all", ()) is False
