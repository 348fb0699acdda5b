"""Charts and comparison in a small terminal (tmux, 80×24) without colours, to the letter.

`tests/data/screens` holds what they show. After a change that is meant, set IMGEXP_NEW_SCREENS=1 once, and look at the
difference.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data import SCREENS
from tests.support.recorded_runs import a_run_of
from tests.support.tmux import Tmux

pytestmark = pytest.mark.tmux

NOTEBOOK = """\
[lab]
title = "A small lab"
[versions.v0]
summary = "Long epochs."
takeaways = "- Slow, and sure."
[versions.v1]
base = "v0"
summary = "Short epochs, and one spike."
[versions.v1.train]
epochs = 20
"""
COLOUR = re.compile(r"\x1b\[[0-9;]*\b(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])\b")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Tmux]:
    (tmp_path / "experiments.toml").write_text(NOTEBOOK)
    a_run_of(tmp_path, "v0", "20260101-000000-aaaaaa", 200, lambda step: 2 * math.exp(-step / 60), per=20)
    spiky = lambda step: 9.0 if step == 77 else 1.8 * math.exp(-step / 40)  # noqa: E731
    a_run_of(tmp_path, "v1", "20260101-000000-bbbbbb", 200, spiky, per=10)
    environment = {"NO_COLOR": "1", "TZ": "UTC", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    one = Tmux(tmp_path, 80, 24, **environment)
    one.until(lambda screen: screen.count("killed") == 2 and "Quit" in screen, "both runs")
    one.keys("G")
    one.shows("▌ v1")
    yield one
    one.end()


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("charts", {"c": "step 200"}),
        ("charts-every-metric", {"c": "step 200", "a": "accuracy"}),
        ("compare", {"d": "Compare"}),
        ("side-by-side", {"d": "Compare", "Enter": "Side by side"}),
        ("charts-over-each-other", {"d": "Compare", "c": "Charts v0 and v1"}),
    ],
)
def test_it_looks_as_it_did(app: Tmux, name: str, keys: dict[str, str]) -> None:
    expected = SCREENS / f"{name}.txt"
    for key, word in keys.items():
        app.keys(key)
        app.shows(word)
    if os.environ.get("IMGEXP_NEW_SCREENS"):
        expected.write_text(_settled(app))
    app.until(lambda screen: _trimmed(screen) == expected.read_text(), f"{expected}", seconds=20)
    assert not COLOUR.search(app.screen(styled=True))


def _settled(app: Tmux) -> str:
    screens: list[str] = []
    return _trimmed(
        app.until(lambda screen: screens.append(screen) or screens[-10:] == [screen] * 10, "a screen at rest")
    )


def _trimmed(screen: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in screen.splitlines())
