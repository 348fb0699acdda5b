"""Copies text to the clipboards that the user can paste from: the terminal's (OSC 52), tmux's, and a file.

The file always works. Inside tmux the escape sequence has no effect unless `set-clipboard` is "on", which is not the
default, but tmux's own command works with any setting. The functions block: call them in a thread.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imgexp_tui import durable
from imgexp_tui.paths import lab_state

MAX_BYTES = 74_994
"""Most bytes for a terminal's clipboard: many stop reading an escape sequence at 100,000; base64 adds a third."""
_TMUX_TIMEOUT = 3.0


@dataclass(frozen=True, slots=True)
class CopyResult:
    """Where a copied text went.

    Attributes:
        needs_escape: whether the terminal still needs it as an escape sequence.
        in_tmux: whether it is tmux's newest buffer.
        problem: why the file could not be written; "" on success.
    """

    path: Path
    needs_escape: bool
    in_tmux: bool
    problem: str = ""


class ClipboardWriter:
    """Copies texts one after the other, for an event loop, and reports where each one is.

    Args:
        send_to_terminal: sends a text to the terminal's clipboard; called in the event loop.
    """

    def __init__(self, lab: Path, send_to_terminal: Callable[[str], object]) -> None:
        self._lab = lab
        self._send_to_terminal = send_to_terminal
        self._lock = asyncio.Lock()
        self._is_explained = False

    async def copy(self, text: str) -> tuple[str, bool]:
        """Copy `text` to every clipboard.

        Returns:
            A sentence for the user, and whether the file could not be written.
        """
        async with self._lock:
            result = await asyncio.to_thread(copy_text, self._lab, text)
            if result.needs_escape:
                self._send_to_terminal(text)
        sentence = describe_copy(text, result, is_first=not self._is_explained)
        self._is_explained = True
        return sentence, bool(result.problem)


def copy_text(lab: Path, text: str) -> CopyResult:
    """Write `text` to the lab's clipboard file, and to tmux where this terminal runs in it."""
    data, path = text.encode("utf-8", "replace"), lab_state(lab) / "clipboard.txt"
    problem, small = "", len(data) <= MAX_BYTES
    try:
        durable.make_folder(path.parent)
        durable.replace(path, data)
    except OSError as error:
        problem = error.strerror or str(error)
    tmux = bool(os.environ.get("TMUX")) and _copy_to_tmux(data, fits_terminal=small)
    return CopyResult(path, small and not tmux, tmux, problem)


def describe_copy(text: str, result: CopyResult, *, is_first: bool) -> str:
    """The sentence for the user. It names the file the first time only, or where the user needs it."""
    lines = text.removesuffix("\n").count("\n") + 1
    what = f"Copied {lines:,} line{'s' if lines > 1 else ''}"
    path = _short_path(result.path)
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        also = " and tmux's buffer" if result.in_tmux else ""
        target = f"{path}{also}" if not result.problem else f"this app{also}"
        return f"{what} to {target} only: more than the {MAX_BYTES:,} bytes that a terminal's clipboard takes."
    if result.problem:
        return f"{what}, but not to {path} ({result.problem})."
    return f"{what}; also in {path}" if is_first else f"{what}."


def _copy_to_tmux(data: bytes, *, fits_terminal: bool) -> bool:
    """Copy to tmux's newest buffer and, if small enough, to the clipboard of the terminal around tmux (-w)."""
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
