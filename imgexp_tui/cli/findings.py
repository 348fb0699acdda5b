"""`findings`: what the numbers of versions' runs say."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from imgexp_tui.cli.common import notebook_of, version_of, views_by_version, views_of
from imgexp_tui.cli.errors import CommandError
from imgexp_tui.findings.evaluate import findings_of
from imgexp_tui.findings.format import MARKS, evidence, row
from imgexp_tui.notebook.model import Notebook
from imgexp_tui.text import clean_line

if TYPE_CHECKING:
    from imgexp_tui.findings.model import Finding
    from imgexp_tui.records.metrics.follower import RunView

Views = dict[str, list["RunView"]]


def findings(arguments: Namespace) -> int:
    """Print the findings of the versions or runs that are named; of every version that has run without."""
    notebook = notebook_of(arguments)
    views, looked_at = _wanted(notebook, arguments.what)
    found = [(view, findings_of(view, views, notebook)) for view in looked_at]
    if arguments.json:
        from imgexp_tui.cli.json_output import print_json

        return print_json([_row(view, of_run) for view, of_run in found])
    for i, (view, of_run) in enumerate(found):
        print(("\n" if i else "") + f"{clean_line(view.version)}/{view.run}: {view.status.state}")
        for one in of_run:
            _print(one)
        if not of_run:
            print("   nothing to say")
    if not found:
        print("no runs yet; start one with: imgexp-tui run V")
    return 0


def _wanted(notebook: Notebook, names: Sequence[str]) -> tuple[Views, list[RunView]]:
    """The runs to compare with, by version, and those to look at: of a version its newest."""
    if not names:
        views = views_by_version(notebook)
        return views, [runs[0] for runs in views.values() if runs]
    views, wanted = {}, []
    for name in names:
        if name in notebook.versions:
            runs = _runs(notebook, views, name)
            if not runs:
                raise CommandError(f"{name} has no run yet; start one with: imgexp-tui run {name}")
            wanted.append(runs[0])
        else:
            wanted.append(_run(notebook, views, name))
    for view in wanted:
        if view.request and view.request.base:
            _runs(notebook, views, view.request.base)
    return views, wanted


def _runs(notebook: Notebook, views: Views, version: str) -> list[RunView]:
    if version not in views:
        views[version] = views_of(notebook.lab, version)
    return views[version]


def _run(notebook: Notebook, views: Views, name: str) -> RunView:
    from imgexp_tui.runner.control import ControlError
    from imgexp_tui.runner.find_run import find_run

    try:
        found = find_run(notebook.lab, name)
    except ControlError as error:
        if not name[:8].isdigit():
            version_of(notebook, name)  # says which name is near
        raise CommandError(str(error)) from None
    runs = _runs(notebook, views, found.version)
    return next(view for view in runs if view.run == found.run)


def _print(finding: Finding) -> None:
    print(f"{MARKS[finding.severity]:>2} {finding.sentence}")
    if finding.suggestion:
        print(f"   -> {finding.suggestion}")
    told = evidence(finding.evidence)
    print(f"   ({finding.name}{': ' + told if told else ''})")


def _row(view: RunView, found: Sequence[Finding]) -> dict[str, Any]:
    return {
        "version": view.version,
        "run": view.run,
        "state": view.status.state.value,
        "findings": [row(one) for one in found],
    }
