"""Command `show`: prints everything about a version or a run."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from imgexp_tui.cli.common import find_run_dir, format_table, notebook_from_arguments, read_runs
from imgexp_tui.notebook.diff import setting_changes
from imgexp_tui.notebook.model import Notebook, Version
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.observed_stats import find_discrepancies
from imgexp_tui.records.system.stats import measured_stats
from imgexp_tui.text import clean, clean_line, format_duration, format_number


def show(arguments: Namespace) -> int:
    """Prints a version with its latest run, or one run."""
    notebook = notebook_from_arguments(arguments)
    if arguments.what in notebook.versions:
        return _print_version(notebook, notebook.versions[arguments.what], as_json=arguments.json)
    return _print_run(notebook, arguments.what, as_json=arguments.json)


def _print_version(notebook: Notebook, version: Version, *, as_json: bool) -> int:
    views = read_runs(notebook.lab, version.name)
    if as_json:
        from imgexp_tui.cli.json_output import print_json
        from imgexp_tui.records.metrics.metric import version_judges
        from imgexp_tui.reports.tabular import run_row, version_row

        details = {"config": version.config, "run_details": [run_row(v) for v in views]}
        return print_json(version_row(version, views, version_judges(notebook, version.name)) | details)
    print(version.name + (f" (base {version.base})" if version.base else ""))
    for problem in version.problems:
        print(f"problem: {clean(str(problem))}")
    for title, text in (("Summary", version.summary), ("Takeaways", version.takeaways), ("Observed", version.observed)):
        if text.strip():
            _print_section(title, text)
    differing = setting_changes(notebook, version.name)
    if differing:
        _print_section(f"Changed against {version.base}", "\n".join(str(change) for change in differing))
    if wrong := find_discrepancies(version.observed, measured_stats(views[0]) if views else ()):
        lines = version.observed.split("\n")
        _print_section(
            "Observed otherwise than measured", "\n".join(f"{lines[r.line].strip(' -*')} {r}" for r in wrong)
        )
    if not views:
        print("\nno runs yet; start one with: imgexp-tui run " + version.name)
        return 0
    print(f"\n{len(views)} run{'s' if len(views) > 1 else ''}; the latest:\n")
    _print_run_details(views[0])
    return 0


def _print_run(notebook: Notebook, what: str, *, as_json: bool) -> int:
    view = RunFollower(find_run_dir(notebook.lab, what))
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
    _print_run_details(view)
    return 0


def _print_run_details(follower: RunFollower) -> None:
    print(f"{follower.version}/{follower.run_id}")
    best, rows = follower.best(), [["state", f"{follower.status.state}: {follower.status.evidence}"]]
    if follower.status.attempt > 1:
        rows.append(["attempt", str(follower.status.attempt)])
    if follower.epoch is not None:
        of = f" of {follower.planned_epochs}" if follower.planned_epochs else ""
        rows.append(["progress", f"epoch {follower.epoch:g}{of}, step {follower.step}"])
    if (left := follower.eta()) is not None:
        rows.append(["time left", format_duration(left)])
    if best:
        at = f" at epoch {best.epoch:g}" if best.epoch is not None else ""
        rows.append(["best", f"{best.metric} {format_number(best.value)}{at}"])
    if follower.request:
        rows.append(["seed", str(follower.request.seed)])
        if sha := follower.request.git.get("sha"):
            rows.append(["git", str(sha)[:12] + (" with changes" if follower.request.git.get("dirty") else "")])
    rows.append(["folder", str(follower.run_dir.path)])
    print(format_table(rows, last_width=200))
    if stats := measured_stats(follower):
        _print_section("Measured", "\n".join(f"{label}: {text}" for label, text in stats))
    if last := follower.last_metrics():
        lines = [["metric", "last", "chance"]]
        chance = follower.chance
        lines += [
            [m, format_number(v), format_number(chance[m]) if m in chance else ""] for m, v in sorted(last.items())
        ]
        print("\n" + format_table(lines))
    warnings = [str(e.get("message", "")) for e in follower.events if e.get("kind") == "warning"]
    if warnings:
        _print_section("Warnings", "\n".join(clean_line(w) for w in warnings))


def _print_section(title: str, text: str) -> None:
    print(f"\n{title}:")
    for line in clean(text).rstrip().split("\n"):
        print(f"  {line}".rstrip())
