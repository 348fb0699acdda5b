"""`python -m imgexp_tui.training RUN_DIR`: train as the run's request says.

Exit code 0 when all epochs are done, 143 after SIGTERM (a checkpoint is saved), 1 with one sentence on stderr where it
cannot go on. A run that has `checkpoints/last` goes on from there. Started by torchrun it is one of several processes;
then `ranks`, their parent, says the sentence.
"""

from __future__ import annotations

import errno
import signal
import sys
import traceback
from pathlib import Path

from imgexp_tui.records.rundir import RunDir
from imgexp_tui.training import ending
from imgexp_tui.training.config import read_config
from imgexp_tui.training.errors import PeerLost, Stopped, TrainingError
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
    if ending.has_parent():
        ending.end_with_parent(signal.SIGTERM)
    try:
        return _train(run, stop)
    except Stopped as stopped:
        if not ending.has_parent():
            print("stopped as asked", flush=True)
        return 128 + stopped.signum
    except PeerLost as lost:
        ending.tell(str(lost), lost=True)
        return 1
    # Whatever it is, the parent of several processes wants to hear it.
    except Exception as error:
        sentence = _sentence(error, run)
        text = f"error: {sentence}" if sentence else traceback.format_exc().rstrip()
        if not ending.tell(text):
            if not sentence:
                raise
            print(text, file=sys.stderr, flush=True)
        return 1


def _sentence(error: Exception, run: RunDir) -> str | None:
    """What went wrong and the mend; None for a fault in the code."""
    if isinstance(error, TrainingError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"out of memory ({error}). Mend: a smaller batch_size, or cache_images = false"
    if isinstance(error, OSError) and error.errno in _FULL:
        where = error.filename or run.path
        return f"the disk is full ({where}): {error.strerror}. Free some space, then resume this run"
    return None


def _train(run: RunDir, stop: StopSignal) -> int:
    config = read_config(run)
    # Late, because torch takes seconds: a signal or a wrong setting is answered before.
    import torch

    from imgexp_tui.training.group import Group, lost_a_peer
    from imgexp_tui.training.loop import Training

    group = Group.join(stop)
    report = Report(run, stop, group)
    try:
        Training(run, config, report, stop, group).fit()
    except TrainingError as error:
        report.error(str(error))
        raise
    except torch.OutOfMemoryError as error:
        raise MemoryError(str(error).partition(". ")[0]) from None
    except RuntimeError as error:
        if group.size > 1 and lost_a_peer(error):
            raise PeerLost(str(error)) from None
        if "can't allocate memory" not in str(error):
            raise
        raise MemoryError(str(error).partition("] ")[2]) from None
    report.line("finished")
    group.leave()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
