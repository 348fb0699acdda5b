"""`show`: all there is about a version or a run."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from imgexp_tui.cli.common import notebook_of, table, views_of
from imgexp_tui.cli.errors import CommandError
from imgexp_tui.notebook.diff import changes
from imgexp_tui.notebook.model import Notebook, Version
from imgexp_tui.records.metrics.follower import RunView
from imgexp_tui.records.observed_stats import remarks
from imgexp_tui.records.system.stats import measured
from imgexp_tui.text import clean, clean_line, duration, number


def show(arguments: Namespace) -> int:
    """Print a version with its latest run, or one run."""
    notebook = notebook_of(arguments)
    if arguments.what in notebook.versions:
        return _version(notebook, notebook.versions[arguments.what], as_json=arguments.json)
    return _one_run(notebook, arguments.what, as_json=arguments.json)


def _version(notebook: Notebook, version: Version, *, as_json: bool) -> int:
    views = views_of(notebook.lab, version.name)
    if as_json:
        from imgexp_tui.cli.json_output import print_json
        from imgexp_tui.reports.tabular import run_row, version_row

        details = {"config": version.config, "run_details": [run_row(v) for v in views]}
        return print_json(version_row(version, views) | details)
    print(version.name + (f" (base {version.base})" if version.base else ""))
    for problem in version.problems:
        print(f"problem: {clean(str(problem))}")
    for title, text in (("Summary", version.summary), ("Takeaways", version.takeaways), ("Observed", version.observed)):
        if text.strip():
            _section(title, text)
    differing = changes(notebook, version.name)
    if differing:
        _section(f"Changed against {version.base}", "\n".join(str(change) for change in differing))
    if wrong := remarks(version.observed, measured(views[0]) if views else ()):
        lines = version.observed.split("\n")
        _section("Observed otherwise than measured", "\n".join(f"{lines[r.line].strip(' -*')} {r}" for r in wrong))
    if not views:
        print("\nno runs yet; start one with: imgexp-tui run " + version.name)
        return 0
    print(f"\n{len(views)} run{'s' if len(views) > 1 else ''}; the latest:\n")
    _run_text(views[0])
    return 0


def _one_run(notebook: Notebook, what: str, *, as_json: bool) -> int:
    from imgexp_tui.runner.control import ControlError
    from imgexp_tui.runner.find_run import find_run

    try:
        view = RunView(find_run(notebook.lab, what))
    except ControlError as error:
        raise CommandError(str(error)) from None
    view.poll()
    if as_json:
        from imgexp_tui.cli.json_output import print_json
        from imgexp_tui.reports.tabular import run_row

        request = view.request
        more: dict[str, Any] = {
            "config": request.config if request else {},
            "seed": request.seed if request else None,
            "argv": request.argv if request else [],
            "git": request.git if request else {},
            "packages": request.packages if request else {},
            "plan": view.plan,
        }
        return print_json(run_row(view) | more)
    _run_text(view)
    return 0


def _run_text(view: RunView) -> None:
    print(f"{view.version}/{view.run}")
    best, rows = view.best(), [["state", f"{view.status.state}: {view.status.evidence}"]]
    if view.status.attempt > 1:
        rows.append(["attempt", str(view.status.attempt)])
    if view.epoch is not None:
        of = f" of {view.epochs}" if view.epochs else ""
        rows.append(["progress", f"epoch {view.epoch:g}{of}, step {view.step}"])
    if (left := view.eta()) is not None:
        rows.append(["time left", duration(left)])
    if best:
        at = f" at epoch {best.epoch:g}" if best.epoch is not None else ""
        rows.append(["best", f"{best.metric} {number(best.value)}{at}"])
    if view.request:
        rows.append(["seed", str(view.request.seed)])
        if sha := view.request.git.get("sha"):
            rows.append(["git", str(sha)[:12] + (" with changes" if view.request.git.get("dirty") else "")])
    rows.append(["folder", str(view.dir.path)])
    print(table(rows, last=200))
    if stats := measured(view):
        _section("Measured", "\n".join(f"{label}: {text}" for label, text in stats))
    if last := view.metrics():
        lines = [["metric", "last", "chance"]]
        chance = view.chance
        lines += [[m, number(v), number(chance[m]) if m in chance else ""] for m, v in sorted(last.items())]
        print("\n" + table(lines))
    warnings = [str(e.get("message", "")) for e in view.events if e.get("kind") == "warning"]
    if warnings:
        _section("Warnings", "\n".join(clean_line(w) for w in warnings))


def _section(title: str, text: str) -> None:
    print(f"\n{title}:")
    for line in clean(text).rstrip().split("\n"):
        print(f"  {line}".rstrip())
