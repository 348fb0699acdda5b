"""`python -m imgexp_tui.training RUN_DIR`: train as the run's request says.

Exit code 0 when all epochs are done, 143 after SIGTERM (a checkpoint is saved), 1 with one sentence on stderr where it
cannot go on. A run that has `checkpoints/last` goes on from there.
"""

from __future__ import annotations

import errno
import multiprocessing
import signal
import sys
from pathlib import Path

from imgexp_tui.records.rundir import RunDir
from imgexp_tui.training.config import read_config
from imgexp_tui.training.errors import Stopped, TrainingError
from imgexp_tui.training.report import Report
from imgexp_tui.training.stop import StopSignal

_FULL = (errno.ENOSPC, errno.EDQUOT)


def main(arguments: list[str]) -> int:
    """Run the trainer. Returns the exit code."""
    stop = StopSignal()
    stop.install()
    if len(arguments) != 1:
        print("usage: python -m imgexp_tui.training RUN_DIR", file=sys.stderr)
        return 2
    run = RunDir(Path(arguments[0]).absolute())
    try:
        return _train(run, stop)
    except Stopped as stopped:
        print("stopped as asked", flush=True)
        return 128 + stopped.signum
    except TrainingError as error:
        return _fail(str(error))
    except MemoryError as error:
        return _fail(f"out of memory ({error}). Mend: a smaller batch_size, or cache_images = false")
    except OSError as error:
        where = error.filename or run.path
        if error.errno == errno.EIO:
            return _fail(f"the disk is failing ({where}): {error.strerror}. See dmesg, then resume this run elsewhere")
        if error.errno not in _FULL:
            raise
        return _fail(f"the disk is full ({where}): {error.strerror}. Free some space, then resume this run")
    finally:
        _end_workers()


def _train(run: RunDir, stop: StopSignal) -> int:
    config = read_config(run)
    report = Report(run, stop)
    # Late, because torch takes seconds: a signal or a wrong setting is answered before.
    import torch

    from imgexp_tui.training.loop import Training

    try:
        Training(run, config, report, stop).fit()
    except TrainingError as error:
        report.event("error", str(error))
        raise
    except torch.OutOfMemoryError as error:
        raise MemoryError(str(error).partition(". ")[0]) from None
    except RuntimeError as error:
        if "DataLoader worker" in str(error):  # torch's words name the process and what ended it
            raise TrainingError(
                f"{_first_line(error)} Resume this run, with fewer num_workers if memory ran out"
            ) from None
        if "can't allocate memory" not in str(error):
            raise
        raise MemoryError(str(error).partition("] ")[2]) from None
    report.line("finished")
    return 0


def _end_workers() -> None:
    """Leave no data loader worker. Python would send them SIGTERM, which they do not mind, and wait for them for ever."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch would take their end for a fault
    for worker in multiprocessing.active_children():
        worker.kill()


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].strip().rstrip(".") + "."


def _fail(sentence: str) -> int:
    print(f"error: {sentence}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
