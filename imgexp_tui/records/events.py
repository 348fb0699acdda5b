"""`events.jsonl`: the events of a run, one per line.

Every event has `time` (seconds since the epoch), `kind` and, for people, `message`. Kinds with more keys:

- `plan` (trainer, at each start): `epochs`, `steps_per_epoch`, `train_samples`, `valid_samples`, `chance`
  (metric name → value that guessing reaches), `encoder`, `parameters`, `device`, `processes` (their number),
  `transforms` (`train` and `valid` → names of the random transforms of images).
- `worker` (trainer, as each data loader worker begins): `worker`, `side`, `epoch`, and fingerprints of what its
  `python`, `numpy` and `torch` generators draw next.
- `settings` (trainer, after the first epoch): `unread`, the settings that the trainer never read.
- `progress` (trainer, at most once a second): `what`, `done`, `total` (None where unknown), `unit`.
- `checkpoint`: `epoch`, `step`, `best` (bool).
- `requeued` (supervisor): the cluster took the job back, and starts it again; `message` says why.
- `warning`, `queued`, `started`, `resumed`, `stopping`, `ended`: `message`.
"""

from __future__ import annotations

import time
from typing import Any

from imgexp_tui.records import jsonl
from imgexp_tui.records.rundir import RunDir


def append_event(run: RunDir, kind: str, message: str = "", **fields: Any) -> None:
    """Append one event with the current time."""
    jsonl.append_line(run.events, {"time": time.time(), "kind": kind, "message": message, **fields})
