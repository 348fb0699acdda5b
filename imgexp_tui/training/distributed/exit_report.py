"""What ends one of several processes, told to their parent in the file that torchrun names.

Only the parent knows which of them failed first, so that the log says it once and the others' words, which follow from
it, are not heard.
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
    """Leave `text` for the parent; False where there is none to read it, or no room.

    Args:
        peer_lost: it was another process that failed.
    """
    if not is_torchrun_child():
        return False
    path = Path(os.environ[_ERROR_FILE_VARIABLE])
    # The form is torch.distributed.elastic's own; it wants seconds as a text.
    message = {"message": text, "extraInfo": {"timestamp": str(int(time.time()))}}
    try:
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps({"message": message, "time": time.time(), "lost": peer_lost}))
        temporary.replace(path)
    except OSError:
        return False
    return True


def signal_on_parent_exit(signum: signal.Signals) -> None:
    """Have `signum` sent to this process when its parent ends (man 2 prctl, PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
