"""Finds the run that a user names on the command line by an id, a version, or how an id begins."""

from __future__ import annotations

from pathlib import Path

from imgexp_tui.notebook.schema.settings import closest_name
from imgexp_tui.records.rundir import RunDir, find_runs
from imgexp_tui.records.status import status
from imgexp_tui.runner.control import ControlError
from imgexp_tui.text import clean_line, join_names

_MAX_NAMED = 5


def find_run(lab: Path, text: str, *, live_first: bool = True) -> RunDir:
    """Returns the run of `lab` that `text` names: a run id, a version, `version/id`, or how an id begins.

    A version stands for its newest running run, else its newest waiting run, else its newest run, as in the app.

    Args:
        live_first: False takes a version's newest run, whatever the state of the others.

    Raises:
        ControlError: it names no run, or more than one.
    """
    runs = find_runs(lab)
    version, slash, start = text.strip().strip("/").rpartition("/")
    if not slash:
        if exact := [r for r in runs if r.run_id == start]:
            return exact[0]
        if of_version := [r for r in runs if r.version == start]:
            return max(of_version, key=lambda run: status(run).state.rank) if live_first else of_version[0]
    begins = [r for r in runs if start and r.run_id.startswith(start) and (not slash or r.version == version)]
    if len(begins) > 1:
        names = [f"{r.version}/{r.run_id}" for r in begins[:_MAX_NAMED]]
        more = ["others"] if len(begins) > _MAX_NAMED else []
        raise ControlError(f"{clean_line(text)} could mean {join_names(names + more, 'or')}; give more of the id")
    if not begins:
        raise ControlError(_not_found_message(text, runs))
    return begins[0]


def _not_found_message(text: str, runs: list[RunDir]) -> str:
    message = f"no run {clean_line(text)}, and no version of this name that has run"
    near = closest_name(text, {r.version for r in runs} | {r.run_id for r in runs})
    return f"{message}; did you mean {near}?" if near else f"{message}; see them with: imgexp-tui runs"
