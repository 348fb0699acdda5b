"""The app's own two themes, and which one to begin with.

Where a terminal has 16 colours or none, its own palette is used: nearest matches of a designed palette fall on each
other there, and the user has made the sixteen legible.
"""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console
from textual.theme import Theme

from imgexp_tui.paths import state_home

DARK = Theme(
    name="lab-dark",
    primary="#7aa2d6",
    secondary="#6fb3b8",
    accent="#8fc7a0",
    success="#8fc7a0",
    warning="#dfb36c",
    error="#e07a7a",
    foreground="#d6d9df",
    background="#15181d",
    surface="#1b1f26",
    panel="#20252d",
    dark=True,
    variables={"block-cursor-foreground": "#15181d", "footer-background": "#1b1f26", "border-blurred": "#39404b"},
)
LIGHT = Theme(
    name="lab-light",
    primary="#2f62a3",
    secondary="#18727a",
    accent="#2c7a44",
    success="#2c7a44",
    warning="#94610a",
    error="#b3363c",
    foreground="#24282e",
    background="#fbfaf7",
    surface="#f2f0eb",
    panel="#eae7e0",
    dark=False,
    variables={"block-cursor-foreground": "#fbfaf7", "footer-background": "#f2f0eb", "border-blurred": "#c9c5bb"},
)
_OPPOSITES = {"lab-dark": "lab-light", "lab-light": "lab-dark", "ansi-dark": "ansi-light", "ansi-light": "ansi-dark"}


def opposite_theme(theme: str, *, dark: bool) -> str:
    """The light theme for a dark one and the other way round."""
    return _OPPOSITES.get(theme, "lab-light" if dark else "lab-dark")


def has_few_colours() -> bool:
    """Whether the terminal has its own 16 colours at most, or none are wanted (https://no-color.org)."""
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    system = Console(force_terminal=True, _environ=environment).color_system
    return "NO_COLOR" in os.environ or system in (None, "standard")


def initial_theme(*, few_colours: bool) -> str:
    """The theme to begin with: as it was left, else as the terminal says that its background is."""
    left = _saved_theme()
    dark = left != "light" if left else not _is_light_background(os.environ.get("COLORFGBG", ""))
    return ("ansi-" if few_colours else "lab-") + ("dark" if dark else "light")


def save_theme(*, dark: bool) -> None:
    """Remember for the next start. What cannot be remembered is let go."""
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
