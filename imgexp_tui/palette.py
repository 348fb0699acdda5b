"""Holds every colour of the program: train, valid and the curves, the themes of the app, the exported pages.

To change a colour, or to make another colour-blind-safe palette, edit this module and no other. Screens, charts and
exported plots take train, valid and the curves from the three `CurveColours` below, so that a colour means the same
everywhere: train is orange, valid is blue.

The hues are those of Okabe and Ito, "Color Universal Design: how to make figures and presentations that are friendly to
colorblind people" (2008, https://jfly.uni-koeln.de/color/), made lighter or darker for each background, with a violet
where more are needed. They keep the contrast that WCAG 2.1 asks for (https://www.w3.org/TR/WCAG21/): 4.5 to 1 on the
app's screens, where letters have these colours too, and 3 to 1 for the curves of exported plots. They stay apart for
protanopia and deuteranopia, simulated as in Machado, Oliveira and Fernandes, "A Physiologically-based Model for
Simulation of Color Vision Deficiency" (IEEE TVCG 15(6), 2009). tests/test_palette.py computes both.
"""

from __future__ import annotations

from typing import NamedTuple


class CurveColours(NamedTuple):
    """The colours of curves on one kind of background.

    Attributes:
        train: values of the training set.
        valid: values of the validation set.
        curves: the runs or versions that one chart compares, in their order.
    """

    train: str
    valid: str
    curves: tuple[str, ...]


DARK_CURVES = CurveColours(
    train="#e69f00",
    valid="#56b4e9",
    curves=("#56b4e9", "#e69f00", "#2fd1a5", "#c5709f", "#f5ec8a", "#e0702a"),
)
"""For dark themes."""
LIGHT_CURVES = CurveColours(
    train="#b54900",
    valid="#0067b5",
    curves=("#0067b5", "#b54900", "#00523b", "#a65079", "#4a3a00", "#7430d8"),
)
"""For light themes."""
PLOT_CURVES = CurveColours(
    train="#d4730c",
    valid="#2b86e6",
    curves=("#2b86e6", "#d4730c", "#00764f", "#c375ac", "#ab4000", "#7542e8", "#2465b0", "#859754"),
)
"""For exported plots, which are transparent and have to be seen on white and on dark pages."""
ANSI_DARK_CURVES = CurveColours(
    train="ansi_yellow",
    valid="ansi_cyan",
    curves=("ansi_cyan", "ansi_yellow", "ansi_green", "ansi_magenta", "ansi_default", "ansi_red"),
)
"""For dark terminals with 16 colours: the terminal's own, which its user has chosen."""
ANSI_LIGHT_CURVES = CurveColours(
    train="ansi_bright_red",
    valid="ansi_blue",
    curves=("ansi_blue", "ansi_bright_red", "ansi_green", "ansi_magenta", "ansi_default", "ansi_cyan"),
)
"""For light terminals with 16 colours."""


class ThemeColours(NamedTuple):
    """The colours of one of the app's themes, by the names that Textual gives them."""

    primary: str
    secondary: str
    accent: str
    success: str
    warning: str
    error: str
    foreground: str
    background: str
    surface: str
    panel: str
    border_blurred: str


DARK_THEME = ThemeColours(
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
    border_blurred="#39404b",
)
LIGHT_THEME = ThemeColours(
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
    border_blurred="#c9c5bb",
)


class PageColours(NamedTuple):
    """The colours of an exported HTML page."""

    ink: str
    quiet: str
    line: str
    page: str
    link: str


LIGHT_PAGE = PageColours(ink="#1f2328", quiet="#59636e", line="#d1d9e0", page="#ffffff", link="#0969da")
DARK_PAGE = PageColours(ink="#e6edf3", quiet="#9198a1", line="#3d444d", page="#0d1117", link="#6cb0ff")

PLOT_FOREGROUND = "#7a7a7a"
"""Text and axes of exported plots: 4.3 to 1 against white and against dark pages; no grey reaches 4.5 on both. In an
HTML page they have the page's ink instead."""
RIGHT_PREDICTION, WRONG_PREDICTION = "#1b6e2c", "#b00020"
"""Captions of the sheet of images, which is white."""
