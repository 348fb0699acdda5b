"""Settings as people type them, `key = value` a line: read, checked, completed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import tomli

from imgexp_tui.notebook.schema.settings import SETTINGS, Setting, Value, nearest

_LINE = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=\s*(.*?)\s*")


@dataclass(frozen=True, slots=True)
class Typed:
    """One line that says something. `value` is None where `fault`, a clause with the mend, is not empty."""

    line: int
    key: str
    value: Value | None
    fault: str = ""


def read(text: str, known: Mapping[str, Setting] | None = SETTINGS) -> list[Typed]:
    """Every line of `text` that is not blank or a comment. `known` is None where any key will do (own commands)."""
    found: list[Typed] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            found.append(_read_line(number, line, known, {t.key for t in found}))
    return found


def _read_line(number: int, line: str, known: Mapping[str, Setting] | None, said: set[str]) -> Typed:
    split = _LINE.fullmatch(line)
    key = split[1] if split else line.split("=")[0].strip()

    def fault(clause: str) -> Typed:
        return Typed(number, key, None, clause)

    if known is not None and key not in known:
        near = next((n for n in known if key and n.startswith(key)), None) or nearest(key, known)
        return fault("no such setting" + (f"; did you mean {near}?" if near else ""))
    if not split:
        return fault("write key = value")
    if key in said:
        return fault("said twice; keep one")
    if not split[2]:
        return fault(f"needs a value, such as {_toml(known[key].default)}" if known else "needs a value")
    try:
        return Typed(number, key, _value(split[2], known[key] if known else None))
    except ValueError as error:
        return fault(str(error))


def _value(text: str, setting: Setting | None) -> Value:
    """TOML's values; a bare word stands for a text."""
    try:
        value = tomli.loads(f"x = {text}")["x"]
    except tomli.TOMLDecodeError:
        if text[0] in "\"'[{":
            raise ValueError(f"{text} is not complete; is a quote or bracket missing?") from None
        return setting.parse(text) if setting else text
    fault = setting.fault(value) if setting else None
    if fault:
        raise ValueError(fault)
    if not isinstance(value, bool | int | float | str):
        raise ValueError("takes a number, true, false or a text")
    return float(value) if setting and setting.kind is float else value


def written(settings: Mapping[str, Value]) -> str:
    """Settings as one would type them, one a line."""
    return "\n".join(f"{key} = {_toml(value)}" for key, value in settings.items())


def completion(before: str, known: Mapping[str, Setting] = SETTINGS) -> str:
    """What would complete a line of which `before` is typed; "" where that is open."""
    key, equals, value = before.partition("=")
    if not equals:
        name = next((n for n in known if before and n.startswith(before) and n != before), None)
        return f"{name[len(before) :]} = " if name else " = " if before in known else ""
    setting = known.get(key.strip())
    words = () if setting is None else ("true", "false") if setting.kind is bool else setting.choices
    start = value.lstrip(' "')
    word = next((w for w in words if w.startswith(start) and w != start), "") if start else ""
    return word[len(start) :]


def _toml(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else f"{value:g}"
