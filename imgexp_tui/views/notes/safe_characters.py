"""Encodes control characters of an open note as private-use characters, and decodes them byte for byte.

Every character that a terminal might interpret becomes one private-use character. It takes one cell and is drawn as a
visible sign. Decoding restores the original, so the terminal never gets it and the file never changes.
"""

from __future__ import annotations

import re
from typing import Literal

_PRIVATE_USE_START = 0x10E000  # in plane 16, which no font or emoji set uses
_BIDI = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_UNSAFE = (
    *(c for c in range(0x20) if c not in (0x09, 0x0A)),
    *range(0x7F, 0xA0),
    0x2028,
    0x2029,
    *_BIDI,
    *range(0xD800, 0xE000),
)
_TO_PRIVATE = {c: _PRIVATE_USE_START + i for i, c in enumerate(_UNSAFE)}
_FROM_PRIVATE = {held: c for c, held in _TO_PRIVATE.items()}
_TO_VISIBLE = {held: 0x2400 + c if c < 0x20 else 0x2421 if c == 0x7F else 0xFFFD for c, held in _TO_PRIVATE.items()}


# A search is fast; a translation is slow and rarely needed.
_ANY_UNSAFE = re.compile(f"[{''.join(map(re.escape, map(chr, _UNSAFE)))}]")
_ANY_ENCODED = re.compile(f"[{chr(_PRIVATE_USE_START)}-{chr(_PRIVATE_USE_START + len(_UNSAFE) - 1)}]")


def encode_unsafe(text: str) -> str:
    """`text` with every unsafe character replaced by its private-use character; the length stays the same."""
    return text.translate(_TO_PRIVATE) if _ANY_UNSAFE.search(text) else text


def decode_unsafe(text: str) -> str:
    """The original of a text from `encode_unsafe`."""
    return text if text.isascii() or not _ANY_ENCODED.search(text) else text.translate(_FROM_PRIVATE)


def visible_text(text: str) -> str:
    """An encoded text with a visible sign (␛, �) for every private-use character; the length stays the same."""
    return text if text.isascii() or not _ANY_ENCODED.search(text) else text.translate(_TO_VISIBLE)


def has_unsafe(text: str) -> bool:
    """Whether `text` has characters that are displayed as signs; line ends of a CRLF note do not count."""
    return encode_unsafe(text) != text if newline_of(text) == "\n" else has_unsafe(text.replace("\r\n", "\n"))


def newline_of(text: str) -> Literal["\n", "\r\n"]:
    """The line end of `text`: `\\r\\n` if every line ends with it, `\\n` otherwise."""
    ends = text.count("\n")
    return "\r\n" if ends and text.count("\r\n") == ends else "\n"
