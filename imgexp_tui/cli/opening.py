"""`imgexp-tui [DIR]`: the app."""

from __future__ import annotations

import sys
from argparse import Namespace

from imgexp_tui.cli.errors import CommandError
from imgexp_tui.cli.labs import lab_of


def open_app(arguments: Namespace) -> int:
    """Open the app on a lab; it needs a terminal."""
    lab = lab_of(arguments)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CommandError("the app needs a terminal; in a script use the commands, such as: imgexp-tui list", 2)
    from imgexp_tui.tui.app import run

    return run(lab)
