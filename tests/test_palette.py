"""The palette: contrast, colour blindness, and that screens, charts and exported plots take their colours from it."""

from __future__ import annotations

import math
import re
from itertools import combinations
from pathlib import Path

import pytest
from textual.app import App
from textual.color import Color

import imgexp_tui
from imgexp_tui import palette
from imgexp_tui.palette import DARK_CURVES, DARK_THEME, LIGHT_CURVES, LIGHT_THEME, PLOT_CURVES, CurveColours
from imgexp_tui.reports import plot_render
from imgexp_tui.tui import theme
from imgexp_tui.tui.screens.charts import ChartsScreen
from imgexp_tui.tui.widgets.base.styled_view import StyledScreen
from imgexp_tui.views.charts.model import CURVE_ROLES, curve_role

PACKAGE = Path(imgexp_tui.__file__).parent
SETS = {"dark": DARK_CURVES, "light": LIGHT_CURVES, "plots": PLOT_CURVES}
Vector = tuple[float, float, float]
VISION: dict[str, tuple[Vector, Vector, Vector]] = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}
"""Matrices on linear RGB: Machado, Oliveira and Fernandes 2009, severity 1."""


def linear(colour: str) -> Vector:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))

    def of(part: float) -> float:
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

    return of(red), of(green), of(blue)


def dot(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2."""
    weights = (0.2126, 0.7152, 0.0722)
    high, low = sorted((dot(weights, linear(c)) for c in (one, other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def seen(colour: str, vision: str) -> Vector:
    """The colour in CIE L*a*b* (D65), as somebody with that vision sees it."""
    red, green, blue = (min(1.0, max(0.0, dot(row, linear(colour)))) for row in VISION[vision])
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089

    def f(t: float) -> float:
        return math.cbrt(t) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116

    return 116 * f(y) - 16, 500 * (f(x) - f(y)), 200 * (f(y) - f(z))


def distance(one: str, other: str, vision: str) -> float:
    """CIE76: about 2.3 can just be told apart when the colours touch."""
    return math.dist(seen(one, vision), seen(other, vision))


@pytest.mark.parametrize(
    ("colours", "backgrounds", "least"),
    [
        (DARK_CURVES, (DARK_THEME.background, DARK_THEME.surface, DARK_THEME.panel), 4.5),
        (LIGHT_CURVES, (LIGHT_THEME.background, LIGHT_THEME.surface), 4.5),
        (PLOT_CURVES, ("#ffffff", palette.LIGHT_PAGE.page, palette.DARK_PAGE.page), 3),
    ],
)
def test_curves_have_contrast(colours: CurveColours, backgrounds: tuple[str, ...], least: float) -> None:
    for colour in (colours.train, colours.valid, *colours.curves):
        assert all(contrast(colour, background) >= least for background in backgrounds), colour


@pytest.mark.parametrize(("one", "background"), [(DARK_THEME, "dark"), (LIGHT_THEME, "light")])
def test_the_themes_have_contrast(one: palette.ThemeColours, background: str) -> None:
    for colour in (one.primary, one.secondary, one.accent, one.success, one.warning, one.error, one.foreground):
        assert contrast(colour, one.background) >= 4.5, (background, colour)


def test_pages_and_plots_have_contrast() -> None:
    for page in (palette.LIGHT_PAGE, palette.DARK_PAGE):
        assert all(contrast(colour, page.page) >= 4.5 for colour in (page.ink, page.quiet, page.link))
        assert contrast(palette.PLOT_FOREGROUND, page.page) > 4.2
    assert all(contrast(c, "#ffffff") >= 4.5 for c in (palette.RIGHT_PREDICTION, palette.WRONG_PREDICTION))


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("name", SETS)
def test_curves_stay_apart_for_the_colour_blind(name: str, vision: str) -> None:
    colours = SETS[name]
    assert distance(colours.train, colours.valid, vision) > 80
    for count, least in ((4, 18), (len(colours.curves), 16)):
        for one, other in combinations(colours.curves[:count], 2):
            assert distance(one, other, vision) > least, (one, other)


def test_train_and_valid_are_of_one_hue_everywhere() -> None:
    for colours in SETS.values():
        red, green, blue = linear(colours.train)
        assert red > green > blue
        red, green, blue = linear(colours.valid)
        assert blue > green > red


def test_no_colour_is_written_elsewhere() -> None:
    pattern = re.compile(r"#(?:[0-9a-fA-F]{8}|[0-9a-fA-F]{6}|[0-9a-fA-F]{3,4})\b|\b(?:rgb|hsl)a?\(")
    found = [
        f"{path.relative_to(PACKAGE)}: {line.strip()}"
        for path in sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.tcss")])
        if path.name != "palette.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        if pattern.search(line)
    ]
    assert found == []


class Lines(StyledScreen[None]):
    COMPONENT_CLASSES = ChartsScreen.COMPONENT_CLASSES
    DEFAULT_CSS = ChartsScreen.DEFAULT_CSS.replace("ChartsScreen", "Lines")


@pytest.mark.parametrize(
    ("name", "colours"),
    [
        ("textual-light", LIGHT_CURVES),
        ("nord", DARK_CURVES),
        ("ansi-dark", palette.ANSI_DARK_CURVES),
        ("ansi-light", palette.ANSI_LIGHT_CURVES),
    ],
)
async def test_screens_take_the_curves_from_the_palette_under_any_theme(name: str, colours: CurveColours) -> None:
    app: App[None] = App()
    async with app.run_test() as pilot:
        await app.push_screen(Lines())
        app.theme = name
        await pilot.pause()
        for role, colour in zip(
            ("train", "valid", *CURVE_ROLES), (colours.train, colours.valid, *colours.curves), strict=True
        ):
            assert app.screen.get_component_styles(f"line--{role}").color == Color.parse(colour), role


def test_the_main_screen_and_the_charts_have_no_colours_of_their_own_for_curves() -> None:
    for path in PACKAGE.rglob("*.tcss"):
        assert "line--" not in path.read_text(), path
    assert re.findall(r"line--(?:train|valid) \{ color: \$", StyledScreen.DEFAULT_CSS) == []


def test_a_chart_of_one_run_has_the_colours_of_train_and_valid() -> None:
    assert [curve_role(metric, 0, 1) for metric in ("train/loss", "valid/loss", "images_per_second")] == [
        "train",
        "valid",
        "curve0",
    ]
    assert [curve_role("valid/loss", i, 7) for i in range(7)] == [*CURVE_ROLES, "curve0"]


def test_exported_plots_take_the_curves_from_the_palette() -> None:
    style = {role: plot_render._line_style(role, has_dots=False)["color"] for role in ("steps", "train", "valid", "1")}
    assert style == {
        "steps": PLOT_CURVES.train,
        "train": PLOT_CURVES.train,
        "valid": PLOT_CURVES.valid,
        "1": PLOT_CURVES.curves[1],
    }


def test_the_themes_of_the_app_are_the_palette_s() -> None:
    for made, colours in ((theme.DARK, DARK_THEME), (theme.LIGHT, LIGHT_THEME)):
        assert {getattr(made, name) for name in ("primary", "warning", "background")} <= set(colours)
        assert made.variables["border-blurred"] == colours.border_blurred
