"""Data loader workers that draw the same random numbers, so that every augmentation comes several times.

The old NumPy-and-PyTorch fault: processes that are forked have the same generator, unless each is seeded. The trainer
tells, of each worker as it begins, a fingerprint of what its Python, NumPy and torch generators will give. Equal ones
are equal generators: there are no thresholds."""

from __future__ import annotations

from collections import defaultdict

from imgexp_tui.findings.model import Evidence, Finding, Severity
from imgexp_tui.findings.run_data import RunData
from imgexp_tui.text import clean_line, join_names

NAME = "worker_seeds"
ORDER = 160
_GENERATORS = ("python", "numpy", "torch")


def find(run: RunData) -> Finding | None:
    events_by_epoch: dict[tuple[object, object], list[dict[str, object]]] = defaultdict(list)
    for event in run.events:
        if event.get("kind") == "worker":
            events_by_epoch[event.get("side"), event.get("epoch")].append(event)
    for (side, _), workers in events_by_epoch.items():
        numbers = {w.get("worker") for w in workers}
        for generator in _GENERATORS:
            of: dict[object, set[object]] = defaultdict(set)
            for worker in workers:
                if worker.get(generator) is not None:
                    of[worker[generator]].add(worker.get("worker"))
            same_seed_workers = max(of.values(), key=len, default=set())
            if len(same_seed_workers) > 1:
                names = join_names([clean_line(str(n)) for n in sorted(same_seed_workers, key=str)])
                return Finding(
                    NAME,
                    Severity.WARNING,
                    f"Workers {names} of {len(numbers)} draw the same random numbers ({generator}"
                    + (f", {clean_line(str(side))} images)." if side else ")."),
                    Evidence(),
                    "Seed each worker with its own number (worker_init_fn, torch.initial_seed()).",
                )
    return None
