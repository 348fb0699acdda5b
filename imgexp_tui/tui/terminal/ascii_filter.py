"""Draws with ASCII alone, for fonts and terminals that lack the rest: `imgexp-tui --ascii`.

One filter over all that is drawn, frames and scrollbars too, so that no widget has to know of it. Each sign becomes
one character, hence nothing moves. Letters stay as they are: a note says what its author wrote.
"""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_REPLACEMENTS = {
    "→": ">", "←": "<", "↑": "^", "↓": "v", "▲": "^", "▼": "v", "◂": "<", "▸": ">", "›": ">", "‹": "<", "⏎": "<",
    "…": "~", "⋯": "~", "·": ".", "•": "*", "–": "-", "—": "-", "−": "-", "×": "x", "±": "~", "°": "'", "␛": "^",
    "●": "*", "○": "o", "◌": ".", "◍": "o", "✓": "+", "✗": "x", "■": "#", "□": "o", "▪": "#", "◆": "*", "◇": "o",
    "▌": "|", "▐": "|", "▎": "|", "▏": "|", "▕": "|", "▔": "-", "▀": "#", "▄": "=",
    "░": ".", "▒": "+", "▓": "%", "█": "#", "▁": "_", "▂": ".", "▃": "-", "▅": "+", "▆": "*", "▇": "%",
    "▖": ".", "▗": ".", "▘": "'", "▝": "'", "▙": "#", "▛": "#", "▜": "#", "▟": "#", "▚": "%", "▞": "%",
    "≤": "<", "≥": ">", "≈": "~", "∞": "8", "µ": "u", "’": "'", "‘": "'", "“": '"', "”": '"',
    "\N{REPLACEMENT CHARACTER}": "?",
}  # fmt: skip


def _build_table() -> dict[int, str]:
    table = {ord(sign): instead for sign, instead in _REPLACEMENTS.items()}
    # Box drawing: what is drawn across, what up and down, and the rest, which are corners and crossings.
    for code in range(0x2500, 0x2580):
        table[code] = "+"
    for code in (*range(0x2500, 0x2502), *range(0x2504, 0x2506), *range(0x2508, 0x250A), 0x254C, 0x254D, 0x2550):
        table[code] = "-"
    for code in (*range(0x2502, 0x2504), *range(0x2506, 0x2508), *range(0x250A, 0x250C), 0x254E, 0x254F, 0x2551):
        table[code] = "|"
    for code in (0x2574, 0x2576, 0x2578, 0x257A, 0x257C, 0x257E):
        table[code] = "-"
    for code in (0x2575, 0x2577, 0x2579, 0x257B, 0x257D, 0x257F):
        table[code] = "|"
    # Braille: by how many of the eight dots are set.
    for dots in range(256):
        table[0x2800 + dots] = " ..::*##@"[dots.bit_count()]
    # Eighths of a block from the left.
    for eighth in range(0x2589, 0x258C):
        table[eighth] = "#"
    return table


_TRANSLATION_TABLE = _build_table()


class AsciiFilter(LineFilter):
    """Takes the place of every sign that this app, or Textual, draws with."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment
            if segment.text.isascii()
            else Segment(segment.text.translate(_TRANSLATION_TABLE), segment.style, segment.control)
            for segment in segments
        ]
