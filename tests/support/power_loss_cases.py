"""What is recorded for the power cuts of `notebook/saving/test_power_loss`: one case a process, under the recorder.

    LD_PRELOAD=recorder.so python -m tests.support.power_loss_cases CASE FOLDER LOG

Each ends with a mark in the record, from which on it counts as done.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import preload

from imgexp_tui import durable
from imgexp_tui.notebook.history.drafts import Draft, delete_draft, write_draft
from imgexp_tui.notebook.saving import atomic_swap
from imgexp_tui.notebook.saving.save import save_note

OLD = "[versions.v0]\nsummary = 'old'\n"
NEW, THEIRS = OLD.replace("old", "new"), OLD.replace("old", "theirs")
DRAFT = Draft("v0", "summary", "typed", "old", 1.0)


def lab_of(base: Path) -> Path:
    return base / "lab"


def notebook_of(base: Path) -> Path:
    return lab_of(base) / "experiments.toml"


def save(base: Path) -> None:
    save_note(lab_of(base), "v0", "summary", "new", original="old")


def save_without_an_exchange(base: Path) -> None:
    atomic_swap._exchange = lambda a, b: False
    save(base)


def displace_a_file_of_others(base: Path) -> None:
    """It is renamed into place, durably, between the last look and the exchange; then put back."""
    exchange_ = atomic_swap._exchange

    def late(a: Path, b: Path) -> bool:
        atomic_swap._exchange = exchange_
        durable.replace(b, THEIRS.encode())
        return exchange_(a, b)

    atomic_swap._exchange = late
    assert not atomic_swap.compare_and_swap(notebook_of(base), NEW.encode(), OLD.encode())


def mend(base: Path) -> None:
    atomic_swap.recover_interrupted_swaps(notebook_of(base))


def keep_a_draft(base: Path) -> None:
    write_draft(lab_of(base), DRAFT)


def drop_a_draft(base: Path) -> None:
    delete_draft(lab_of(base), "v0", "summary")


CASES: dict[str, Callable[[Path], None]] = {
    case.__name__: case
    for case in (
        save,
        save_without_an_exchange,
        displace_a_file_of_others,
        mend,
        keep_a_draft,
        drop_a_draft,
    )
}


def main() -> None:
    case, base, log = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    os.environ["XDG_STATE_HOME"] = str(base / "state")
    preload.record(base, log)
    CASES[case](base)
    preload.mark(log, "done")


if __name__ == "__main__":
    main()
