"""What a report of the notebook says, in order and without any markup: markdown and HTML are two ways to write it.

The same lab gives the same page: nothing of the moment or the machine that writes it goes in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from imgexp_tui.findings.evaluate import findings_of
from imgexp_tui.findings.format import MARKS
from imgexp_tui.notebook.diff import Change, changes, shown
from imgexp_tui.notebook.ideas.model import ideas_of
from imgexp_tui.notebook.model import Notebook, Version
from imgexp_tui.records.metrics.follower import WATCHED, RunView, best_of
from imgexp_tui.records.observed_stats import remarks
from imgexp_tui.records.system.stats import measured
from imgexp_tui.reports.plot_data import Figure, overview, run_figure, shown_run
from imgexp_tui.reports.tabular import newest_first
from imgexp_tui.text import clean_line, first_line, fit, number

PARTS = ("comparison", "ideas", "summary", "config", "stats", "metrics", "plots", "findings", "takeaways")
"""What a page may hold, in the order in which it comes."""
_PER_STEP = re.compile(r"(gradient_norm|learning_rate|time)/|images_per_second|valid/samples")
_ANCESTORS = 8
"""Most bases that a version's lineage names."""
Views = Mapping[str, Sequence[RunView]]


@dataclass(frozen=True, slots=True)
class Link:
    """Words that lead to a version on the page."""

    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Strong:
    """Words that stand out."""

    text: str


Words = Sequence[str | Link | Strong]


@dataclass(frozen=True, slots=True)
class Heading:
    """The title, of level 1 and without an anchor, or a version's, of level 2."""

    level: int
    text: str
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """What parts one group of versions from the next."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One line of text."""

    words: Words


@dataclass(frozen=True, slots=True)
class Note:
    """A note as its writer wrote it."""

    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class ToDo:
    """A list of things that are still open, each with an empty check box."""

    items: Sequence[Words]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `figures` are the columns that hold figures."""

    head: Sequence[str]
    rows: Sequence[Sequence[Words]]
    figures: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture."""

    figure: Figure


Block = Heading | Rule | Paragraph | Note | Items | ToDo | Table | Plot


@dataclass(frozen=True, slots=True)
class Seeds:
    """The best values of runs that differ in their seed only: their mean, their sample standard deviation, how many."""

    metric: str
    mean: float
    std: float
    count: int


def page(
    notebook: Notebook, views: Views, *, versions: Iterable[str] | None = None, parts: Iterable[str] = PARTS
) -> list[Block]:
    """The page's blocks.

    Args:
        views: version → its runs, polled.
        versions: the ones to show; all without.
        parts: of `PARTS`.
    """
    return list(_Page(notebook, views, versions, parts).blocks())


def figures(blocks: Iterable[Block]) -> list[Figure]:
    """The pictures of a page."""
    return [block.figure for block in blocks if isinstance(block, Plot)]


def over_seeds(views: Iterable[RunView]) -> Seeds | None:
    """Of the newest group of seeds in which at least two runs have a best value; None without one."""
    groups: dict[str, list[RunView]] = {}
    for view in newest_first(views):
        if view.request and view.request.group:
            groups.setdefault(view.request.group, []).append(view)
    for group in groups.values():
        found = [best for view in group if (best := view.best())]
        for metric in WATCHED:
            values = [best.value for best in found if best.metric == metric]
            if len(values) > 1:
                return Seeds(metric, mean(values), stdev(values), len(values))
    return None


class _Page:
    def __init__(self, notebook: Notebook, views: Views, versions: Iterable[str] | None, parts: Iterable[str]) -> None:
        wanted = set(notebook.versions if versions is None else versions)
        self._notebook = notebook
        self._views = views
        self._versions = [version for name, version in notebook.versions.items() if name in wanted]
        self._parts = frozenset(parts)
        self._runs = {v.name: newest_first(views.get(v.name, ())) for v in self._versions}
        self._shown = {name: view for name, runs in self._runs.items() if (view := shown_run(runs))}
        self._title = clean_line(notebook.title) or "Lab notebook"
        self._anchors = _anchors(self._title, self._runs)

    def blocks(self) -> Iterator[Block]:
        yield Heading(1, self._title)
        if "comparison" in self._parts and self._versions:
            yield from self._comparison()
        if "ideas" in self._parts:
            yield from self._ideas()
        group = ""
        for version in self._versions:
            if version.group != group:
                group = version.group
                yield Rule()
                if clean_line(group):
                    yield Paragraph([Strong(group)])
            yield Heading(2, version.name, self._anchors[version.name])
            yield from self._version(version, self._runs[version.name])

    def _comparison(self) -> Iterator[Block]:
        seeds = {name: found for name, views in self._runs.items() if (found := over_seeds(views))}
        best = {name: one for name, views in self._runs.items() if (one := best_of(views))}
        # The best of all stands out, where there is more than one to compare.
        top = min(best, key=lambda n: (WATCHED.index(best[n][1].metric), best[n][1].value)) if len(best) > 1 else None
        head = ["", "state", "best loss", "epoch", "accuracy there", *(["over seeds"] if seeds else [])]
        rows: list[Sequence[Words]] = []
        for version in self._versions:
            views, name = self._runs[version.name], version.name
            state = views[0].status.state.value if views else "not run"
            value, *rest = _best_cells(best[name][0] if name in best else None)
            over = [_seeds_cell(seeds.get(name))] if seeds else []
            rows.append(
                [
                    [Link(name, self._anchors[name])],
                    [state if version.runnable else f"{state}, broken"],
                    [Strong(value) if name == top else value],
                    *([cell] for cell in (*rest, *over)),
                    [self._linked(version.base) if version.base else ""],
                    [", ".join(map(str, changes(self._notebook, name)))],
                    [fit(first_line(version.summary), 70)],
                ]
            )
        yield Table([*head, "base", "changed against it", "summary"], rows, figures=range(2, len(head)))
        if seeds:
            yield Paragraph(["Over seeds: mean of each run's best loss ± sample standard deviation (number of runs)."])
        name = "comparison"
        while name in map(str.lower, self._notebook.versions):  # its files stand beside those of the versions
            name += "_"
        if "plots" in self._parts and (figure := overview(name, self._shown)):
            yield Plot(figure)

    def _ideas(self) -> Iterator[Block]:
        """What is still open, in the order of the versions, each with a link to the version that had the idea."""
        open_ = [idea for version in self._versions for idea in ideas_of(version) if not idea.done]
        if open_:
            yield Paragraph([Strong("Open ideas")])
            yield ToDo([[self._linked(idea.version), f": {idea.text}"] for idea in open_])

    def _version(self, version: Version, views: list[RunView]) -> Iterator[Block]:
        view = self._shown.get(version.name)
        if "summary" in self._parts:
            if version.tags or version.archived:
                tags = f"Tags: {', '.join(version.tags)}" if version.tags else ""
                yield Paragraph([" · ".join(filter(None, [tags, "archived" if version.archived else ""]))])
            yield from _note("", version.summary)
        if "config" in self._parts:
            yield from self._config(version)
        if "stats" in self._parts:
            stats = measured(view) if view else []
            if view and stats:
                yield Paragraph([Strong("Measured"), f" in {view.run}"])
                yield Items([f"{label}: {text}" for label, text in stats])
            yield from _note("Observed", _as_list(version.observed))
            if wrong := remarks(version.observed, stats):
                lines = version.observed.split("\n")
                yield Paragraph([Strong("Observed otherwise than measured, or than can be")])
                yield Items([f"{lines[remark.line].strip(' -*')} {remark}" for remark in wrong])
        if "metrics" in self._parts and view:
            yield Paragraph([Strong("Runs")])
            yield _runs_table(views)
            yield from _metrics(view)
        if "plots" in self._parts and view and (figure := run_figure(version.name, view)):
            yield Plot(figure)
        if "findings" in self._parts and view:
            yield from self._findings(view)
        if "takeaways" in self._parts and version.takeaways.strip(" \t\r\n-"):
            yield from _note("Takeaways", version.takeaways)

    def _findings(self, view: RunView) -> Iterator[Block]:
        """What its numbers say, the comparison with the base among it."""
        if found := findings_of(view, self._views, self._notebook):
            yield Paragraph([Strong("Findings"), f" in {view.run}"])
            yield Items([f"{MARKS[one.severity]} {one.sentence} {one.suggestion}".strip() for one in found])

    def _config(self, version: Version) -> Iterator[Block]:
        """Lineage, what is wrong, and what differs from the base; every own setting where there is no base."""
        if version.base:
            yield Paragraph(self._lineage(version))
        if version.problems:
            yield Paragraph([Strong("Problems")])
            yield Items([str(problem) for problem in version.problems])
        if version.base in self._notebook.versions:
            if made := changes(self._notebook, version.name):
                yield Paragraph([Strong("Changed"), f" against {version.base}"])
                yield Table(["setting", "before", "now"], [_change_cells(change) for change in made])
        elif version.own or version.command:
            yield Paragraph([Strong("Settings")])
            first = [Change("command", None, " ".join(version.command))] if version.command else []
            own = [*first, *(Change(name, None, value) for name, value in version.train.items())]
            yield Table(["setting", "value"], [[[c.name], [shown(c.name, c.after)]] for c in own])

    def _lineage(self, version: Version) -> Words:
        """The bases, oldest first, each a link; of many the nearest."""
        names: list[str] = []
        base = version.base
        while base and base not in (*names, version.name):
            names.insert(0, base)
            found = self._notebook.versions.get(base)
            base = found.base if found else None
        words: list[str | Link | Strong] = [Strong("Lineage"), ": " + ("… → " if len(names) > _ANCESTORS else "")]
        for name in names[-_ANCESTORS:]:
            words += [self._linked(name), " → "]
        return [*words, version.name]

    def _linked(self, name: str) -> str | Link:
        return Link(name, self._anchors[name]) if name in self._anchors else name


def _anchors(title: str, names: Iterable[str]) -> dict[str, str]:
    """Version → the anchor that GitHub makes of its heading."""
    anchors: dict[str, str] = {}
    taken = {_slug(title)}
    for name in names:
        base = anchor = _slug(name)
        again = 0
        while anchor in taken:
            again += 1
            anchor = f"{base}-{again}"
        anchors[name] = anchor
        taken.add(anchor)
    return anchors


def _slug(text: str) -> str:
    return re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-")


def _note(title: str, text: str) -> Iterator[Block]:
    if text.strip():
        if title:
            yield Paragraph([Strong(title)])
        yield Note(text)


def _as_list(note: str) -> str:
    """Stats that are written a line each, as bullets; a note that has structure of its own stays as it is."""
    lines = note.strip("\n").split("\n")
    plain = all(line.strip() and not line.startswith((" ", "\t", "-", "*", "+")) for line in lines)
    return "\n".join(f"- {line}" for line in lines) if plain else note


def _change_cells(change: Change) -> Sequence[Words]:
    return [[change.name], *([shown(change.name, value)] for value in (change.before, change.after))]


def _seeds_cell(seeds: Seeds | None) -> str:
    if seeds is None:
        return ""
    kind = "" if seeds.metric == "valid/loss" else f" {seeds.metric}"
    return f"{number(seeds.mean)} ± {number(seeds.std)} ({seeds.count}){kind}"


def _runs_table(views: Sequence[RunView]) -> Table:
    rows: list[Sequence[Words]] = []
    for view in views:
        request = view.request
        of = f" of {view.epochs}" if view.epochs else ""
        overrides = request.overrides if request else {}
        cells = [
            view.run,
            view.status.state.value,
            str(request.seed) if request and request.seed is not None else "",
            ", ".join(f"{name} = {value}" for name, value in overrides.items() if name != "seed"),
            f"{view.epoch:g}{of}" if view.epoch is not None else "",
            *_best_cells(view),
        ]
        rows.append([[cell] for cell in cells])
    head = ["run", "state", "seed", "set for it", "epochs", "best loss", "epoch", "accuracy there"]
    return Table(head, rows, figures=range(4, 8))


def _metrics(view: RunView) -> Iterator[Block]:
    """The metrics of a run: at its best epoch, and last."""
    best, last, chance = view.best(), view.metrics(), view.chance
    there = {best.metric: best.value, **best.beside} if best else {}
    rows = [
        [[name], *([number(values[name]) if name in values else ""] for values in (there, last, chance))]
        for name in sorted(last)
        if not _PER_STEP.match(name)
    ]
    if rows:
        yield Paragraph([Strong("Metrics"), f" of {view.run}"])
        yield Table(["metric", "at its best", "last", "chance"], rows, figures=range(1, 4))


def _best_cells(view: RunView | None) -> list[str]:
    best = view.best() if view else None
    if best is None:
        return ["", "", ""]
    accuracy = best.beside.get(best.metric.replace("loss", "accuracy"))
    epoch = f"{best.epoch:g}" if best.epoch is not None else ""
    kind = "" if best.metric == "valid/loss" else f" ({best.metric})"
    return [number(best.value) + kind, epoch, number(accuracy) if accuracy is not None else ""]
