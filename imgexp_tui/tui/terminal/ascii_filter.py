"""Replaces every symbol that is drawn with an ASCII character: `imgexp-tui --ascii`, for fonts that lack the rest.

One filter changes all that is drawn, frames and scrollbars included, so that no widget has to deal with it. Each symbol
becomes one character, so that columns stay aligned. Letters stay as they are, because notes must read as written.
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
    table = {ord(symbol): replacement for symbol, replacement in _REPLACEMENTS.items()}
    # Box drawing: "+" for corners and crossings, "-" for horizontal and "|" for vertical lines.
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
    # Braille: the more of the eight dots are set, the denser the character.
    for dots in range(256):
        table[0x2800 + dots] = " ..::*##@"[dots.bit_count()]
    # Eighths of a block from the left.
    for eighth in range(0x2589, 0x258C):
        table[eighth] = "#"
    return table


_TRANSLATION_TABLE = _build_table()


class AsciiFilter(LineFilter):
    """Replaces the symbols that this app and Textual draw with."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment
            if segment.text.isascii()
            else Segment(segment.text.translate(_TRANSLATION_TABLE), segment.style, segment.control)
            for segment in segments
        ]
