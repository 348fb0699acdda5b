"""Nothing that a terminal would obey passes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgexp_tui import text


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]52;c;ZXZpbA==\x07after", "after"),
        ("\x1b]0;title\x1b\\after", "after"),
        ("\x1bPq#0\x1b\\after", "after"),
        ("\x1b[2J\x1b[Hgone", "gone"),
        ("lone \x1b", "lone ␛"),
        ("bell\x07", "bell␇"),
        ("a\tb\nc", "a\tb\nc"),
        ("dos\r\nline", "dos\nline"),
        ("\x9b31mred", "red"),
        ("abc\u202edef", "abc�def"),
        ("half \ud83d", "half �"),
        ("[/] [bold]x", "[/] [bold]x"),
    ],
)
def test_clean(raw: str, shown: str) -> None:
    assert text.clean(raw) == shown


@given(st.text())
def test_cleaned_text_holds_no_control_character(raw: str) -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text.clean(raw))


@given(st.text())
def test_cleaning_twice_changes_nothing(raw: str) -> None:
    assert text.clean(text.clean(raw)) == text.clean(raw)


def test_a_progress_bar_in_a_log_shows_its_last_state() -> None:
    assert text.clean_log(" 10%|#\r 50%|#####\r100%|##########\n") == "100%|##########"


@given(st.text(), st.integers(0, 40))
def test_fit_keeps_within_its_cells(raw: str, cells: int) -> None:
    assert text.cell_width(text.truncate(text.clean_line(raw), cells)) <= cells


def test_wide_characters_take_two_cells() -> None:
    assert text.cell_width("学習率") == 6
    assert text.truncate("学習率", 5) == "学習…"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.4, "0s"), (59.6, "1m 00s"), (65, "1m 05s"), (7980, "2h 13m"), (273600, "3d 4h")]
)
def test_duration(seconds: float, shown: str) -> None:
    assert text.format_duration(seconds) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.1905, "0.1905"), (12.3, "12.30"), (1.2e-5, "1.20e-05"), (float("nan"), "nan"), (64.0, "64"), (-0.5, "-0.5000")],
)
def test_number(value: float, shown: str) -> None:
    assert text.format_number(value) == shown


def test_memory_is_written_as_the_notes_do() -> None:
    assert text.format_memory(1985 * 2**20, 8126 * 2**20) == "1,985/8,126 MB"
