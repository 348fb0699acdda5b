"""`python -m imgexp_tui.training RUN_DIR`: train as the run's request says.

Exit code 0 when all epochs are done, 143 after SIGTERM (a checkpoint is saved), 1 with one sentence on stderr when it
cannot continue. A run that has `checkpoints/last` continues from there. Under torchrun this is one of several
processes; then `ranks`, their parent, prints the sentence.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import sys
import time
import traceback
from pathlib import Path

from imgexp_tui.records.rundir import RunDir
from imgexp_tui.training.config import read_config
from imgexp_tui.training.distributed import exit_report
from imgexp_tui.training.errors import PeerLost, StopRequested, TrainingError
from imgexp_tui.training.run_logger import RunLogger
from imgexp_tui.training.shutdown import StopSignal

_DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)
_WORKER_EXIT_TIMEOUT = 0.5
"""Seconds to wait for the end of a killed worker to be reported: its pipes close a moment earlier."""


def main(arguments: list[str]) -> int:
    """Run the trainer. Returns the exit code."""
    stop = StopSignal()
    stop.install()
    if len(arguments) != 1:
        print("usage: python -m imgexp_tui.training RUN_DIR", file=sys.stderr)
        return 2
    run = RunDir(Path(arguments[0]).absolute())
    if exit_report.is_torchrun_child():
        exit_report.signal_on_parent_exit(signal.SIGTERM)
    try:
        return _train_checking_workers(run, stop)
    except StopRequested as stopped:
        if not exit_report.is_torchrun_child():
            print("stopped as asked", flush=True)
        return 128 + stopped.signum
    except PeerLost as lost:
        exit_report.write_exit_report(str(lost), peer_lost=True)
        return 1
    # Any error: the parent of several processes reports it.
    except Exception as error:
        sentence = _format_error(error, run)
        text = f"error: {sentence}" if sentence else traceback.format_exc().rstrip()
        if not exit_report.write_exit_report(text):
            if not sentence:
                raise
            sys.unraisablehook = lambda _: None  # errors during the shutdown would only follow from this one
            print(text, file=sys.stderr, flush=True)
        return 1
    finally:
        _kill_workers()


def _format_error(error: Exception, run: RunDir) -> str | None:
    """One sentence with the error and its fix; None for a bug in the code."""
    if isinstance(error, TrainingError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"out of memory ({error}). Mend: a smaller batch_size, or cache_images = false"
    if isinstance(error, OSError):
        place = error.filename or run.path
        if error.errno in _DISK_FULL_ERRNOS:
            return f"the disk is full ({place}): {error.strerror}. Free some space, then resume this run"
        if error.errno == errno.EIO:
            return f"the disk is failing ({place}): {error.strerror}. See dmesg, then resume this run elsewhere"
    return None


def _train_checking_workers(run: RunDir, stop: StopSignal) -> int:
    try:
        return _train(run, stop)
    except (StopRequested, PeerLost, TrainingError, MemoryError):
        raise
    except Exception as error:
        if killed := _describe_killed_worker(error):
            raise TrainingError(f"{killed}. Resume this run, with fewer num_workers if memory ran out") from None
        raise


def _describe_killed_worker(error: Exception) -> str:
    """What killed a data loader worker, if that caused `error`; "" if no worker was killed.

    torch's own message names it, unless torch was sending to the worker or starting it at that moment.
    """
    if isinstance(error, RuntimeError) and str(error).startswith("DataLoader worker"):
        return str(error).partition("\n")[0].strip().rstrip(".")
    deadline = time.monotonic() + _WORKER_EXIT_TIMEOUT
    while time.monotonic() < deadline:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            break
        if ended and ended.si_code in (os.CLD_KILLED, os.CLD_DUMPED):
            return f"DataLoader worker (pid {ended.si_pid}) is killed by signal: {signal.strsignal(ended.si_status)}"
        time.sleep(0.01)
    # Something else may have collected its exit status already. Only workers are connected by pipes.
    return f"DataLoader worker is gone ({error})" if isinstance(error, ConnectionError | EOFError) else ""


def _train(run: RunDir, stop: StopSignal) -> int:
    config = read_config(run)
    # Imported late, because torch takes seconds: a signal or a wrong setting is handled before.
    import torch

    from imgexp_tui.training.distributed.group import RankGroup, is_peer_lost
    from imgexp_tui.training.loop import Trainer

    group = RankGroup.join(stop)
    report = RunLogger(run, stop, group)
    try:
        Trainer(run, config, report, stop, group).fit()
    except TrainingError as error:
        report.log_error(str(error))
        raise
    except torch.OutOfMemoryError as error:
        raise MemoryError(str(error).partition(". ")[0]) from None
    except RuntimeError as error:
        if group.size > 1 and is_peer_lost(error):
            raise PeerLost(str(error)) from None
        if "can't allocate memory" not in str(error):
            raise
        raise MemoryError(str(error).partition("] ")[2]) from None
    report.log_line("finished")
    group.leave()
    return 0


def _kill_workers() -> None:
    """Kill the data loader workers. Python would send them SIGTERM, which they ignore, and wait for ever."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch would raise an error at their end
    for worker in multiprocessing.active_children():
        worker.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
