"""Parses, checks and completes typed settings, one `key = value` per line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import tomli

from imgexp_tui.notebook.schema.settings import SETTINGS, Setting, SettingValue, closest_name

_LINE = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=\s*(.*?)\s*")


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One setting that was typed.

    Attributes:
        value: None for a faulty line.
        fault: a clause with the fault and its fix; "" for a valid line.
    """

    line_number: int
    key: str
    value: SettingValue | None
    fault: str = ""


def parse_settings(text: str, known: Mapping[str, Setting] | None = SETTINGS) -> list[SettingLine]:
    """Parse every line of `text` that is not blank or a comment.

    Args:
        known: the settings that exist; None accepts any key (for versions with a command of their own).
    """
    settings: list[SettingLine] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            settings.append(_parse_line(number, line, known, {t.key for t in settings}))
    return settings


def _parse_line(number: int, line: str, known: Mapping[str, Setting] | None, seen_keys: set[str]) -> SettingLine:
    split = _LINE.fullmatch(line)
    key = split[1] if split else line.split("=")[0].strip()

    def fault(clause: str) -> SettingLine:
        return SettingLine(number, key, None, clause)

    if known is not None and key not in known:
        near = next((n for n in known if key and n.startswith(key)), None) or closest_name(key, known)
        return fault("no such setting" + (f"; did you mean {near}?" if near else ""))
    if not split:
        return fault("write key = value")
    if key in seen_keys:
        return fault("said twice; keep one")
    if not split[2]:
        return fault(f"needs a value, such as {_format_toml(known[key].default)}" if known else "needs a value")
    try:
        return SettingLine(number, key, _parse_value(split[2], known[key] if known else None))
    except ValueError as error:
        return fault(str(error))


def _parse_value(text: str, setting: Setting | None) -> SettingValue:
    """Parse a TOML value; a bare word is a string.

    Raises:
        ValueError: a clause about the fault.
    """
    try:
        value = tomli.loads(f"x = {text}")["x"]
    except tomli.TOMLDecodeError:
        if text[0] in "\"'[{":
            raise ValueError(f"{text} is not complete; is a quote or bracket missing?") from None
        return setting.parse(text) if setting else text
    fault = setting.validation_error(value) if setting else None
    if fault:
        raise ValueError(fault)
    if not isinstance(value, bool | int | float | str):
        raise ValueError("takes a number, true, false or a text")
    return float(value) if setting and setting.value_type is float else value


def format_settings(settings: Mapping[str, SettingValue]) -> str:
    """Format settings as a user would type them, one per line."""
    return "\n".join(f"{key} = {_format_toml(value)}" for key, value in settings.items())


def completion(typed: str, known: Mapping[str, Setting] = SETTINGS) -> str:
    """The text that completes the line `typed`; "" where nothing or several things could follow."""
    key, equals, value = typed.partition("=")
    if not equals:
        name = next((n for n in known if typed and n.startswith(typed) and n != typed), None)
        return f"{name[len(typed) :]} = " if name else " = " if typed in known else ""
    setting = known.get(key.strip())
    words = () if setting is None else ("true", "false") if setting.value_type is bool else setting.choices
    start = value.lstrip(' "')
    word = next((w for w in words if w.startswith(start) and w != start), "") if start else ""
    return word[len(start) :]


def _format_toml(value: SettingValue) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else f"{value:g}"
