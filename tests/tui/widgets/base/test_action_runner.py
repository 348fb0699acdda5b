"""An action runs in a thread, the user reads how it went, and the screen is refreshed either way."""

from __future__ import annotations

import threading

import pytest
from textual.app import App

from imgexp_tui.services.actions.runs import ActionError
from imgexp_tui.tui.widgets.base.action_runner import ActionRunner, Severity


def fails() -> str:
    raise ActionError("It was not done.")


@pytest.mark.parametrize("severity", ["error", "warning"])
async def test_a_failure_is_displayed_and_the_screen_is_refreshed(severity: Severity) -> None:
    app: App[None] = App()
    refreshed: list[bool] = []
    async with app.run_test(notifications=True) as pilot:
        runner = ActionRunner(app.screen, lambda: refreshed.append(True))
        assert not await runner.run(fails, on_failure=severity)
        await pilot.pause()
        (said,) = app._notifications
        assert (said.message, said.severity, said.timeout) == ("It was not done.", severity, 8.0)
        assert refreshed == [True]


async def test_a_success_is_displayed_without_control_characters_or_markup() -> None:
    app: App[None] = App()
    threads: list[threading.Thread] = []

    def works() -> str:
        threads.append(threading.current_thread())
        return "Done: \x1b[31m[b]v0[/b]"

    async with app.run_test(notifications=True) as pilot:
        assert await ActionRunner(app.screen).run(works)
        await pilot.pause()
        (said,) = app._notifications
        assert "\x1b" not in said.message
        assert "[b]v0[/b]" in said.message
        assert not said.markup
    assert threads != [threading.main_thread()]


async def test_nothing_to_say_displays_nothing() -> None:
    app: App[None] = App()
    async with app.run_test(notifications=True) as pilot:
        assert await ActionRunner(app.screen).run(lambda: "")
        await pilot.pause()
        assert not list(app._notifications)


async def test_another_exception_is_not_swallowed() -> None:
    app: App[None] = App()
    refreshed: list[bool] = []
    async with app.run_test():
        with pytest.raises(ZeroDivisionError):
            await ActionRunner(app.screen, lambda: refreshed.append(True)).run(lambda: str(1 // 0))
    assert refreshed == [True]
