"""Patterns that mark the parts of plain notes: headers, rules, banners, bullets. Shared by `reader` and `writer`.

The writer puts a backslash before a line of a note that the reader would take for a mark; the reader removes it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

WHITESPACE = " \t\r"
SECTION_TITLES = {"summary": "Summary", "observed": "Approximate Stats", "takeaways": "Takeaways"}
SECTION_HEADER = re.compile(
    r"(?:(?P<summary>summary)"
    r"|(?P<observed>(?:approx(?:imate|\.)?[ \t]+)?stat(?:s|istics)|observed)"
    r"|(?P<takeaways>takeaways?))"
    r"(?:[ \t]*(?P<remark>\([^()]*\)|\[[^\[\]]*\])?[ \t]*:(?P<rest>.*)"
    r"|[ \t]*[,;–—-]?[ \t]*(?P<free>(?:after|at|as of|so far|until|since|from|on|before|during|while)\b[^:]{0,60})"
    r":[ \t\r]*"
    r"|[ \t\r]*)",
    re.IGNORECASE,
)
"""A section's header: its kind, its remark in brackets or free words, the text that follows on the line."""
UNDERLINE = re.compile(r"(-|=|~)\1+[ \t\r]*")
RULE = re.compile(r"([-=~*#_+])\1{2,}[ \t\r]*")
DECORATED_LINE = re.compile(r"#{1,6}[ \t]+(?P<a>.*?)[ \t#\r]*|([-=~*#_+])\2{2,}(?P<b>.*[^\s].*?)\2{3,}[ \t\r]*")
BULLET = re.compile(r"[ \t]*[-*+](?![-*+=])")
NUMBERED_NAME = re.compile(r"[vV]?[0-9][A-Za-z0-9._-]*")
V_NUMBER_NAME = re.compile(r"[vV][0-9][A-Za-z0-9._-]{0,62}")
"""A name that, with -- under it, is a version's header even without a blank line above."""
NAME_WITH_REMARK = re.compile(rf"({NUMBERED_NAME.pattern})(?::|[ \t]+|(?=\())(.*)")
UNKNOWN_HEADER = re.compile(r"[A-Z][A-Za-z /-]{2,40}:[ \t\r]*")


def ends_with_newline(name: str, lines: Sequence[str]) -> bool:
    """Whether a note of these lines usually ends with a newline."""
    return name == "takeaways" or len(lines) > 1


def could_be_mark(line: str) -> bool:
    """Whether a line could, in some position, be taken for something else than a line of a note."""
    return not line.strip(WHITESPACE) or any(
        m.fullmatch(line) for m in (SECTION_HEADER, UNDERLINE, RULE, DECORATED_LINE)
    )


def unescape(line: str) -> str:
    return line[1:] if line.startswith("\\") and could_be_mark(line.lstrip("\\")) else line
