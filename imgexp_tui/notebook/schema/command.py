"""Placeholders in a version's own `command`: which settings it names, and how they are filled in.

`{name}` is replaced by the setting's value, as TOML writes it (`true`, not `True`), and `{run_dir}`, unless a setting
has that name, by the run's folder; `{{name}}` stands for the literal `{name}`. Other braces, as in JSON or code, are
left alone. No shell is involved.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from imgexp_tui.notebook.schema.settings import SettingValue

RUN_DIR_PLACEHOLDER = "run_dir"
"""The placeholder that needs no setting."""
_PLACEHOLDER = re.compile(r"\{(\{[A-Za-z0-9_-]+\})\}|\{([A-Za-z0-9_-]+)\}")


def placeholders(command: Sequence[str]) -> list[str]:
    """Returns the names of the placeholders in `command`, in order."""
    return [m[2] for word in command for m in _PLACEHOLDER.finditer(word) if m[2]]


def fill_placeholders(command: Sequence[str], values: Mapping[str, SettingValue]) -> list[str]:
    """Returns the argv with every placeholder filled in.

    Raises:
        KeyError: a placeholder has no value.
    """
    return [_PLACEHOLDER.sub(lambda m: m[1] or _toml_text(values[m[2]]), word) for word in command]


def _toml_text(value: SettingValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
