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

LIMIT = 74_994
"""Most bytes that terminals take: many stop reading an escape sequence at 100,000, and base64 adds a third."""
_PATIENCE = 3.0


@dataclass(frozen=True, slots=True)
class Handed:
    """Where a copied text went.

    Attributes:
        escape: whether it is still to be sent to the terminal as an escape sequence.
        tmux: whether tmux has it as its newest buffer.
        trouble: why it is not in the file; "" where it is.
    """

    path: Path
    escape: bool
    tmux: bool
    trouble: str = ""


def hand_out(lab: Path, text: str) -> Handed:
    """Write `text` to the lab's clipboard file, and give it to tmux where that carries this terminal."""
    data, path = text.encode("utf-8", "replace"), lab_state(lab) / "clipboard.txt"
    trouble, small = "", len(data) <= LIMIT
    try:
        durable.make_folder(path.parent)
        durable.replace(path, data)
    except OSError as error:
        trouble = error.strerror or str(error)
    tmux = bool(os.environ.get("TMUX")) and _to_tmux(data, small=small)
    return Handed(path, small and not tmux, tmux, trouble)


def sentence(text: str, handed: Handed, *, first: bool) -> str:
    """What the user is told; where the file lies only the first time, or where it is needed."""
    lines = text.removesuffix("\n").count("\n") + 1
    what = f"Copied {lines:,} line{'s' if lines > 1 else ''}"
    path = _short(handed.path)
    if len(text.encode("utf-8", "replace")) > LIMIT:
        also = " and tmux's buffer" if handed.tmux else ""
        where = f"{path}{also}" if not handed.trouble else f"this app{also}"
        return f"{what} to {where} only: more than the {LIMIT:,} bytes that a terminal's clipboard takes."
    if handed.trouble:
        return f"{what}, but not to {path} ({handed.trouble})."
    return f"{what}; also in {path}" if first else f"{what}."


def _to_tmux(data: bytes, *, small: bool) -> bool:
    """As tmux's newest buffer; what is small enough also as the clipboard of the terminal that tmux runs in (-w)."""
    try:
        done = subprocess.run(
            ["tmux", "load-buffer", *(["-w"] if small else []), "-"],
            input=data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _short(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
