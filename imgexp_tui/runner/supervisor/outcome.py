"""How a run ended, from what its supervisor saw: the cause, and one sentence of evidence."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path

from imgexp_tui.runner.signals import name
from imgexp_tui.text import clean_log, duration, fit

STOPPED_CODE = 128 + signal.SIGTERM
"""With this code a trainer says that it ended because of SIGTERM."""
_TAIL = 16_384
_SENTENCE = 300
_NO_ROOM = 16_384
"""Bytes."""
_ERROR = re.compile(r"([\w.]*(Error|Exception|Interrupt|Exit)\b|[Ee]rror:|.*: error:)")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the supervisor saw.

    Attributes:
        wait_status: of the trainer, as `waitpid` gives it.
        asked: somebody asked the run to stop.
        forced: the grace period passed, and the supervisor killed it.
        grace: seconds of that period.
        shipped: the trainer is the shipped one, which answers SIGTERM with exit code 143.
        memory: a clause about an out-of-memory kill; None without one.
        log, log_start: what it printed, and where this attempt's part of it begins.
        disk: a clause about a disk without room, on which last words find none either; None where there is room.
    """

    wait_status: int
    asked: bool
    forced: bool
    grace: float
    shipped: bool
    memory: str | None
    log: Path
    log_start: int
    disk: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """As `Exit` holds it."""

    exit_code: int | None
    signal: str | None
    cause: str
    detail: str


CANCELLED = Outcome(None, None, "stopped", "as asked, before it was started")
"""Of a run that was stopped while it stood in the queue."""


def not_started(program: str, error: OSError) -> Outcome:
    """Of a program that could not be started, with a shell's codes: 127 where it is not there, 126 where it may not be
    run."""
    code = 127 if isinstance(error, FileNotFoundError) else 126
    return Outcome(code, None, "failed", f"cannot start {error.filename or program}: {error.strerror}")


def judge(seen: Seen) -> Outcome:
    """The outcome that `seen` stands for."""
    code = os.waitstatus_to_exitcode(seen.wait_status)
    return _by_signal(seen, -code) if code < 0 else _by_code(seen, code)


def _by_signal(seen: Seen, signum: int) -> Outcome:
    by = name(signum)
    if seen.forced:
        limit = duration(seen.grace)
        return Outcome(None, by, "stopped", f"as asked; it had not ended within {limit} and was killed ({by})")
    if seen.asked and signum == signal.SIGTERM:
        return Outcome(None, by, "stopped", f"as asked, by {by}")
    return Outcome(None, by, "killed", _with_memory(by, seen.memory))


def _by_code(seen: Seen, code: int) -> Outcome:
    said = f"exit code {code}"
    # The shipped trainer ends with 0 only when it is done, and with 1 when saving its checkpoint failed.
    if seen.asked and not (seen.shipped and code != STOPPED_CODE):
        return Outcome(code, None, "stopped", f"as asked, {said}")
    if code == 0:
        return Outcome(code, None, "finished", said)
    if code == STOPPED_CODE:
        return Outcome(code, None, "stopped", f"by a SIGTERM that this app did not send, {said}")
    if code > 128 and name(code - 128) in signal.Signals.__members__:
        said += f", as a shell gives after {name(code - 128)}"
    if line := last_words(seen.log, seen.log_start):
        said += f": {line}"
    return Outcome(code, None, "failed", "; ".join(filter(None, (said, seen.memory, seen.disk))))


def _with_memory(said: str, memory: str | None) -> str:
    return f"{said}; {memory}" if memory else said


def full_disk(folder: Path) -> str | None:
    """A clause about the disk of `folder` where it has no room for a few lines."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    return "its disk is full" if disk.f_bavail * disk.f_frsize < _NO_ROOM else None


def last_words(log: Path, start: int) -> str:
    """The line of a log that says why its program failed: its last error, else its last line; cleaned and cut."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start, size - _TAIL))
            text = file.read(_TAIL).decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [" ".join(cleaned.split()) for line in text.splitlines() if (cleaned := clean_log(line)).strip()]
    error = next((line for line in reversed(lines[-20:]) if _ERROR.match(line)), None)
    return fit(error or (lines[-1] if lines else ""), _SENTENCE)
