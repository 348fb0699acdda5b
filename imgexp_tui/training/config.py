"""The run's settings as attributes: what `request.json` froze, over the defaults, checked once more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from imgexp_tui.notebook.schema.settings import SETTINGS, default_settings
from imgexp_tui.records.documents import Request
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.training.errors import TrainingError


class Config(SimpleNamespace):
    """Every name of `notebook.settings` is an attribute of its kind; `unread_settings` tells which nothing has asked
    for yet.
    """

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if not name.startswith("_"):
            super().__getattribute__("__dict__").setdefault("_read", set()).add(name)
        return value


def unread_settings(config: Config) -> list[str]:
    """The settings that were never looked at, by name."""
    held = config.__dict__
    return sorted(name for name in held if not name.startswith("_") and name not in held.get("_read", ()))


def read_config(run: RunDir) -> Config:
    """The settings of `run`.

    Raises:
        TrainingError: there is no readable request, or a setting is unknown or out of its range.
    """
    request = Request.read(run)
    if request is None:
        raise TrainingError(f"{run.request} is missing or not whole; start runs with: imgexp-tui run VERSION")
    for name, value in request.config.items():
        fault = SETTINGS[name].validation_error(value) if name in SETTINGS else "is no setting of the shipped trainer"
        if fault:
            raise TrainingError(f"{run.request}: {name}: {fault}")
    return Config(**(default_settings() | request.config))
