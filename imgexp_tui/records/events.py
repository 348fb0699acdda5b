"""`events.jsonl`: what happened to a run, a line each.

Every event has `time` (seconds since the epoch), `kind` and, for people, `message`. The kinds that carry more:

- `plan` (trainer, at each start): `epochs`, `steps_per_epoch`, `train_samples`, `valid_samples`, `chance`
  (metric name → value that guessing reaches), `encoder`, `parameters`, `device`, `processes` (how many share the work),
  `transforms` (`train` and `valid` → names of what is done to images at random).
- `worker` (trainer, as each data loader worker begins): `worker`, `side`, `epoch`, and fingerprints of what its
  `python`, `numpy` and `torch` generators draw next.
- `settings` (trainer, after the first epoch): `unread`, the settings that nothing asked for.
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
    """Add one event, stamped now."""
    jsonl.append_line(run.events, {"time": time.time(), "kind": kind, "message": message, **fields})
