"""The canvas of braille dots: what covers what, and that a run's sparkline is drawn on it."""

from __future__ import annotations

import math

from imgexp_tui.views.charts.blocks import block
from imgexp_tui.views.charts.braille import FAINT_LAYER, Canvas, Trace
from imgexp_tui.views.charts.sparkline import ValueRange, braille_lines

EXPECTED = [
    (("⡇", "valid"), ("┊", "quiet"), ("⠄", "chance"), ("⢣", "valid"), ("┊", "quiet")),
    (("⡧", "valid"), ("×", "bad"), ("  ", "valid"), ("×", "bad")),
]


def test_a_sparkline_shows_gaps_marks_and_chance_behind_its_curve() -> None:
    columns: list[ValueRange | str | None] = [(0.0, 1.0), (0.2, 0.2), None, "×", None, None, (0.9, 1.0), (0.5, 0.6)]
    assert braille_lines([*columns, "×"], 2, (0.0, 1.0), 0.75, "valid", {1, 4}) == EXPECTED


def test_a_blank_has_the_role_of_what_stands_before_it_or_one_of_its_own() -> None:
    for blank_role, expected in ((None, (("⡀ ", "valid"),)), ("quiet", (("⡀", "valid"), (" ", "quiet")))):
        canvas = Canvas(2, 1, blank_role=blank_role)
        canvas.draw_curve(Trace([0.0], [0.0], [False]), "valid")
        assert canvas.to_lines() == [expected]


def test_a_stroke_through_several_cells_has_every_dot_and_hides_faint_ones() -> None:
    canvas = Canvas(1, 3)
    canvas.draw_band([2.0, 2.0], [9.0, 9.0], "quiet")
    rows = canvas.draw_curve(Trace([math.nan, 3.0], [math.nan, 8.0], [False, False]), "train")
    assert rows == {0: (0, 2)}
    assert canvas.to_lines() == [(("⢀", "train"),), (("⢸", "train"),), (("⠈", "train"),)]
    canvas.draw_curve(Trace([0.0], [11.0], [False]), "valid", FAINT_LAYER)
    assert canvas.to_lines()[1] == (("⢸", "train"),)


def test_a_block_stands_for_a_share_and_never_leaves_its_row() -> None:
    assert "".join(map(block, (-1.0, 0.0, 0.5, 1.0, 7.0))) == "▁▁▅██"
