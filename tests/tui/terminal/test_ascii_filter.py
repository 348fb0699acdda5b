"""`--ascii`: nothing is drawn with other signs, on any screen, and what people wrote stays as it is."""

from __future__ import annotations

from pathlib import Path

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color

from imgexp_tui.cli.parser import build_parser
from imgexp_tui.tui.app import LabApp
from imgexp_tui.tui.terminal.ascii_filter import AsciiFilter
from tests.helpers import screen_text
from tests.support.recorded_runs import a_run


async def test_every_screen_is_drawn_with_ascii(tmp_path: Path) -> None:
    (tmp_path / "experiments.toml").write_text('[versions.v0]\ntakeaways = "- learned"\n[versions.v1]\nbase = "v0"\n')
    a_run(tmp_path, "v0", "20260101-000000-aaaaaa", [0.6, 0.5, 0.4])
    for size in ((80, 24), (200, 50)):
        for keys in ("", "e", "d", "n", "Q", "l", "p", "c", "?"):
            app = LabApp(tmp_path, ascii_only=True)
            async with app.run_test(size=size) as pilot:
                await pilot.pause()
                for _ in range(500):
                    if "killed" in screen_text(pilot):
                        break
                    await pilot.pause(0.02)
                for key in keys:
                    await pilot.press("question_mark" if key == "?" else key)
                await pilot.pause()
                odd = sorted({c for c in screen_text(pilot) if not c.isascii()})
                assert not odd, (size, keys, odd)


def test_letters_stay_and_no_cell_moves() -> None:
    text = "é 幅 → ▁█⣿ ╭─╮"
    found = AsciiFilter().apply([Segment(text)], Color.parse("black"))[0].text
    assert found == "é 幅 > _#@ +-+"
    assert cell_len(found) == cell_len(text)


def test_the_option_is_taken_before_and_after_the_command() -> None:
    assert build_parser().parse_args(["--ascii", "open"]).ascii
    assert build_parser().parse_args(["open", "--ascii"]).ascii
    assert not build_parser().parse_args(["open"]).ascii
