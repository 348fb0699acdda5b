"""The registry of launchers: finds the implementation of each by its name, and imports it only then."""

from __future__ import annotations

from importlib import import_module

from imgexp_tui.notebook.schema.launchers import LAUNCHERS
from imgexp_tui.runner.launchers.base import Launcher, LauncherError


def find_launcher(name: str) -> Launcher:
    """The launcher called `name`.

    Raises:
        LauncherError: there is none.
    """
    if name not in LAUNCHERS:
        raise LauncherError(f"there is no launcher {name!r} here; take {' or '.join(LAUNCHERS)}")
    launcher: Launcher = import_module(f"{__name__}.{name}").LAUNCHER
    return launcher


def all_launchers() -> list[Launcher]:
    """All launchers, in the registry's order."""
    return [find_launcher(name) for name in LAUNCHERS]
