"""Command `open`, and `imgexp-tui [DIR]`: opens the app."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from imgexp_tui.app_log import log_uncaught
from imgexp_tui.cli.common import require_lab
from imgexp_tui.cli.errors import CommandError

if TYPE_CHECKING:
    from argparse import Namespace


def open_app(arguments: Namespace) -> int:
    """Opens the app on the lab that the command line names."""
    return open_lab(arguments.dir or arguments.lab, ascii_only=arguments.ascii)


def open_lab(folder: Path, *, ascii_only: bool = False) -> int:
    """Opens the app on the lab in or above `folder`; returns the exit code.

    Raises:
        CommandError: there is no lab, or no terminal.
    """
    lab = require_lab(folder)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CommandError("the app needs a terminal; in a script use the commands, such as: imgexp-tui list", 2)
    # Nothing that is loaded for the first frame is garbage; the app enables collection again after that frame.
    gc.disable()
    # The effect of a key is drawn within 4 ms, not 16; unchanged parts are not drawn at any rate.
    os.environ.setdefault("TEXTUAL_FPS", "240")
    from imgexp_tui.tui.app import run

    log_uncaught()
    return run(lab, ascii_only=ascii_only)
