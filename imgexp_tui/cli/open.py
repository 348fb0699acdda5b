"""`imgexp-tui [DIR]`: the app."""

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
    """Open the app on the lab that the command line names."""
    return open_lab(arguments.dir or arguments.lab, ascii_only=arguments.ascii)


def open_lab(folder: Path, *, ascii_only: bool = False) -> int:
    """Open the app on the lab in or above `folder`; it needs a terminal."""
    lab = require_lab(folder)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CommandError("the app needs a terminal; in a script use the commands, such as: imgexp-tui list", 2)
    # Nothing that is loaded for the first frame is garbage; the app collects again when that stands.
    gc.disable()
    # A key is on the screen within 4 ms of being handled, not 16; what has not changed is not drawn at any rate.
    os.environ.setdefault("TEXTUAL_FPS", "240")
    from imgexp_tui.tui.app import run

    log_uncaught()
    return run(lab, ascii_only=ascii_only)
