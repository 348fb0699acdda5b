"""Hands out what was copied: to the terminal's clipboard (OSC 52), to tmux, and to a file that always works.

Inside tmux the escape sequence reaches nothing unless `set-clipboard` is "on", which is not its default; tmux's own
command does, whatever the setting. Plain functions that block; call them in a thread.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from imgexp_tui import durable
from imgexp_tui.paths import lab_state

MAX_BYTES = 74_994
"""Most bytes that terminals take: many stop reading an escape sequence at 100,000, and base64 adds a third."""
_TMUX_TIMEOUT = 3.0


@dataclass(frozen=True, slots=True)
class CopyResult:
    """Where a copied text went.

    Attributes:
        needs_escape: whether it is still to be sent to the terminal as an escape sequence.
        in_tmux: whether tmux has it as its newest buffer.
        problem: why it is not in the file; "" where it is.
    """

    path: Path
    needs_escape: bool
    in_tmux: bool
    problem: str = ""


def copy_text(lab: Path, text: str) -> CopyResult:
    """Write `text` to the lab's clipboard file, and give it to tmux where that carries this terminal."""
    data, path = text.encode("utf-8", "replace"), lab_state(lab) / "clipboard.txt"
    trouble, small = "", len(data) <= MAX_BYTES
    try:
        durable.make_folder(path.parent)
        durable.replace(path, data)
    except OSError as error:
        trouble = error.strerror or str(error)
    tmux = bool(os.environ.get("TMUX")) and _copy_to_tmux(data, fits_terminal=small)
    return CopyResult(path, small and not tmux, tmux, trouble)


def describe_copy(text: str, result: CopyResult, *, is_first: bool) -> str:
    """What the user is told; where the file lies only the first time, or where it is needed."""
    lines = text.removesuffix("\n").count("\n") + 1
    what = f"Copied {lines:,} line{'s' if lines > 1 else ''}"
    path = _short_path(result.path)
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        also = " and tmux's buffer" if result.in_tmux else ""
        where = f"{path}{also}" if not result.problem else f"this app{also}"
        return f"{what} to {where} only: more than the {MAX_BYTES:,} bytes that a terminal's clipboard takes."
    if result.problem:
        return f"{what}, but not to {path} ({result.problem})."
    return f"{what}; also in {path}" if is_first else f"{what}."


def _copy_to_tmux(data: bytes, *, fits_terminal: bool) -> bool:
    """As tmux's newest buffer; what is small enough also as the clipboard of the terminal that tmux runs in (-w)."""
    try:
        done = subprocess.run(
            ["tmux", "load-buffer", *(["-w"] if fits_terminal else []), "-"],
            input=data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_TMUX_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _short_path(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
