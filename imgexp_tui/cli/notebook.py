"""Commands `init`, `check`, `list`, `note` and `import`: create, read and edit the notebook."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from imgexp_tui import durable
from imgexp_tui.cli.common import find_version, format_table, lab_from, notebook_from_arguments, read_runs_by_version
from imgexp_tui.cli.errors import CommandError
from imgexp_tui.notebook.model import Notebook, NotebookError, Version
from imgexp_tui.notebook.saving.outcome import SaveOutcome
from imgexp_tui.paths import NOTEBOOK, RUNS
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.metric import version_judges
from imgexp_tui.records.metrics.run_state import best_run
from imgexp_tui.text import clean, first_line, format_age, format_number


def init(arguments: Namespace) -> int:
    """Starts a lab in a folder: a commented notebook and `runs/`. Existing files stay."""
    lab: Path = (arguments.dir or arguments.lab).expanduser()
    try:
        lab.mkdir(parents=True, exist_ok=True)
        (lab / RUNS).mkdir(mode=0o700, exist_ok=True)
        durable.create(lab / NOTEBOOK, (files("imgexp_tui.cli") / "starter.toml").read_bytes(), mode=0o644)
    except FileExistsError:
        raise CommandError(f"{lab / NOTEBOOK} is there already; nothing was changed") from None
    except OSError as error:
        raise CommandError(f"cannot start a lab in {lab}: {error.strerror}") from None
    folder_argument = "" if lab.resolve() == Path.cwd() else f" {lab}"
    print(f"{lab / NOTEBOOK} written. Next: imgexp-tui{folder_argument}")
    return 0


def check(arguments: Namespace) -> int:
    """Prints every problem of the notebook; returns 1 where there is one."""
    notebook = notebook_from_arguments(arguments)
    for problem in notebook.problems:
        print(clean(str(problem)))
    if notebook.problems:
        return 1
    count = len(notebook.versions)
    print(f"{notebook.path}: {count} version{'s' if count != 1 else ''}, no problems")
    return 0


def list_versions(arguments: Namespace) -> int:
    """Prints the versions in the notebook's order, with the state and the best metric of their runs.

    The table leaves archived versions out unless `--all` is given; the JSON always has them.
    """
    notebook = notebook_from_arguments(arguments)
    views = read_runs_by_version(notebook)
    selected = (
        _filter_versions(notebook, views, arguments.filter) if arguments.filter else list(notebook.versions.values())
    )
    if arguments.json:
        from imgexp_tui.cli.json_output import print_json
        from imgexp_tui.reports.tabular import version_row

        return print_json([version_row(v, views[v.name], version_judges(notebook, v.name)) for v in selected])
    if not notebook.versions:
        print(f"{notebook.path} has no versions yet")
        return 0
    hidden = 0 if arguments.all else sum(version.archived for version in selected)
    from imgexp_tui.notebook.history.log import last_changed_times

    times, now = last_changed_times(notebook.lab, notebook), time.time()
    rows = [["version", "state", "best", "runs", "noted", "summary"]]
    for version in selected:
        if version.archived and not arguments.all:
            continue
        runs = views[version.name]
        best = best_run(runs, version_judges(notebook, version.name))
        rows.append(
            [
                version.name,
                "broken" if version.problems else runs[0].status.state if runs else "-",
                f"{best[1].metric} {format_number(best[1].value)}" if best else "-",
                str(len(runs)),
                format_age(now - times[version.name]) if version.name in times else "-",
                first_line(version.summary),
            ]
        )
    print(format_table(rows))
    if hidden:
        print(
            f"{hidden} archived version{'s are' if hidden > 1 else ' is'} hidden; see all with: --all", file=sys.stderr
        )
    if notebook.problems:
        print(f"{notebook.path} has problems; see them with: imgexp-tui check", file=sys.stderr)
    return 0


def _filter_versions(
    notebook: Notebook, followers: Mapping[str, Sequence[RunFollower]], filter_text: str
) -> list[Version]:
    """Returns the versions that match a filter.

    Raises:
        CommandError: the filter cannot be parsed.
    """
    from imgexp_tui.records.version_filter import FilterError, VersionFacts, parse_filter

    facts = []
    for version in notebook.versions.values():
        runs = followers[version.name]
        best = best_run(runs, version_judges(notebook, version.name))
        states = {view.status.state.value for i, view in enumerate(runs) if i == 0 or view.status.state.live}
        facts.append(VersionFacts(version, states, best[1].metric_values if best else {}))
    try:
        parsed = parse_filter(filter_text, {metric for one in facts for metric in one.metric_values})
    except FilterError as error:
        raise CommandError(str(error), 2) from None
    return [one.version for one in facts if parsed is None or parsed.matches(one)]


def note(arguments: Namespace) -> int:
    """Adds a takeaway to a version, or replaces its summary."""
    from imgexp_tui.notebook.ideas.bullets import append_bullet
    from imgexp_tui.notebook.saving.save import save_note

    notebook = notebook_from_arguments(arguments)
    version = find_version(notebook, arguments.version)
    if arguments.takeaway is not None:
        if not arguments.takeaway.strip():
            raise CommandError("--takeaway is empty; write what was learned", 2)
        field, old_text = "takeaways", version.takeaways
        text = append_bullet(old_text, arguments.takeaway)
    else:
        field, old_text, text = "summary", version.summary, arguments.summary
    try:
        saved = save_note(notebook.lab, version.name, field, text, original=old_text)
    except NotebookError as error:
        raise CommandError(str(error)) from None
    print(f"{version.name}: {field} {saved.outcome}")
    return 1 if saved.outcome is SaveOutcome.CONFLICT else 0


def import_file(arguments: Namespace) -> int:
    """Imports a plain notes file into the notebook, which is created if it is missing."""
    from imgexp_tui.notebook.plain.importer import import_notes

    source = str(arguments.file)
    try:
        raw = sys.stdin.buffer.read() if source == "-" else arguments.file.expanduser().read_bytes()
        text = raw.decode("utf-8")
    except OSError as error:
        raise CommandError(f"cannot read {source}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise CommandError(f"{source}:{line}: this is not UTF-8; convert the file, for example with iconv") from None
    lab = arguments.lab.expanduser()
    if (lab / NOTEBOOK).exists():
        lab = lab_from(arguments)
    try:
        report = import_notes(lab, text, source)
    except NotebookError as error:
        raise CommandError(str(error)) from None
    if not (report.added or report.unchanged or report.conflicts):
        mend = "a version is a name on a line of its own with -- under it"
        raise CommandError(f"{source} holds no version, so that nothing was imported; {mend}")
    for remark in report.remarks:
        print(clean(str(remark)))
    for word, names in (
        ("added", report.added),
        ("unchanged", report.unchanged),
        ("not overwritten", report.conflicts),
    ):
        if names:
            print(f"{word}: {', '.join(clean(str(n)) for n in names)}")
    if report.conflicts:
        print(f"These notes differ from {NOTEBOOK}; it keeps its own. Rename the version in {source} to import both.")
    return 1 if report.conflicts else 0
