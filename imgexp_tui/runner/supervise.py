"""The supervisor's program: one process per run that starts the trainer and writes down how it ended.

It loads neither torch nor Textual, lives in a session of its own with files for stdio, and has no parent among our
processes, so that neither the app's end nor a dropped connection touches it. If it is killed, the trainer goes on.

    python -m imgexp_tui.runner.supervise RUN_DIR

Its standard output is for the launcher alone: "started", "queued", or one sentence that says why not. With the word
"job" as a second argument it is the only program of a cluster's job instead, and stays in the foreground. Batch scripts
name this module, so its name stays. What a supervisor does is in `supervisor/supervisor.py`.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from imgexp_tui.app_log import log_uncaught
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.runner.launchers import find_launcher
from imgexp_tui.runner.launchers.base import JOB_ARGUMENT, QUEUED, STARTED, LauncherError
from imgexp_tui.runner.supervisor.attempt import StartRefused, read_request
from imgexp_tui.runner.supervisor.host import JobHost, LocalHost
from imgexp_tui.runner.supervisor.supervisor import Supervisor


def main() -> int:
    """Supervise the run whose folder is the first argument; returns 1 where it was not even started."""
    if sys.argv[2:] == [JOB_ARGUMENT]:
        return _main_in_job(RunDir(Path(sys.argv[1])))
    if os.fork():
        os._exit(0)  # so that the supervisor is nobody's child
    try:
        supervisor = Supervisor(RunDir(Path(sys.argv[1]).absolute()), LocalHost())
        begun = supervisor.begin()
    except (StartRefused, OSError) as error:
        _report_to_launcher(_describe_error(error))
        return 1
    _report_to_launcher(begun or STARTED)
    if begun == STARTED or (begun == QUEUED and supervisor.wait_in_queue()):
        supervisor.watch()
    return 0


def _main_in_job(run: RunDir) -> int:
    """Supervise in the foreground: the job ends with this process. Errors go to the job's own log."""
    try:
        job = find_launcher(read_request(run).launcher).current_job(run, os.environ)
        supervisor = Supervisor(run, JobHost(job))
        try:
            if supervisor.begin():
                supervisor.watch()
        finally:
            supervisor.wait_for_event_commands()
    except (StartRefused, LauncherError, OSError) as error:
        sys.stderr.write(f"{_describe_error(error)}\n")
        return 1
    return 0


def _report_to_launcher(message: str) -> None:
    """Write how the start went to standard output, then close it: the launcher waits for its end."""
    with contextlib.suppress(OSError):
        os.write(1, message.encode("utf-8", "surrogateescape"))
    os.dup2(2, 1)


def _describe_error(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)


if __name__ == "__main__":
    log_uncaught()
    sys.exit(main())
