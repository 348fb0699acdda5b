"""The app's dark and light theme, and the choice between them at the start.

A terminal with 16 colours or fewer keeps its own palette: several of the app's colours would have the same match
there, and users have chosen their sixteen to be legible.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from textual.theme import Theme

from imgexp_tui import palette
from imgexp_tui.palette import CurveColours
from imgexp_tui.paths import state_home
from imgexp_tui.tui.textual_compat import detect_color_system


def _theme(name: str, colours: palette.ThemeColours, *, dark: bool) -> Theme:
    return Theme(
        name=name,
        primary=colours.primary,
        secondary=colours.secondary,
        accent=colours.accent,
        success=colours.success,
        warning=colours.warning,
        error=colours.error,
        foreground=colours.foreground,
        background=colours.background,
        surface=colours.surface,
        panel=colours.panel,
        dark=dark,
        variables={
            "block-cursor-foreground": colours.background,
            "footer-background": colours.surface,
            "border-blurred": colours.border_blurred,
        },
    )


DARK = _theme("lab-dark", palette.DARK_THEME, dark=True)
LIGHT = _theme("lab-light", palette.LIGHT_THEME, dark=False)
_CURVES_BY_THEME = {
    ":dark": palette.DARK_CURVES,
    ":light": palette.LIGHT_CURVES,
    ":ansi:dark": palette.ANSI_DARK_CURVES,
    ":ansi:light": palette.ANSI_LIGHT_CURVES,
}
"""Pseudo-classes of Textual → the colours of the curves under such a theme."""
_OPPOSITES = {"lab-dark": "lab-light", "lab-light": "lab-dark", "ansi-dark": "ansi-light", "ansi-light": "ansi-dark"}


def line_colour_rules(colours_of: Callable[[CurveColours], Mapping[str, str]]) -> str:
    """Returns rules that give line roles their colours from the palette, one for each role and kind of theme.

    They belong into the style rule of a screen. No app has to declare variables for them.

    Args:
        colours_of: returns role → colour for the colours of one kind of theme.
    """
    return "\n".join(
        f"&{kind} > .line--{role} {{ color: {colour}; }}"
        for kind, colours in _CURVES_BY_THEME.items()
        for role, colour in colours_of(colours).items()
    )


def opposite_theme(theme: str, *, dark: bool) -> str:
    """Returns the light theme for a dark one, and the other way round."""
    return _OPPOSITES.get(theme, "lab-light" if dark else "lab-dark")


def has_few_colours() -> bool:
    """Returns whether the terminal has 16 colours or fewer, or the user wants none (https://no-color.org)."""
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    return "NO_COLOR" in os.environ or detect_color_system(environment) in (None, "standard")


def initial_theme(*, few_colours: bool) -> str:
    """Returns the name of the theme to start with: the saved one, else one that fits the terminal's background."""
    saved = _saved_theme()
    dark = saved != "light" if saved else not _is_light_background(os.environ.get("COLORFGBG", ""))
    return ("ansi-" if few_colours else "lab-") + ("dark" if dark else "light")


def save_theme(*, dark: bool) -> None:
    """Save the choice for the next start. Does nothing if it cannot be saved."""
    try:
        _theme_file().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _theme_file().write_text("dark\n" if dark else "light\n")
    except OSError:
        return


def _saved_theme() -> str:
    try:
        return _theme_file().read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _theme_file() -> Path:
    return state_home() / "theme"


def _is_light_background(colours: str) -> bool:
    """`COLORFGBG` is `foreground;background` (rxvt, Konsole and others set it); 7 and 15 are white."""
    return colours.rpartition(";")[2] in ("7", "15")
