"""Edits a note in the user's own editor, through a file.

The file is in the state folder, readable by its owner only, with the suffix for an editor's markdown mode. If the
connection drops while the editor is open, the file stays there and is offered as a draft later.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from imgexp_tui import durable
from imgexp_tui.paths import lab_state
from imgexp_tui.records.process_identity import identity_of

_DEFAULT_EDITORS = ("vi", "vim", "nano", "emacs", "micro")
_FILE_NAME = re.compile(r"(?P<version>.+)-(?P<field>[a-z]+)-(?P<pid>\d+)\.md")


class ExternalEditorError(Exception):
    """The note could not be edited in an external editor; the message is a sentence for the user."""


@dataclass(frozen=True, slots=True)
class UnclaimedEdit:
    """A note that an editor saved, but no session read back.

    Attributes:
        time: when it was saved, seconds since the epoch.
    """

    path: Path
    field: str
    text: str
    time: float


def editor_command() -> list[str]:
    """The command of the user's editor: `$VISUAL`, `$EDITOR`, or the first common one that is installed.

    Raises:
        ExternalEditorError: there is no editor.
    """
    for variable in ("VISUAL", "EDITOR"):
        value = os.environ.get(variable, "").strip()
        if value:
            return _parse_command(variable, value)
    for name in _DEFAULT_EDITORS:
        if shutil.which(name):
            return [name]
    raise ExternalEditorError("No editor found. Mend: export EDITOR=… with the one you like, then start again.")


def _parse_command(variable: str, value: str) -> list[str]:
    try:
        argv = shlex.split(value)
    except ValueError:
        argv = []
    if argv and shutil.which(argv[0]):
        return argv
    raise ExternalEditorError(
        f"${variable} is {value!r}, which is no program that can be found. Mend: export {variable}=vi"
    )


def write_edit_file(lab: Path, version: str, field: str, text: str) -> Path:
    """Write `text` to a file for the editor, and return its path.

    Raises:
        ExternalEditorError: it cannot be written.
    """
    folder = _edit_folder(lab)
    path = folder / f"{version}-{field}-{os.getpid()}.md"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable.replace(path, text.encode())
    except OSError as error:
        raise ExternalEditorError(f"The note could not be handed over ({error.strerror}: {folder}).") from None
    return path


def run_editor(argv: list[str], path: Path) -> None:
    """Run the editor on `path` in this terminal, and wait until it ends.

    Raises:
        ExternalEditorError: it could not be started or ended with an error.
    """
    # Ctrl+c reaches the whole foreground process group. An empty handler prevents that it ends this process and,
    # unlike SIG_IGN, the editor does not inherit it.
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        code = subprocess.run([*argv, os.fspath(path)], check=False).returncode
    except OSError as error:
        raise ExternalEditorError(f"{Path(argv[0]).name} could not be started ({error.strerror}).") from None
    finally:
        signal.signal(signal.SIGINT, before)
    if code:
        raise ExternalEditorError(
            f"{Path(argv[0]).name} ended with {code}, so the note here is as it was. What it wrote is in {path}."
        )


def read_edit_file(path: Path, text: str) -> str:
    """Read the edited text, and remove the file. A final newline that the editor added is dropped.

    Args:
        text: the text before the edit.

    Raises:
        ExternalEditorError: the file is missing or is not UTF-8.
    """
    try:
        new = path.read_bytes().decode()
    except OSError as error:
        raise ExternalEditorError(f"The edited note could not be read ({error.strerror}: {path}).") from None
    except UnicodeDecodeError:
        raise ExternalEditorError(
            f"The edited note is not UTF-8, so the note here is as it was. It is in {path}."
        ) from None
    path.unlink(missing_ok=True)
    return new.removesuffix("\n") if not text.endswith("\n") else new


def unclaimed_edits(lab: Path, version: str) -> list[UnclaimedEdit]:
    """The files that editors of ended sessions left for a version's notes, oldest first."""
    edits = []
    for path in _edit_folder(lab).glob("*.md"):
        name = _FILE_NAME.fullmatch(path.name)
        if not name or name["version"] != version or identity_of(int(name["pid"])) is not None:
            continue
        try:
            edits.append(UnclaimedEdit(path, name["field"], path.read_bytes().decode(), path.stat().st_mtime))
        except (OSError, UnicodeDecodeError):
            continue
    return sorted(edits, key=lambda left: left.time)


def _edit_folder(lab: Path) -> Path:
    return lab_state(lab) / "editor"
