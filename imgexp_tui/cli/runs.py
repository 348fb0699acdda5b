"""Commands `run`, `runs`, `stop`, `resume` and `logs`: start, list, stop, resume and follow runs."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imgexp_tui.cli.common import find_run_dir, find_version, format_table, lab_from, notebook_from_arguments, read_runs
from imgexp_tui.cli.errors import CommandError
from imgexp_tui.notebook.model import Notebook, Version
from imgexp_tui.notebook.schema.resources import RESOURCE_KEYS
from imgexp_tui.notebook.schema.settings import SETTINGS, SettingValue, closest_name
from imgexp_tui.records import jsonl
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.records.status import State, Status, status
from imgexp_tui.text import clean_line, clean_log, format_duration, format_number

_POLL_INTERVAL = 0.25
"""Seconds between two reads of a log that is followed."""


def run(arguments: Namespace) -> int:
    """Starts versions, or queues them where the resources are taken; with `--wait` waits until all have ended."""
    notebook = notebook_from_arguments(arguments)
    versions = [find_version(notebook, name) for name in arguments.versions]
    if arguments.seeds is not None and arguments.seeds < 1:
        raise CommandError(f"--seeds {arguments.seeds}: it takes a whole number from 1 on", 2)
    plans = [(v, _parse_overrides(v, arguments.set)) for v in versions]
    under_way: list[RunDir] = []
    with _report_on_interrupt(under_way):
        for version, overrides in plans:
            for started in _start_runs(arguments, notebook, version, overrides):
                under_way.append(started)
                _report_start(started, "started")
        if arguments.wait:
            return 0 if _wait_for_all(under_way) else 1
    print("It goes on when you log out. Watch it: imgexp-tui, or: imgexp-tui logs -f " + versions[-1].name)
    return 0


def _start_runs(
    arguments: Namespace, notebook: Notebook, version: Version, overrides: dict[str, SettingValue]
) -> Iterator[RunDir]:
    """Yields the runs of a version as they start: one, or one for each seed.

    Raises:
        CommandError: a run could not be started.
    """
    from imgexp_tui.runner.launch import LaunchError, launch, launch_seeds

    resources = {key: value for key in RESOURCE_KEYS if (value := getattr(arguments, key)) is not None}
    more: dict[str, Any] = {"overrides": overrides, "seed": arguments.seed, "resources": resources}
    try:
        if arguments.seeds is None:
            yield launch(notebook, version.name, **more)
        else:
            yield from launch_seeds(notebook, version.name, arguments.seeds, **more)
    except LaunchError as error:
        raise CommandError(str(error)) from None


def list_runs(arguments: Namespace) -> int:
    """Prints the runs of the lab or of one version, newest first."""
    lab = lab_from(arguments)
    if arguments.version is not None:
        find_version(notebook_from_arguments(arguments), arguments.version)
    views = read_runs(lab, arguments.version)
    if arguments.json:
        from imgexp_tui.cli.json_output import print_json
        from imgexp_tui.reports.tabular import run_row

        return print_json([run_row(view) for view in views])
    if not views:
        print("no runs yet; start one with: imgexp-tui run VERSION")
        return 0
    print(format_table([["version", "run", "state", "epoch", "best", "evidence"], *map(_table_row, views)]))
    return 0


def stop(arguments: Namespace) -> int:
    """Asks a run to stop, and waits until it has."""
    from imgexp_tui.runner import control

    target = find_run_dir(lab_from(arguments), arguments.run)
    try:
        control.stop(target)
        print(f"{_run_name(target)}: asked to save a checkpoint and stop", flush=True)
        end_status = control.wait_for_end(target)
    except control.ControlError as error:
        raise CommandError(str(error)) from None
    print(f"{_run_name(target)}: {_format_status(end_status)}")
    return 0


def resume(arguments: Namespace) -> int:
    """Resumes a run from its last checkpoint."""
    from imgexp_tui.runner import control

    target = find_run_dir(lab_from(arguments), arguments.run, live_first=False)
    try:
        control.resume(target)
    except control.ControlError as error:
        raise CommandError(str(error)) from None
    under_way = [target]
    with _report_on_interrupt(under_way):
        _report_start(target, "resumed")
        return 0 if not arguments.wait or _wait_for_all(under_way) else 1


def logs(arguments: Namespace) -> int:
    """Prints a run's log, cleaned; with `-f` until the run has ended."""
    target = find_run_dir(lab_from(arguments), arguments.run)
    view = RunFollower(target)
    try:
        file = target.log.open("rb")
    except FileNotFoundError:
        print(f"{_run_name(target)} has printed nothing yet", file=sys.stderr)
        if not arguments.follow:
            return 0
        target.log.touch(mode=0o600)
        file = target.log.open("rb")
    with file:
        rest = b""
        while True:
            view.poll()
            live = view.status.state.live
            # The state is read before the log, so that the last lines of a run that has ended are not missed.
            *complete_lines, rest = (rest + file.read()).split(b"\n")
            for line in complete_lines:
                print(clean_log(line.decode("utf-8", "replace")))
            sys.stdout.flush()
            if not (arguments.follow and live):
                break
            time.sleep(_POLL_INTERVAL)
        if rest:
            print(clean_log(rest.decode("utf-8", "replace")))
    return 0


def _parse_overrides(version: Version, pairs: list[str]) -> dict[str, SettingValue]:
    """Returns the settings of `--set KEY=VALUE`, checked against the settings that `version` takes.

    Raises:
        CommandError: a setting is unknown or has a wrong value.
    """
    overrides: dict[str, SettingValue] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise CommandError(f"--set {pair}: write it as KEY=VALUE, such as --set epochs=2", 2)
        known = SETTINGS if version.command is None else version.train
        if key not in known:
            near = closest_name(key, known)
            hint = f"did you mean {near}?" if near else f"take one of {', '.join(known)}"
            raise CommandError(f"--set {key}: {version.name} has no such setting; {hint}", 2)
        try:
            overrides[key] = (
                SETTINGS[key].parse(text) if version.command is None else _parse_like(text, version.train[key])
            )
        except ValueError as error:
            raise CommandError(f"--set {key}: {error}", 2) from None
    if isinstance(data := overrides.get("data"), str) and Path(data).expanduser().exists():
        # A path on the command line is relative to this folder, one in the notebook to the lab.
        overrides["data"] = str(Path(data).expanduser().absolute())
    return overrides


def _parse_like(text: str, example: SettingValue) -> SettingValue:
    """Returns `text` as the type of the notebook's value, for the free settings of a `command` version.

    Raises:
        ValueError: it is no value of that type.
    """
    if isinstance(example, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{text!r} is not true or false")
        return text.lower() == "true"
    return type(example)(text)


def _report_start(run_dir: RunDir, word: str) -> None:
    """Prints that a run has started, or why it waits, after the warnings of this attempt."""
    warnings: list[str] = []
    for event in jsonl.read_records(run_dir.events):
        if event.get("kind") == "warning":
            warnings.append(clean_line(str(event.get("message", ""))))
        elif event.get("kind") in ("queued", "started", "resumed"):
            warnings.clear()  # of an earlier attempt
    for sentence in warnings:
        print(f"{_run_name(run_dir)}: {sentence}", file=sys.stderr)
    run_status = status(run_dir)
    waits = run_status.state is State.QUEUED
    print(f"{_run_name(run_dir)} {f'queued: {clean_line(run_status.evidence)}' if waits else word}", flush=True)


@contextmanager
def _report_on_interrupt(live_runs: list[RunDir]) -> Iterator[None]:
    """Prints for each run that it goes on, where the user interrupts the body with Ctrl+C."""
    try:
        yield
    except KeyboardInterrupt:
        lines = [f"{_run_name(target)} goes on; stop it with: imgexp-tui stop {target.run_id}" for target in live_runs]
        print("", *lines, sep="\n", file=sys.stderr)
        raise


def _wait_for_all(live_runs: list[RunDir]) -> bool:
    """Waits for each run to end and removes it from the list; returns whether all finished."""
    well = True
    while live_runs:
        well = _wait_and_report(live_runs[0]) and well
        del live_runs[0]
    return well


def _wait_and_report(run_dir: RunDir) -> bool:
    """Waits for a run to end and prints how it ended; returns whether it finished."""
    from imgexp_tui.runner.control import wait_for_end

    end_status = wait_for_end(run_dir)
    view = RunFollower(run_dir)
    view.poll()
    best = view.best()
    began = view.attempt_started_at or (view.request.created if view.request else None)
    duration = (
        f" after {format_duration(end_status.exit.ended - began)}" if end_status.exit and began is not None else ""
    )
    reached = f", best {best.metric} {format_number(best.value)}" if best else ""
    print(f"{_run_name(run_dir)}: {_format_status(end_status)}{duration}{reached}", flush=True)
    return end_status.state is State.FINISHED


def _table_row(follower: RunFollower) -> list[str]:
    best = follower.best()
    return [
        follower.version,
        follower.run_id,
        follower.status.state,
        f"{follower.epoch:g}/{follower.planned_epochs}"
        if follower.epoch is not None and follower.planned_epochs
        else "",
        f"{best.metric} {format_number(best.value)}" if best else "",
        follower.status.evidence,
    ]


def _run_name(run_dir: RunDir) -> str:
    return f"{run_dir.version}/{run_dir.run_id}"


def _format_status(run_status: Status) -> str:
    """Returns state and evidence, without the same word twice."""
    evidence = clean_line(run_status.evidence)
    return (
        evidence
        if evidence.startswith(run_status.state)
        else f"{run_status.state}, {evidence}"
        if evidence
        else run_status.state
    )
