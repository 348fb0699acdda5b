"""What a report of the notebook says, in order and without any markup: markdown and HTML are two ways to write it.

The same lab gives the same page: nothing of the moment or the machine that writes it goes in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from imgexp_tui.findings.evaluate import findings_of
from imgexp_tui.findings.format import SEVERITY_MARKS
from imgexp_tui.notebook.diff import SettingChange, format_value, setting_changes
from imgexp_tui.notebook.ideas.model import ideas_of
from imgexp_tui.notebook.model import Notebook, Version
from imgexp_tui.records.metrics.follower import JUDGED_METRICS, RunFollower, best_run
from imgexp_tui.records.observed_stats import find_discrepancies
from imgexp_tui.records.system.stats import measured_stats
from imgexp_tui.reports.plot_data import Figure, comparison_figure, reported_run, run_figure
from imgexp_tui.reports.tabular import newest_first
from imgexp_tui.text import clean_line, first_line, format_number, truncate

PARTS = ("comparison", "ideas", "summary", "config", "stats", "metrics", "plots", "findings", "takeaways")
"""What a page may hold, in the order in which it comes."""
_PER_STEP_METRICS = re.compile(r"(gradient_norm|learning_rate|time)/|images_per_second|valid/samples")
_MAX_ANCESTORS = 8
"""Most bases that a version's lineage names."""
FollowersByVersion = Mapping[str, Sequence[RunFollower]]


@dataclass(frozen=True, slots=True)
class Link:
    """Words that lead to a version on the page."""

    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Strong:
    """Words that stand out."""

    text: str


InlineText = Sequence[str | Link | Strong]


@dataclass(frozen=True, slots=True)
class Heading:
    """The title, of level 1 and without an anchor, or a version's, of level 2."""

    level: int
    text: str
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Separator:
    """What parts one group of versions from the next."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One line of text."""

    words: InlineText


@dataclass(frozen=True, slots=True)
class NoteBlock:
    """A note as its writer wrote it."""

    text: str


@dataclass(frozen=True, slots=True)
class BulletList:
    """A list."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class TodoList:
    """A list of things that are still open, each with an empty check box."""

    items: Sequence[InlineText]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `numeric_columns` are the columns that hold figures."""

    head: Sequence[str]
    rows: Sequence[Sequence[InlineText]]
    numeric_columns: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture."""

    figure: Figure


PageBlock = Heading | Separator | Paragraph | NoteBlock | BulletList | TodoList | Table | Plot


@dataclass(frozen=True, slots=True)
class SeedStatistics:
    """The best values of runs that differ in their seed only: their mean, their sample standard deviation, how many."""

    metric: str
    mean: float
    std: float
    count: int


def page_blocks(
    notebook: Notebook,
    followers_by_version: FollowersByVersion,
    *,
    versions: Iterable[str] | None = None,
    parts: Iterable[str] = PARTS,
) -> list[PageBlock]:
    """The page's blocks.

    Args:
        followers_by_version: version → its runs, polled.
        versions: the ones to show; all without.
        parts: of `PARTS`.
    """
    return list(_PageBuilder(notebook, followers_by_version, versions, parts).blocks())


def page_figures(blocks: Iterable[PageBlock]) -> list[Figure]:
    """The pictures of a page."""
    return [block.figure for block in blocks if isinstance(block, Plot)]


def seed_statistics(followers: Iterable[RunFollower]) -> SeedStatistics | None:
    """Of the newest group of seeds in which at least two runs have a best value; None without one."""
    groups: dict[str, list[RunFollower]] = {}
    for view in newest_first(followers):
        if view.request and view.request.group:
            groups.setdefault(view.request.group, []).append(view)
    for group in groups.values():
        found = [best for view in group if (best := view.best())]
        for metric in JUDGED_METRICS:
            values = [best.value for best in found if best.metric == metric]
            if len(values) > 1:
                return SeedStatistics(metric, mean(values), stdev(values), len(values))
    return None


class _PageBuilder:
    def __init__(
        self,
        notebook: Notebook,
        followers_by_version: FollowersByVersion,
        versions: Iterable[str] | None,
        parts: Iterable[str],
    ) -> None:
        wanted = set(notebook.versions if versions is None else versions)
        self._notebook = notebook
        self._followers_by_version = followers_by_version
        self._versions = [version for name, version in notebook.versions.items() if name in wanted]
        self._parts = frozenset(parts)
        self._followers = {v.name: newest_first(followers_by_version.get(v.name, ())) for v in self._versions}
        self._reported_runs = {name: view for name, runs in self._followers.items() if (view := reported_run(runs))}
        self._title = clean_line(notebook.title) or "Lab notebook"
        self._anchors = _anchors(self._title, self._followers)

    def blocks(self) -> Iterator[PageBlock]:
        yield Heading(1, self._title)
        if "comparison" in self._parts and self._versions:
            yield from self._comparison()
        if "ideas" in self._parts:
            yield from self._ideas()
        group = ""
        for version in self._versions:
            if version.group != group:
                group = version.group
                yield Separator()
                if clean_line(group):
                    yield Paragraph([Strong(group)])
            yield Heading(2, version.name, self._anchors[version.name])
            yield from self._version(version, self._followers[version.name])

    def _comparison(self) -> Iterator[PageBlock]:
        seeds = {name: found for name, views in self._followers.items() if (found := seed_statistics(views))}
        best = {name: one for name, views in self._followers.items() if (one := best_run(views))}
        # The best of all stands out, where there is more than one to compare.
        top = (
            min(best, key=lambda n: (JUDGED_METRICS.index(best[n][1].metric), best[n][1].value))
            if len(best) > 1
            else None
        )
        head = ["", "state", "best loss", "epoch", "accuracy there", *(["over seeds"] if seeds else [])]
        rows: list[Sequence[InlineText]] = []
        for version in self._versions:
            views, name = self._followers[version.name], version.name
            state = views[0].status.state.value if views else "not run"
            value, *rest = _best_cells(best[name][0] if name in best else None)
            over = [_seeds_cell(seeds.get(name))] if seeds else []
            rows.append(
                [
                    [Link(name, self._anchors[name])],
                    [state if version.runnable else f"{state}, broken"],
                    [Strong(value) if name == top else value],
                    *([cell] for cell in (*rest, *over)),
                    [self._version_link(version.base) if version.base else ""],
                    [", ".join(map(str, setting_changes(self._notebook, name)))],
                    [truncate(first_line(version.summary), 70)],
                ]
            )
        yield Table([*head, "base", "changed against it", "summary"], rows, numeric_columns=range(2, len(head)))
        if seeds:
            yield Paragraph(["Over seeds: mean of each run's best loss ± sample standard deviation (number of runs)."])
        name = "comparison"
        while name in map(str.lower, self._notebook.versions):  # its files stand beside those of the versions
            name += "_"
        if "plots" in self._parts and (figure := comparison_figure(name, self._reported_runs)):
            yield Plot(figure)

    def _ideas(self) -> Iterator[PageBlock]:
        """What is still open, in the order of the versions, each with a link to the version that had the idea."""
        open_ = [idea for version in self._versions for idea in ideas_of(version) if not idea.done]
        if open_:
            yield Paragraph([Strong("Open ideas")])
            yield TodoList([[self._version_link(idea.version), f": {idea.text}"] for idea in open_])

    def _version(self, version: Version, followers: list[RunFollower]) -> Iterator[PageBlock]:
        view = self._reported_runs.get(version.name)
        if "summary" in self._parts:
            if version.tags or version.archived:
                tags = f"Tags: {', '.join(version.tags)}" if version.tags else ""
                yield Paragraph([" · ".join(filter(None, [tags, "archived" if version.archived else ""]))])
            yield from _note_blocks("", version.summary)
        if "config" in self._parts:
            yield from self._config(version)
        if "stats" in self._parts:
            stats = measured_stats(view) if view else []
            if view and stats:
                yield Paragraph([Strong("Measured"), f" in {view.run_id}"])
                yield BulletList([f"{label}: {text}" for label, text in stats])
            yield from _note_blocks("Observed", _as_bullets(version.observed))
            if wrong := find_discrepancies(version.observed, stats):
                lines = version.observed.split("\n")
                yield Paragraph([Strong("Observed otherwise than measured, or than can be")])
                yield BulletList([f"{lines[remark.line].strip(' -*')} {remark}" for remark in wrong])
        if "metrics" in self._parts and view:
            yield Paragraph([Strong("Runs")])
            yield _runs_table(followers)
            yield from _metric_blocks(view)
        if "plots" in self._parts and view and (figure := run_figure(version.name, view)):
            yield Plot(figure)
        if "findings" in self._parts and view:
            yield from self._findings(view)
        if "takeaways" in self._parts and version.takeaways.strip(" \t\r\n-"):
            yield from _note_blocks("Takeaways", version.takeaways)

    def _findings(self, follower: RunFollower) -> Iterator[PageBlock]:
        """What its numbers say, the comparison with the base among it."""
        if found := findings_of(follower, self._followers_by_version, self._notebook):
            yield Paragraph([Strong("Findings"), f" in {follower.run_id}"])
            yield BulletList(
                [f"{SEVERITY_MARKS[one.severity]} {one.sentence} {one.suggestion}".strip() for one in found]
            )

    def _config(self, version: Version) -> Iterator[PageBlock]:
        """Lineage, what is wrong, and what differs from the base; every own setting where there is no base."""
        if version.base:
            yield Paragraph(self._lineage(version))
        if version.problems:
            yield Paragraph([Strong("Problems")])
            yield BulletList([str(problem) for problem in version.problems])
        if version.base in self._notebook.versions:
            if made := setting_changes(self._notebook, version.name):
                yield Paragraph([Strong("Changed"), f" against {version.base}"])
                yield Table(["setting", "before", "now"], [_change_cells(change) for change in made])
        elif version.own_train or version.command:
            yield Paragraph([Strong("Settings")])
            first = [SettingChange("command", None, " ".join(version.command))] if version.command else []
            own = [*first, *(SettingChange(name, None, value) for name, value in version.train.items())]
            yield Table(["setting", "value"], [[[c.name], [format_value(c.name, c.after)]] for c in own])

    def _lineage(self, version: Version) -> InlineText:
        """The bases, oldest first, each a link; of many the nearest."""
        names: list[str] = []
        base = version.base
        while base and base not in (*names, version.name):
            names.insert(0, base)
            found = self._notebook.versions.get(base)
            base = found.base if found else None
        words: list[str | Link | Strong] = [Strong("Lineage"), ": " + ("… → " if len(names) > _MAX_ANCESTORS else "")]
        for name in names[-_MAX_ANCESTORS:]:
            words += [self._version_link(name), " → "]
        return [*words, version.name]

    def _version_link(self, name: str) -> str | Link:
        return Link(name, self._anchors[name]) if name in self._anchors else name


def _anchors(title: str, names: Iterable[str]) -> dict[str, str]:
    """Version → the anchor that GitHub makes of its heading."""
    anchors: dict[str, str] = {}
    taken = {_heading_slug(title)}
    for name in names:
        base = anchor = _heading_slug(name)
        again = 0
        while anchor in taken:
            again += 1
            anchor = f"{base}-{again}"
        anchors[name] = anchor
        taken.add(anchor)
    return anchors


def _heading_slug(text: str) -> str:
    return re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-")


def _note_blocks(title: str, text: str) -> Iterator[PageBlock]:
    if text.strip():
        if title:
            yield Paragraph([Strong(title)])
        yield NoteBlock(text)


def _as_bullets(note: str) -> str:
    """Stats that are written a line each, as bullets; a note that has structure of its own stays as it is."""
    lines = note.strip("\n").split("\n")
    plain = all(line.strip() and not line.startswith((" ", "\t", "-", "*", "+")) for line in lines)
    return "\n".join(f"- {line}" for line in lines) if plain else note


def _change_cells(change: SettingChange) -> Sequence[InlineText]:
    return [[change.name], *([format_value(change.name, value)] for value in (change.before, change.after))]


def _seeds_cell(seeds: SeedStatistics | None) -> str:
    if seeds is None:
        return ""
    kind = "" if seeds.metric == "valid/loss" else f" {seeds.metric}"
    return f"{format_number(seeds.mean)} ± {format_number(seeds.std)} ({seeds.count}){kind}"


def _runs_table(followers: Sequence[RunFollower]) -> Table:
    rows: list[Sequence[InlineText]] = []
    for view in followers:
        request = view.request
        of = f" of {view.planned_epochs}" if view.planned_epochs else ""
        overrides = request.overrides if request else {}
        cells = [
            view.run_id,
            view.status.state.value,
            str(request.seed) if request and request.seed is not None else "",
            ", ".join(f"{name} = {value}" for name, value in overrides.items() if name != "seed"),
            f"{view.epoch:g}{of}" if view.epoch is not None else "",
            *_best_cells(view),
        ]
        rows.append([[cell] for cell in cells])
    head = ["run", "state", "seed", "set for it", "epochs", "best loss", "epoch", "accuracy there"]
    return Table(head, rows, numeric_columns=range(4, 8))


def _metric_blocks(follower: RunFollower) -> Iterator[PageBlock]:
    """The metrics of a run: at its best epoch, and last."""
    best, last, chance = follower.best(), follower.last_metrics(), follower.chance
    there = {best.metric: best.value, **best.other_metrics} if best else {}
    rows = [
        [[name], *([format_number(values[name]) if name in values else ""] for values in (there, last, chance))]
        for name in sorted(last)
        if not _PER_STEP_METRICS.match(name)
    ]
    if rows:
        yield Paragraph([Strong("Metrics"), f" of {follower.run_id}"])
        yield Table(["metric", "at its best", "last", "chance"], rows, numeric_columns=range(1, 4))


def _best_cells(follower: RunFollower | None) -> list[str]:
    best = follower.best() if follower else None
    if best is None:
        return ["", "", ""]
    accuracy = best.other_metrics.get(best.metric.replace("loss", "accuracy"))
    epoch = f"{best.epoch:g}" if best.epoch is not None else ""
    kind = "" if best.metric == "valid/loss" else f" ({best.metric})"
    return [format_number(best.value) + kind, epoch, format_number(accuracy) if accuracy is not None else ""]
