"""Command `findings`: prints what the numbers of runs say."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from imgexp_tui.cli.common import find_run_dir, find_version, notebook_from_arguments, read_runs, read_runs_by_version
from imgexp_tui.cli.errors import CommandError
from imgexp_tui.findings.evaluate import findings_of
from imgexp_tui.findings.format import SEVERITY_MARKS, finding_row, format_evidence
from imgexp_tui.notebook.model import Notebook
from imgexp_tui.text import clean_line

if TYPE_CHECKING:
    from imgexp_tui.findings.model import Finding
    from imgexp_tui.records.metrics.follower import RunFollower

FollowersByVersion = dict[str, list["RunFollower"]]


def findings(arguments: Namespace) -> int:
    """Prints the findings of the named versions or runs; without names those of every version that has run."""
    notebook = notebook_from_arguments(arguments)
    views, selected = _select_runs(notebook, arguments.what)
    findings_by_run = [(view, findings_of(view, views, notebook)) for view in selected]
    if arguments.json:
        from imgexp_tui.cli.json_output import print_json

        return print_json([_json_row(view, of_run) for view, of_run in findings_by_run])
    for i, (view, of_run) in enumerate(findings_by_run):
        print(("\n" if i else "") + f"{clean_line(view.version)}/{view.run_id}: {view.status.state}")
        for one in of_run:
            _print_finding(one)
        if not of_run:
            print("   nothing to say")
    if not findings_by_run:
        print("no runs yet; start one with: imgexp-tui run V")
    return 0


def _select_runs(notebook: Notebook, names: Sequence[str]) -> tuple[FollowersByVersion, list[RunFollower]]:
    """Returns version → the runs for comparison, and the selected runs: of a version its newest."""
    if not names:
        views = read_runs_by_version(notebook)
        return views, [runs[0] for runs in views.values() if runs]
    views, selected = {}, []
    for name in names:
        if name in notebook.versions:
            runs = _load_runs(notebook, views, name)
            if not runs:
                raise CommandError(f"{name} has no run yet; start one with: imgexp-tui run {name}")
            selected.append(runs[0])
        else:
            selected.append(_find_run(notebook, views, name))
    for view in selected:
        if view.request and view.request.base:
            _load_runs(notebook, views, view.request.base)
    return views, selected


def _load_runs(notebook: Notebook, followers: FollowersByVersion, version: str) -> list[RunFollower]:
    if version not in followers:
        followers[version] = read_runs(notebook.lab, version)
    return followers[version]


def _find_run(notebook: Notebook, followers: FollowersByVersion, name: str) -> RunFollower:
    try:
        run_dir = find_run_dir(notebook.lab, name)
    except CommandError:
        if not name[:8].isdigit():
            find_version(notebook, name)  # its error suggests the nearest name
        raise
    runs = _load_runs(notebook, followers, run_dir.version)
    return next(view for view in runs if view.run_id == run_dir.run_id)


def _print_finding(finding: Finding) -> None:
    print(f"{SEVERITY_MARKS[finding.severity]:>2} {finding.sentence}")
    if finding.suggestion:
        print(f"   -> {finding.suggestion}")
    evidence = format_evidence(finding.evidence)
    print(f"   ({finding.name}{': ' + evidence if evidence else ''})")


def _json_row(follower: RunFollower, run_findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "version": follower.version,
        "run": follower.run_id,
        "state": follower.status.state.value,
        "findings": [finding_row(one) for one in run_findings],
    }
