"""The `imgexp-tui` command line: dispatches to one function for each command.

A command is imported when it runs, and imports what it needs only then: `list` loads neither torch nor Textual. To add
a command, write its function in a module of this package, name it in `COMMANDS` and describe its options in
`build_parser`, both in `parser.py`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imgexp_tui.cli.errors import CommandError

if TYPE_CHECKING:
    from argparse import Namespace


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except CommandError as error:
        from imgexp_tui.text import clean

        print(f"imgexp-tui: {clean(str(error))}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader, such as `head`, has closed the pipe; without this Python reports an error at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _dispatch(words: list[str]) -> int:
    if not words or (len(words) == 1 and (words[0] == "." or words[0].startswith("/"))):
        # The most common call skips the parser, which would delay the app's first frame. Only `.` and absolute paths
        # are taken here, because a folder such as `runs` can have a command's name.
        from imgexp_tui.cli.open import open_lab

        return open_lab(Path(*words))
    from importlib import import_module

    from imgexp_tui.cli.parser import COMMANDS, build_parser

    arguments = build_parser().parse_args(_with_command(words, COMMANDS))
    module, function = COMMANDS[arguments.command].split(":")
    run: Callable[[Namespace], int] = getattr(import_module(f"imgexp_tui.cli.{module}"), function)
    return run(arguments)


def _with_command(words: list[str], commands: Container[str]) -> list[str]:
    """Returns the words with `open` inserted if they name no command: `imgexp-tui [-C DIR] [DIR]` opens the app."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        if words[at] in ("-h", "--help", "--version"):
            return words
        at += 2 if words[at] == "-C" else 1
    return words if at < len(words) and words[at] in commands else [*words[:at], "open", *words[at:]]
