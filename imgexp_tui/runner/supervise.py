"""The supervisor's program: one process per run that starts the trainer and records how it ended.

It loads neither torch nor Textual. It has its own session, files for stdio, and no parent among the app's processes, so
it survives the app's end and a dropped connection. If it is killed, the trainer continues.

    python -m imgexp_tui.runner.supervise RUN_DIR

It writes one word or sentence to standard output, for the launcher: "started", "queued", or why it failed. With "job"
as second argument it runs in the foreground, as the only program of a cluster's job. Batch scripts name this module, so
its name must not change. The supervisor itself is in `supervisor/supervisor.py`.
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
    """Supervises the run whose folder is the first argument; returns 1 if it could not be started."""
    if sys.argv[2:] == [JOB_ARGUMENT]:
        return _main_in_job(RunDir(Path(sys.argv[1])))
    if os.fork():
        os._exit(0)  # init adopts the supervisor
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
    """Supervises in the foreground: the job ends with this process. Errors go to the job's own log."""
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
    """Writes the result of the start to standard output and closes it: the launcher reads until it is closed."""
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
