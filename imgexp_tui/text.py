"""Formats text for a terminal: cleans untrusted text, measures and cuts it, formats numbers, durations and sizes.

Logs, notes, metric names and git output come from outside. Neither Textual nor Rich strips escape sequences, so every
text from outside passes through `clean` before it is displayed or printed; stored text stays as it was.
"""

from __future__ import annotations

import re
import unicodedata

_ESCAPE_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC, DCS, SOS, PM, APC with what they carry
    r"|\x1b[ -/]*[0-~]"  # two-character escapes
    r"|\x9b[0-?]*[ -/]*[@-~]"  # 8-bit CSI
)
# Marks that change the reading order (the "Trojan source" characters) become visible signs.
_BIDI_MARKS = dict.fromkeys((1564, 8206, 8207, *range(8234, 8239), *range(8294, 8298)), 65533)
_CONTROL_SIGNS: dict[int, int | None] = {
    **{c: 0x2400 + c for c in range(0x20) if c not in (0x09, 0x0A)},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
    **dict.fromkeys(range(0xD800, 0xE000), 0xFFFD),
    **_BIDI_MARKS,
}


def clean(text: str) -> str:
    """Returns text without control sequences for the terminal; newlines and tabs stay.

    Escape sequences are removed, other control characters become visible signs (␀, ␛), and
    bidirectional overrides and lone surrogates become �. `\\r\\n` becomes a newline.
    """
    if text.isascii() and text.isprintable():
        return text
    return _ESCAPE_SEQUENCE.sub("", text.replace("\r\n", "\n")).translate(_CONTROL_SIGNS)


def clean_line(text: str) -> str:
    """Returns text as one cleaned line for a table cell or a label, with every run of white space as one blank."""
    return " ".join(clean(text).split())


def clean_log(line: str) -> str:
    """Returns a line of a log as a terminal would show it: after the last carriage return, cleaned, tabs as blanks."""
    body = line.rstrip("\r\n").rsplit("\r", 1)[-1]
    return clean(body).expandtabs(4)


def cell_width(text: str) -> int:
    """Returns the cells of `text` in a terminal (wide East Asian characters take two, combining marks none)."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def truncate(text: str, cells: int) -> str:
    """Returns `text` cut to at most `cells` cells, ending in … where it was cut."""
    if cell_width(text) <= cells:
        return text
    if cells < 1:
        return ""
    out, used = [], 0
    for c in text:
        w = cell_width(c)
        if used + w > cells - 1:
            break
        out.append(c)
        used += w
    return "".join(out) + "…"


def first_line(text: str) -> str:
    """Returns the first line that is not blank, cleaned; "" where there is none."""
    return next((clean_line(line) for line in text.splitlines() if line.strip()), "")


def format_duration(seconds: float) -> str:
    """Returns a duration in seconds as text, in at most two units: `7s`, `1m 05s`, `2h 13m`, `3d 4h`."""
    s = max(0, round(seconds))
    if s < 60:
        return f"{s}s"
    if s < 3600:
        return f"{s // 60}m {s % 60:02d}s"
    if s < 86400:
        return f"{s // 3600}h {s % 3600 // 60:02d}m"
    return f"{s // 86400}d {s % 86400 // 3600}h"


def format_age(seconds: float) -> str:
    """Returns an age in seconds as text, in one unit: `now`, `5m`, `3h`, `2d`, `6w`, `3y`."""
    for limit, size, unit in (
        (60, 0, "now"),
        (3600, 60, "m"),
        (86400, 3600, "h"),
        (14 * 86400, 86400, "d"),
        (365 * 86400, 7 * 86400, "w"),
    ):
        if seconds < limit:
            return f"{int(seconds // size)}{unit}" if size else unit
    return f"{int(seconds // (365 * 86400))}y"


def format_number(value: float) -> str:
    """Returns a metric's value in about seven characters: `0.1905`, `12.3`, `1.2e-05`, `nan`."""
    if value != value or value in (float("inf"), float("-inf")):
        return str(value)
    size = abs(value)
    if value == int(value) and size < 1e6:
        return str(int(value))
    if size >= 1e5 or (size and size < 1e-3):
        return f"{value:.2e}"
    return f"{value:.4f}" if size < 10 else f"{value:.2f}" if size < 1000 else f"{value:.1f}"


def format_memory(used: float, total: float | None = None) -> str:
    """Returns bytes as text, as the notes write them: `1,985/8,126 MB`, or `1,985 MB` without a total."""
    mega = 1024 * 1024
    return f"{used / mega:,.0f}/{total / mega:,.0f} MB" if total else f"{used / mega:,.0f} MB"


def join_names(names: list[str], last: str = "and") -> str:
    """Returns `a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}" if names else ""
