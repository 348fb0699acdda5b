"""Writes why one of several processes ended, into the file that torchrun names, for their parent to read.

Only the parent knows which process failed first. So the log has that one's message, and not those of the processes
that failed as a consequence.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path

_ERROR_FILE_VARIABLE = "TORCHELASTIC_ERROR_FILE"
_PR_SET_PDEATHSIG = 1


def is_torchrun_child() -> bool:
    """Whether torchrun started this process."""
    return bool(os.environ.get(_ERROR_FILE_VARIABLE))


def write_exit_report(text: str, *, peer_lost: bool = False) -> bool:
    """Write `text` for the parent. Returns False if there is no parent to read it, or it cannot be written.

    Args:
        peer_lost: whether another process failed first.
    """
    if not is_torchrun_child():
        return False
    path = Path(os.environ[_ERROR_FILE_VARIABLE])
    # The format of torch.distributed.elastic, with the seconds as a string.
    message = {"message": text, "extraInfo": {"timestamp": str(int(time.time()))}}
    try:
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps({"message": message, "time": time.time(), "lost": peer_lost}))
        temporary.replace(path)
    except OSError:
        return False
    return True


def signal_on_parent_exit(signum: signal.Signals) -> None:
    """Let the kernel send `signum` to this process when its parent ends (man 2 prctl, PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
