"""The notebook as one markdown page: a table to compare the versions, then each with its notes and figures.

The same lab gives the same bytes: nothing of the moment or the machine that writes it goes in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from imgexp_tui.notebook.compare import Change, changes, shown
from imgexp_tui.notebook.model import Notebook, Version
from imgexp_tui.records.follow import RunView, best_of
from imgexp_tui.records.stats import measured
from imgexp_tui.reports.data import newest_first
from imgexp_tui.reports.escape import block, inline
from imgexp_tui.text import first_line, fit, number

MARK = "<!-- made by imgexp-tui export -->"
"""The first line of an exported page, by which an export knows that it may replace a file."""
_PER_STEP = re.compile(r"(gradient_norm|learning_rate|time)/|images_per_second|valid/samples")
Views = Mapping[str, Sequence[RunView]]


def notebook_markdown(notebook: Notebook, views: Views) -> str:
    """The page.

    Args:
        views: version → its runs, polled.
    """
    runs = {name: newest_first(views.get(name, ())) for name in notebook.versions}
    parts = [MARK, f"# {inline(notebook.title) or 'Lab notebook'}"]
    if notebook.versions:
        parts.append(_comparison(notebook, runs))
    group = ""
    for version in notebook.versions.values():
        if version.group != group:
            group = version.group
            parts += ["---", f"**{inline(group)}**" if group else ""]
        parts += _version(notebook, version, runs[version.name])
    return "\n\n".join(part for part in parts if part) + "\n"


def _comparison(notebook: Notebook, runs: Mapping[str, list[RunView]]) -> str:
    rows = []
    anchors = _anchors(notebook)
    for version in notebook.versions.values():
        views, best = runs[version.name], best_of(runs[version.name])
        state = views[0].status.state.value if views else "not run"
        rows.append(
            [
                f"[{inline(version.name)}](#{anchors[version.name]})",
                inline(fit(first_line(version.summary), 70)),
                inline(version.base or ""),
                inline(", ".join(map(str, changes(notebook, version.name)))),
                state if version.runnable else f"{state}, broken",
                *_best_cells(best[0] if best else None),
            ]
        )
    head = ["", "summary", "base", "changed against it", "state", "best loss", "epoch", "accuracy there"]
    return _table(head, rows, right=3)


def _anchors(notebook: Notebook) -> dict[str, str]:
    """Version → the anchor that GitHub makes of its heading."""
    anchors: dict[str, str] = {}
    for name in notebook.versions:
        base = anchor = re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-")
        again = 0
        while anchor in anchors.values():
            again += 1
            anchor = f"{base}-{again}"
        anchors[name] = anchor
    return anchors


def _version(notebook: Notebook, version: Version, views: list[RunView]) -> Iterator[str]:
    yield f"## {inline(version.name)}"
    yield block(version.summary)
    if version.problems:
        yield "**Problems**"
        yield "\n".join(f"- {inline(str(problem))}" for problem in version.problems)
    yield from _settings(notebook, version)
    latest = views[0] if views else None
    stats = [f"- {inline(label)}: {inline(text)}" for label, text in (measured(latest) if latest else ())]
    if stats:
        yield "**Measured**"
        yield "\n".join(stats)
    if version.observed.strip():
        yield "**Observed**"
        yield block(_as_list(version.observed))
    if views:
        yield "**Runs**"
        yield _runs(views)
        yield from _metrics(views)
    if version.takeaways.strip(" \t\r\n-"):
        yield "**Takeaways**"
        yield block(version.takeaways)


def _as_list(note: str) -> str:
    """Stats that are written a line each, as bullets; a note that has structure of its own stays as it is."""
    lines = note.strip("\n").split("\n")
    plain = all(line.strip() and not line.startswith((" ", "\t", "-", "*", "+")) for line in lines)
    return "\n".join(f"- {line}" for line in lines) if plain else note


def _settings(notebook: Notebook, version: Version) -> Iterator[str]:
    if version.base in notebook.versions:
        made = changes(notebook, version.name)
        if made:
            yield f"**Changed against {inline(version.base or '')}**"
            yield _table(["setting", "before", "now"], [_change_cells(change) for change in made])
    elif version.own or version.command:
        yield "**Settings**"
        first = [Change("command", None, " ".join(version.command))] if version.command else []
        own = [*first, *(Change(name, None, value) for name, value in version.train.items())]
        yield _table(["setting", "value"], [[inline(c.name), inline(shown(c.name, c.after))] for c in own])


def _change_cells(change: Change) -> list[str]:
    return [inline(change.name), *(inline(shown(change.name, value)) for value in (change.before, change.after))]


def _runs(views: list[RunView]) -> str:
    rows = []
    for view in views:
        overrides = view.request.overrides if view.request else {}
        of = f" of {view.epochs}" if view.epochs else ""
        rows.append(
            [
                inline(view.run),
                view.status.state.value,
                f"{view.epoch:g}{of}" if view.epoch is not None else "",
                *_best_cells(view),
                inline(", ".join(f"{name} = {value}" for name, value in overrides.items())),
            ]
        )
    return _table(["run", "state", "epochs", "best loss", "epoch", "accuracy there", "set for it"], rows)


def _metrics(views: list[RunView]) -> Iterator[str]:
    """The metrics of the best run: at its best epoch, and last."""
    found = best_of(views)
    view = found[0] if found else views[0]
    last, chance = view.metrics(), view.chance
    there = {found[1].metric: found[1].value, **found[1].beside} if found else {}
    rows = [
        [inline(name), *(number(values[name]) if name in values else "" for values in (there, last, chance))]
        for name in sorted(last)
        if not _PER_STEP.match(name)
    ]
    if rows:
        yield f"**Metrics** of {inline(view.run)}"
        yield _table(["metric", "at its best", "last", "chance"], rows, right=3)


def _best_cells(view: RunView | None) -> list[str]:
    best = view.best() if view else None
    if best is None:
        return ["", "", ""]
    accuracy = best.beside.get(best.metric.replace("loss", "accuracy"))
    epoch = f"{best.epoch:g}" if best.epoch is not None else ""
    kind = "" if best.metric == "valid/loss" else f" ({inline(best.metric)})"
    return [number(best.value) + kind, epoch, number(accuracy) if accuracy is not None else ""]


def _table(head: list[str], rows: list[list[str]], *, right: int = 0) -> str:
    """A table; the last `right` columns hold figures."""
    rule = ["---"] * (len(head) - right) + ["---:"] * right
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))
