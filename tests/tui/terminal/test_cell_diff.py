"""What is sent to a terminal leaves on it what a plain drawing of every frame leaves."""

from __future__ import annotations

import io

import pyte
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from imgexp_tui.tui.terminal.cell_diff import CellDiffer

WIDTH, HEIGHT = 24, 4
CONSOLE = Console(file=io.StringIO(), color_system="256", force_terminal=True)
STYLES = [
    None,
    Style(color="red"),
    Style(color="red", bgcolor="blue"),
    Style(bgcolor="color(23)", bold=True),
    Style(color="#102030", italic=True),
    Style(color="red", bold=True),
]
TEXTS = ["a", "ab", "0.4186", "⠉⠒⠂", "▁▂█", "    ", "          ", "日本", "é", "│", "x" * WIDTH]


def strip_of(parts: list[tuple[str, int]], width: int) -> Strip:
    segments = [Segment(text, STYLES[style]) for text, style in parts]
    return Strip(segments).adjust_cell_length(width, STYLES[2])


PARTS = st.lists(st.tuples(st.sampled_from(TEXTS), st.integers(0, len(STYLES) - 1)), max_size=5)


@st.composite
def updates(draw: st.DrawFn) -> CompositorUpdate:
    """The whole screen, or some stretches of lines that are made of a left and a right piece."""
    if draw(st.booleans()):
        lines = [[strip_of(draw(PARTS), WIDTH)] for _ in range(HEIGHT)]
        return LayoutUpdate(lines, Region(0, 0, WIDTH, HEIGHT))
    border = draw(st.integers(1, WIDTH - 1))
    rows = sorted(draw(st.sets(st.integers(0, HEIGHT - 1), min_size=1)))
    chops: list[dict[int, Strip | None]] = [{0: None, border: None} for _ in range(HEIGHT)]
    for y in rows:
        if draw(st.booleans()):
            chops[y][0] = strip_of(draw(PARTS), border)
        chops[y][border] = strip_of(draw(PARTS), WIDTH - border)
    return ChopsUpdate(chops, [(y, 0, WIDTH) for y in rows], [[border, WIDTH]] * HEIGHT)


def cells(screen: pyte.Screen) -> list[list[tuple[object, ...]]]:
    """All that is seen of each cell; the colour of a blank's text is not."""
    return [
        [
            (cell.data, cell.bg, cell.bold, cell.italics, "" if cell.data.isspace() else cell.fg)
            for cell in (screen.buffer[y][x] for x in range(WIDTH))
        ]
        for y in range(HEIGHT)
    ]


@settings(max_examples=300, deadline=None)
@given(st.lists(updates(), min_size=1, max_size=6))
def test_the_terminal_shows_what_a_plain_drawing_shows(frames: list[CompositorUpdate]) -> None:
    output = CellDiffer()
    plain, thrifty = pyte.Screen(WIDTH, HEIGHT), pyte.Screen(WIDTH, HEIGHT)
    for screen in (plain, thrifty):
        screen.set_mode(pyte.modes.LNM)
    draw_plain, draw_thrifty = pyte.Stream(plain), pyte.Stream(thrifty)
    for frame in frames:
        draw_plain.feed(frame.render_segments(CONSOLE))
        changes = output.encode_changes(frame, CONSOLE, (WIDTH, HEIGHT))
        assert changes is not None
        draw_thrifty.feed(changes)
        assert cells(thrifty) == cells(plain)
        assert output.encode_changes(frame, CONSOLE, (WIDTH, HEIGHT)) == ""


def whole(*texts: str) -> LayoutUpdate:
    lines = [[Strip([Segment(text, STYLES[1])]).adjust_cell_length(WIDTH)] for text in texts]
    return LayoutUpdate(lines, Region(0, 0, WIDTH, len(texts)))


def test_a_changed_digit_is_all_that_is_sent() -> None:
    output = CellDiffer()
    output.encode_changes(whole("step 186 of 1,000"), CONSOLE, (WIDTH, 1))
    assert output.encode_changes(whole("step 187 of 1,000"), CONSOLE, (WIDTH, 1)) == "\x1b[1;8H\x1b[0;31m7\x1b[0m"


def test_neighbours_share_a_move_and_only_what_differs_in_colour_is_told() -> None:
    output = CellDiffer()
    output.encode_changes(whole("1 2"), CONSOLE, (WIDTH, 1))
    two = LayoutUpdate(
        [
            [
                Strip([Segment("3", STYLES[2]), Segment(" ", STYLES[1]), Segment("4", STYLES[2])]).adjust_cell_length(
                    WIDTH
                )
            ]
        ],
        Region(0, 0, WIDTH, 1),
    )
    sent = output.encode_changes(two, CONSOLE, (WIDTH, 1))
    assert sent is not None
    assert sent.startswith("\x1b[1;1H\x1b[0;31;44m3\x1b[1C4")


def test_another_size_and_a_terminal_that_was_written_on_are_drawn_whole() -> None:
    output = CellDiffer()
    first = output.encode_changes(whole("abc"), CONSOLE, (WIDTH, 1))
    assert output.encode_changes(whole("abc"), CONSOLE, (WIDTH, 1)) == ""
    assert output.encode_changes(whole("abc"), CONSOLE, (WIDTH, 2)) == first
    output.invalidate()
    assert output.encode_changes(whole("abc"), CONSOLE, (WIDTH, 2)) == first


def test_a_control_sequence_is_sent_each_time() -> None:
    output = CellDiffer()
    drawn = LayoutUpdate([[Strip([Segment("\x1b_G..\x1b\\", None, [(0,)])], 1)]], Region(0, 0, WIDTH, 1))  # type: ignore[list-item]
    for _ in range(2):
        sent = output.encode_changes(drawn, CONSOLE, (WIDTH, 1))
        assert sent is not None
        assert "\x1b_G..\x1b\\" in sent


def test_the_colours_are_those_that_textual_sends() -> None:
    style = Style(color="#102030", bgcolor="#405060", bold=True)
    frame = LayoutUpdate([[Strip([Segment("x" * WIDTH, style)])]], Region(0, 0, WIDTH, 1))
    sent = CellDiffer().encode_changes(frame, CONSOLE, (WIDTH, 1))
    assert sent is not None
    assert Strip.render_ansi(style, ColorSystem.EIGHT_BIT) in sent
