"""`run`, `runs`, `stop`, `resume`, `logs`."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imgexp_tui.cli.common import lab_of, notebook_of, table, version_of, views_of
from imgexp_tui.cli.errors import CommandError
from imgexp_tui.notebook.model import Notebook, Version
from imgexp_tui.notebook.schema.resources import NEEDS
from imgexp_tui.notebook.schema.settings import SETTINGS, Value, nearest
from imgexp_tui.records import jsonl
from imgexp_tui.records.metrics.follower import RunView
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.status import State, Status, status
from imgexp_tui.text import clean_line, clean_log, duration, number

_POLL = 0.25
"""Seconds between two looks at a log that is followed."""


def run(arguments: Namespace) -> int:
    """Launch versions; what finds its place taken waits in the queue. With `--wait` until all have ended."""
    notebook = notebook_of(arguments)
    versions = [version_of(notebook, name) for name in arguments.versions]
    if arguments.seeds is not None and arguments.seeds < 1:
        raise CommandError(f"--seeds {arguments.seeds}: it takes a whole number from 1 on", 2)
    plans = [(v, _overrides(v, arguments.set)) for v in versions]
    under_way: list[RunDir] = []
    with _told_if_left(under_way):
        for version, overrides in plans:
            for started in _launched(arguments, notebook, version, overrides):
                under_way.append(started)
                _announce(started, "started")
        if arguments.wait:
            return 0 if _wait_for(under_way) else 1
    print("It goes on when you log out. Watch it: imgexp-tui, or: imgexp-tui logs -f " + versions[-1].name)
    return 0


def _launched(
    arguments: Namespace, notebook: Notebook, version: Version, overrides: dict[str, Value]
) -> Iterator[RunDir]:
    """Start one run of a version, or one a seed."""
    from imgexp_tui.runner.launch import LaunchError, launch, launch_seeds

    needs = {key: value for key in NEEDS if (value := getattr(arguments, key)) is not None}
    more: dict[str, Any] = {"overrides": overrides, "seed": arguments.seed, "needs": needs}
    try:
        if arguments.seeds is None:
            yield launch(notebook, version.name, **more)
        else:
            yield from launch_seeds(notebook, version.name, arguments.seeds, **more)
    except LaunchError as error:
        raise CommandError(str(error)) from None


def list_runs(arguments: Namespace) -> int:
    """The runs of the lab or of one version, newest first."""
    lab = lab_of(arguments)
    if arguments.version is not None:
        version_of(notebook_of(arguments), arguments.version)
    views = views_of(lab, arguments.version)
    if arguments.json:
        from imgexp_tui.cli.json_output import print_json
        from imgexp_tui.reports.tabular import run_row

        return print_json([run_row(view) for view in views])
    if not views:
        print("no runs yet; start one with: imgexp-tui run VERSION")
        return 0
    print(table([["version", "run", "state", "epoch", "best", "evidence"], *map(_row, views)]))
    return 0


def stop(arguments: Namespace) -> int:
    """Ask a run to stop, and wait until it has."""
    from imgexp_tui.runner import control

    target = _find(arguments)
    try:
        control.stop(target)
        print(f"{_name(target)}: asked to save a checkpoint and stop", flush=True)
        how = control.wait(target)
    except control.ControlError as error:
        raise CommandError(str(error)) from None
    print(f"{_name(target)}: {_told(how)}")
    return 0


def resume(arguments: Namespace) -> int:
    """Go on from a run's last checkpoint."""
    from imgexp_tui.runner import control

    target = _find(arguments, live_first=False)
    try:
        control.resume(target)
    except control.ControlError as error:
        raise CommandError(str(error)) from None
    under_way = [target]
    with _told_if_left(under_way):
        _announce(target, "resumed")
        return 0 if not arguments.wait or _wait_for(under_way) else 1


def logs(arguments: Namespace) -> int:
    """Print a run's log, cleaned; with `-f` until the run has ended."""
    target = _find(arguments)
    view = RunView(target)
    try:
        file = target.log.open("rb")
    except FileNotFoundError:
        print(f"{_name(target)} has printed nothing yet", file=sys.stderr)
        if not arguments.follow:
            return 0
        target.log.touch(mode=0o600)
        file = target.log.open("rb")
    with file:
        rest = b""
        while True:
            view.poll()
            live = view.status.state.live
            # The state is read before the log: what a run that has ended printed last is then not missed.
            *whole, rest = (rest + file.read()).split(b"\n")
            for line in whole:
                print(clean_log(line.decode("utf-8", "replace")))
            sys.stdout.flush()
            if not (arguments.follow and live):
                break
            time.sleep(_POLL)
        if rest:
            print(clean_log(rest.decode("utf-8", "replace")))
    return 0


def _overrides(version: Version, pairs: list[str]) -> dict[str, Value]:
    """What `--set KEY=VALUE` asks for, checked against the settings that `version` takes."""
    found: dict[str, Value] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise CommandError(f"--set {pair}: write it as KEY=VALUE, such as --set epochs=2", 2)
        known = SETTINGS if version.command is None else version.train
        if key not in known:
            near = nearest(key, known)
            hint = f"did you mean {near}?" if near else f"take one of {', '.join(known)}"
            raise CommandError(f"--set {key}: {version.name} has no such setting; {hint}", 2)
        try:
            found[key] = SETTINGS[key].parse(text) if version.command is None else _typed(text, version.train[key])
        except ValueError as error:
            raise CommandError(f"--set {key}: {error}", 2) from None
    if isinstance(data := found.get("data"), str) and Path(data).expanduser().exists():
        # A path on the command line is meant from here, one in the notebook from the lab.
        found["data"] = str(Path(data).expanduser().absolute())
    return found


def _typed(text: str, like: Value) -> Value:
    """`text` as the kind that the notebook's value has, for the free settings of a `command` version."""
    if isinstance(like, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{text!r} is not true or false")
        return text.lower() == "true"
    return type(like)(text)


def _find(arguments: Namespace, *, live_first: bool = True) -> RunDir:
    from imgexp_tui.runner.control import ControlError
    from imgexp_tui.runner.find_run import find_run

    try:
        return find_run(lab_of(arguments), arguments.run, live_first=live_first)
    except ControlError as error:
        raise CommandError(str(error)) from None


def _announce(target: RunDir, word: str) -> None:
    """Say that a run is under way, or why it has to wait, and what it was warned of."""
    told: list[str] = []
    for event in jsonl.read(target.events):
        if event.get("kind") == "warning":
            told.append(clean_line(str(event.get("message", ""))))
        elif event.get("kind") in ("queued", "started", "resumed"):
            told.clear()  # of an earlier attempt
    for sentence in told:
        print(f"{_name(target)}: {sentence}", file=sys.stderr)
    found = status(target)
    waits = found.state is State.QUEUED
    print(f"{_name(target)} {f'queued: {clean_line(found.evidence)}' if waits else word}", flush=True)


@contextmanager
def _told_if_left(under_way: list[RunDir]) -> Iterator[None]:
    """Say of each run that it goes on, where the user interrupts what is done in between."""
    try:
        yield
    except KeyboardInterrupt:
        told = [f"{_name(target)} goes on; stop it with: imgexp-tui stop {target.run}" for target in under_way]
        print("", *told, sep="\n", file=sys.stderr)
        raise


def _wait_for(under_way: list[RunDir]) -> bool:
    """Wait for the end of each, and take it out of the list; whether all finished."""
    well = True
    while under_way:
        well = _wait(under_way[0]) and well
        del under_way[0]
    return well


def _wait(target: RunDir) -> bool:
    """Wait for a run's end and say how it ended; whether it finished."""
    from imgexp_tui.runner.control import wait

    how = wait(target)
    view = RunView(target)
    view.poll()
    best = view.best()
    began = view.started or (view.request.created if view.request else None)
    took = f" after {duration(how.exit.ended - began)}" if how.exit and began is not None else ""
    reached = f", best {best.metric} {number(best.value)}" if best else ""
    print(f"{_name(target)}: {_told(how)}{took}{reached}", flush=True)
    return how.state is State.FINISHED


def _row(view: RunView) -> list[str]:
    best = view.best()
    return [
        view.version,
        view.run,
        view.status.state,
        f"{view.epoch:g}/{view.epochs}" if view.epoch is not None and view.epochs else "",
        f"{best.metric} {number(best.value)}" if best else "",
        view.status.evidence,
    ]


def _name(target: RunDir) -> str:
    return f"{target.version}/{target.run}"


def _told(how: Status) -> str:
    """State and evidence, without saying the same word twice."""
    evidence = clean_line(how.evidence)
    return evidence if evidence.startswith(how.state) else f"{how.state}, {evidence}" if evidence else how.state
