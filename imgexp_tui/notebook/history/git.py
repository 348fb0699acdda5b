"""Runs git for the notebook: without prompts, without a terminal and with a time limit.

Output is returned as text that callers must clean, and every failure as one sentence.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from imgexp_tui.notebook.model import NotebookError
from imgexp_tui.paths import NOTEBOOK
from imgexp_tui.text import clean_line, first_line

_TIMEOUT = 20.0
_TERMINATE_TIMEOUT = 3.0
"""Seconds for git to end by itself, so that it removes its lock files."""
_KEPT_VARIABLES = (
    "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL",
    "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM", "GIT_EXEC_PATH",
)  # fmt: skip
"""The user's identity, and where git looks for its configuration. All other variables (GIT_DIR, GIT_INDEX_FILE, …) were
set for whatever started the app, such as a hook, and would lead to another repository."""


class GitError(NotebookError):
    """What git did not do and why, as one sentence."""


@dataclass(frozen=True, slots=True)
class GitResult:
    """A git command that ended.

    Attributes:
        stdout: raw bytes.
        message: its standard error, or its standard output if that is empty; text that is not cleaned.
    """

    exit_code: int
    stdout: bytes
    message: str


@dataclass(frozen=True, slots=True)
class GitRepository:
    """The repository that the notebook is in.

    Attributes:
        folder: the notebook's real folder (the notebook may be a symlink); commands run there.
        file_name: of the notebook's file in `folder`.
        prefix: path of `folder` in the repository, "" or with a slash at its end.
        git_dir: git's own folder.
    """

    folder: Path
    file_name: str
    prefix: str
    git_dir: Path

    def run(self, *arguments: str, timeout: float = _TIMEOUT, stdin: bytes = b"") -> GitResult:
        """Runs a git command in the notebook's folder.

        Raises:
            GitError: it cannot be run, or does not end in time.
        """
        return _run_git(self.folder, *arguments, timeout=timeout, stdin=stdin)

    def check_output(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Returns what a git command prints.

        Raises:
            GitError: it failed.
        """
        done = self.run(*arguments, stdin=stdin)
        if done.exit_code:
            raise GitError(f"git {arguments[0]} failed: {format_git_message(done.message)}")
        return done.stdout


def find_repository(lab: Path) -> GitRepository:
    """Returns the repository of a lab's notebook.

    Raises:
        GitError: there is none, or no git.
    """
    path = Path(os.path.realpath(lab / NOTEBOOK))
    if not path.is_file():
        raise GitError(f"there is no {lab / NOTEBOOK}; start one with: imgexp-tui init")
    done = _run_git(path.parent, "rev-parse", "--is-inside-work-tree", "--absolute-git-dir", "--show-prefix")
    if done.exit_code:
        if "not a git repository" in done.message:
            raise GitError(f"{path.parent} is in no git repository; mend: git init {path.parent}")
        raise GitError(f"git cannot use {path.parent}: {format_git_message(done.message)}")
    inside, private, prefix = os.fsdecode(done.stdout).split("\n")[:3]
    if inside != "true":
        raise GitError(f"{path.parent} is inside git's own folder; no notebook is committed there")
    return GitRepository(path.parent, path.name, prefix, Path(private))


def format_git_message(message: str) -> str:
    """Returns the first line of a message of git or a hook, cleaned."""
    line = first_line(message)
    for word in ("fatal: ", "error: "):
        line = line.removeprefix(word)
    return clean_line(line)[:300] or "it gave no reason"


def _run_git(folder: Path, *arguments: str, timeout: float = _TIMEOUT, stdin: bytes = b"") -> GitResult:
    argv = ["git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "-c", "color.ui=false", *arguments]
    try:
        # A new session has no terminal, so neither git nor a hook nor gpg can wait for an answer on ours.
        process = subprocess.Popen(
            argv,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            start_new_session=True,
        )
    except FileNotFoundError:
        raise GitError("git is not installed (no git in PATH)") from None
    except OSError as error:
        raise GitError(f"git cannot be run: {error.strerror}") from None
    with process:
        try:
            out, err = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            _terminate(process)
            raise GitError(f"git {arguments[0]} did not end within {timeout:.0f} s and was stopped") from None
        except BaseException:
            _terminate(process)
            raise
    return GitResult(process.returncode, out, (err if err.strip() else out).decode("utf-8", "replace"))


def _terminate(process: subprocess.Popen[bytes]) -> None:
    """Ends git and the processes that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(OSError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_TERMINATE_TIMEOUT)
            return


def _environment() -> dict[str, str]:
    variables = {k: v for k, v in os.environ.items() if k in _KEPT_VARIABLES or not k.startswith("GIT_")}
    variables.pop("GPG_TTY", None)
    # No command here needs an editor; "false" makes one fail instead of waiting.
    return variables | {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_EDITOR": "false",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_PAGER": "cat",
    }
