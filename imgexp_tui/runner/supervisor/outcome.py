"""Determines how a run ended from what its supervisor observed: the cause, and one sentence of evidence."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path

from imgexp_tui.runner.signals import signal_name
from imgexp_tui.text import clean_log, format_duration, truncate

STOPPED_EXIT_CODE = 128 + signal.SIGTERM
"""With this code a trainer says that it ended because of SIGTERM."""
_TAIL_BYTES = 16_384
_MAX_SENTENCE_LENGTH = 300
_FULL_DISK_BYTES = 16_384
"""Bytes."""
_ERROR_LINE = re.compile(r"([\w.]*(Error|Exception|Interrupt|Exit)\b|[Ee]rror:|.*: error:)")


@dataclass(frozen=True, slots=True)
class TrainerExit:
    """What the supervisor saw.

    Attributes:
        wait_status: of the trainer, as `waitpid` gives it.
        stop_requested: somebody asked the run to stop.
        killed_after_grace: the grace period passed, and the supervisor killed it.
        grace: seconds of that period.
        is_shipped_trainer: the trainer is the shipped one, which answers SIGTERM with exit code 143.
        oom_clause: a clause about an out-of-memory kill; None without one.
        log, log_start: what it printed, and where this attempt's part of it begins.
        disk_clause: a clause about a disk without room, on which last words find none either; None where there is room.
    """

    wait_status: int
    stop_requested: bool
    killed_after_grace: bool
    grace: float
    is_shipped_trainer: bool
    oom_clause: str | None
    log: Path
    log_start: int
    disk_clause: str | None = None


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """As `Exit` holds it."""

    exit_code: int | None
    signal: str | None
    cause: str
    detail: str


CANCELLED = RunOutcome(None, None, "stopped", "as asked, before it was started")
"""Of a run that was stopped while it stood in the queue."""


def not_started_outcome(program: str, error: OSError) -> RunOutcome:
    """Of a program that could not be started, with a shell's codes: 127 where it is not there, 126 where it may not be
    run."""
    code = 127 if isinstance(error, FileNotFoundError) else 126
    return RunOutcome(code, None, "failed", f"cannot start {error.filename or program}: {error.strerror}")


def determine_outcome(trainer_exit: TrainerExit) -> RunOutcome:
    """The outcome that `trainer_exit` stands for."""
    code = os.waitstatus_to_exitcode(trainer_exit.wait_status)
    return _signal_outcome(trainer_exit, -code) if code < 0 else _exit_code_outcome(trainer_exit, code)


def _signal_outcome(trainer_exit: TrainerExit, signum: int) -> RunOutcome:
    by = signal_name(signum)
    if trainer_exit.killed_after_grace:
        limit = format_duration(trainer_exit.grace)
        return RunOutcome(None, by, "stopped", f"as asked; it had not ended within {limit} and was killed ({by})")
    if trainer_exit.stop_requested and signum == signal.SIGTERM:
        return RunOutcome(None, by, "stopped", f"as asked, by {by}")
    return RunOutcome(None, by, "killed", _with_oom_clause(by, trainer_exit.oom_clause))


def _exit_code_outcome(trainer_exit: TrainerExit, code: int) -> RunOutcome:
    sentence = f"exit code {code}"
    # The shipped trainer ends with 0 only when it is done, and with 1 when saving its checkpoint failed.
    if trainer_exit.stop_requested and not (trainer_exit.is_shipped_trainer and code != STOPPED_EXIT_CODE):
        return RunOutcome(code, None, "stopped", f"as asked, {sentence}")
    if code == 0:
        return RunOutcome(code, None, "finished", sentence)
    if code == STOPPED_EXIT_CODE:
        return RunOutcome(code, None, "stopped", f"by a SIGTERM that this app did not send, {sentence}")
    if code > 128 and signal_name(code - 128) in signal.Signals.__members__:
        sentence += f", as a shell gives after {signal_name(code - 128)}"
    if line := last_error_line(trainer_exit.log, trainer_exit.log_start):
        sentence += f": {line}"
    return RunOutcome(
        code, None, "failed", "; ".join(filter(None, (sentence, trainer_exit.oom_clause, trainer_exit.disk_clause)))
    )


def _with_oom_clause(sentence: str, oom_clause: str | None) -> str:
    return f"{sentence}; {oom_clause}" if oom_clause else sentence


def describe_full_disk(folder: Path) -> str | None:
    """A clause about the disk of `folder` where it has no room for a few lines."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    return "its disk is full" if disk.f_bavail * disk.f_frsize < _FULL_DISK_BYTES else None


def last_error_line(log: Path, start: int) -> str:
    """The line of a log that says why its program failed: its last error, else its last line; cleaned and cut."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start, size - _TAIL_BYTES))
            text = file.read(_TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [" ".join(cleaned.split()) for line in text.splitlines() if (cleaned := clean_log(line)).strip()]
    error = next((line for line in reversed(lines[-20:]) if _ERROR_LINE.match(line)), None)
    return truncate(error or (lines[-1] if lines else ""), _MAX_SENTENCE_LENGTH)
