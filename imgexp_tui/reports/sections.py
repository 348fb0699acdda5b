"""Builds the sections of an exported page, one function for each part that `parts.py` lists.

A section of the page takes the `Page`; a section of a version takes the `Page` and the version. Both return blocks, and
none where there is nothing to show.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from imgexp_tui.findings.evaluate import findings_of
from imgexp_tui.findings.format import SEVERITY_MARKS
from imgexp_tui.notebook.diff import SettingChange, format_value, setting_changes
from imgexp_tui.notebook.ideas.model import ideas_of
from imgexp_tui.notebook.model import Version
from imgexp_tui.notebook.schema.metrics import DEFAULT_JUDGES
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.metric import DEFAULT_METRICS, Judge, accuracy_name
from imgexp_tui.records.metrics.run_state import Best, best_run
from imgexp_tui.records.observed_stats import find_discrepancies
from imgexp_tui.records.system.stats import measured_stats
from imgexp_tui.reports.blocks import (
    BulletList,
    InlineText,
    Link,
    NoteBlock,
    PageBlock,
    Paragraph,
    Plot,
    Strong,
    Table,
    TodoList,
)
from imgexp_tui.reports.page import Page
from imgexp_tui.reports.plot_data import Figure, comparison_figure, run_figure
from imgexp_tui.reports.tabular import newest_first
from imgexp_tui.text import first_line, format_number, truncate

_PER_STEP_METRICS = re.compile(r"(gradient_norm|learning_rate|time)/|images_per_second|valid/samples")
"""Metrics that are left out of the table of metrics: they describe single steps."""
_MAX_ANCESTORS = 8
"""The most bases that a version's lineage names; the nearest stay."""


@dataclass(frozen=True, slots=True)
class SeedStatistics:
    """Statistics over the best values of runs that differ only in their seed.

    Attributes:
        std: the sample standard deviation.
        count: the number of runs.
    """

    metric: str
    mean: float
    std: float
    count: int


def seed_statistics(
    followers: Iterable[RunFollower], judges: Sequence[Judge] = DEFAULT_METRICS.judges()
) -> SeedStatistics | None:
    """Returns the statistics of the newest group of seeds in which at least two runs have a best value, else None.

    Args:
        judges: the metrics that decide, in order of preference.
    """
    groups: dict[str, list[RunFollower]] = {}
    for view in newest_first(followers):
        if view.request and view.request.group:
            groups.setdefault(view.request.group, []).append(view)
    for group in groups.values():
        bests = [best for view in group if (best := view.best(judges))]
        for judge in judges:
            values = [best.value for best in bests if best.metric == judge.metric]
            if len(values) > 1:
                return SeedStatistics(judge.metric, mean(values), stdev(values), len(values))
    return None


def comparison(page: Page) -> Iterator[PageBlock]:
    """Returns the table of the versions and, where the page has plots, their validation curves on the same axes."""
    if not page.versions:
        return
    judges = page.judges
    seeds = {
        name: statistics for name, runs in page.followers.items() if (statistics := seed_statistics(runs, judges[name]))
    }
    yield _comparison_table(page, seeds)
    if seeds:
        what = f"best {_column_name(_common_metric(judges.values()))}"
        yield Paragraph([f"Over seeds: mean of each run's {what} ± sample standard deviation (number of runs)."])
    name = "comparison"
    while name in map(str.lower, page.notebook.versions):  # its files are in one folder with those of the versions
        name += "_"
    if "plots" in page.parts and (figure := _comparison_figure(page, name)):
        yield Plot(figure)


def _comparison_figure(page: Page, name: str) -> Figure | None:
    """Returns the picture of the versions that are judged as most of them are: others cannot be compared with them."""
    counts = Counter(page.judges.values())
    judges = max(counts, key=lambda one: counts[one])
    runs = {version: run for version, run in page.reported_runs.items() if page.judges[version] == judges}
    return comparison_figure(name, runs, judges)


def _comparison_table(page: Page, seeds: dict[str, SeedStatistics]) -> Table:
    judges = page.judges
    best = {name: one[1] for name, runs in page.followers.items() if (one := best_run(runs, judges[name]))}
    # The best value of all is in bold, where there are several and the same metrics judge them all.
    comparable = len(best) > 1 and len({judges[name] for name in best}) == 1
    top = min(best, key=lambda n: best[n].rank) if comparable else None
    metric = _common_metric(judges.values())
    head = ["", "state", f"best {_column_name(metric)}", "epoch", "accuracy there", *(["over seeds"] if seeds else [])]
    rows: list[Sequence[InlineText]] = []
    for version in page.versions:
        runs, name = page.followers[version.name], version.name
        state = runs[0].status.state.value if runs else "not run"
        value, *rest = _best_cells(best.get(name), metric)
        over = [_seeds_cell(seeds.get(name), metric)] if seeds else []
        rows.append(
            [
                [Link(name, page.anchors[name])],
                [state if version.runnable else f"{state}, broken"],
                [Strong(value) if name == top else value],
                *([cell] for cell in (*rest, *over)),
                [page.version_link(version.base) if version.base else ""],
                [", ".join(map(str, setting_changes(page.notebook, name)))],
                [truncate(first_line(version.summary), 70)],
            ]
        )
    return Table([*head, "base", "changed against it", "summary"], rows, numeric_columns=range(2, len(head)))


def ideas(page: Page) -> Iterator[PageBlock]:
    """Returns the open ideas in the order of the versions, each with a link to its version."""
    open_ = [idea for version in page.versions for idea in ideas_of(version) if not idea.done]
    if open_:
        yield Paragraph([Strong("Open ideas")])
        yield TodoList([[page.version_link(idea.version), f": {idea.text}"] for idea in open_])


def summary(page: Page, version: Version) -> Iterator[PageBlock]:
    """Returns a version's tags and its summary."""
    if version.tags or version.archived:
        tags = f"Tags: {', '.join(version.tags)}" if version.tags else ""
        yield Paragraph([" · ".join(filter(None, [tags, "archived" if version.archived else ""]))])
    yield from _note_blocks("", version.summary)


def config(page: Page, version: Version) -> Iterator[PageBlock]:
    """Returns a version's lineage, its problems, and what differs from its base; without a base its own settings."""
    if version.base:
        yield Paragraph(_lineage(page, version))
    if version.problems:
        yield Paragraph([Strong("Problems")])
        yield BulletList([str(problem) for problem in version.problems])
    if version.base in page.notebook.versions:
        if changes := setting_changes(page.notebook, version.name):
            yield Paragraph([Strong("Changed"), f" against {version.base}"])
            yield Table(["setting", "before", "now"], [_change_cells(change) for change in changes])
    elif version.own_train or version.command:
        yield Paragraph([Strong("Settings")])
        first = [SettingChange("command", None, " ".join(version.command))] if version.command else []
        own = [*first, *(SettingChange(name, None, value) for name, value in version.train.items())]
        yield Table(["setting", "value"], [[[c.name], [format_value(c.name, c.after)]] for c in own])


def _lineage(page: Page, version: Version) -> InlineText:
    """Returns the bases of a version as links, oldest first, and the version itself."""
    names: list[str] = []
    base = version.base
    while base and base not in (*names, version.name):
        names.insert(0, base)
        version_entry = page.notebook.versions.get(base)
        base = version_entry.base if version_entry else None
    words: list[str | Link | Strong] = [Strong("Lineage"), ": " + ("… → " if len(names) > _MAX_ANCESTORS else "")]
    for name in names[-_MAX_ANCESTORS:]:
        words += [page.version_link(name), " → "]
    return [*words, version.name]


def stats(page: Page, version: Version) -> Iterator[PageBlock]:
    """Returns what was measured in a version's run, what the user observed, and where the two disagree."""
    run = page.reported_runs.get(version.name)
    measured = measured_stats(run) if run else []
    if run and measured:
        yield Paragraph([Strong("Measured"), f" in {run.run_id}"])
        yield BulletList([f"{label}: {text}" for label, text in measured])
    yield from _note_blocks("Observed", _as_bullets(version.observed))
    if wrong := find_discrepancies(version.observed, measured):
        lines = version.observed.split("\n")
        yield Paragraph([Strong("Observed otherwise than measured, or than can be")])
        yield BulletList([f"{lines[remark.line].strip(' -*')} {remark}" for remark in wrong])


def metrics(page: Page, version: Version) -> Iterator[PageBlock]:
    """Returns the table of a version's runs, and the metrics of the reported one at its best epoch and at its end."""
    if run := page.reported_runs.get(version.name):
        yield Paragraph([Strong("Runs")])
        yield _runs_table(page.followers[version.name])
        yield from _metric_blocks(run)


def plots(page: Page, version: Version) -> Iterator[PageBlock]:
    """Returns the curves of a version's reported run."""
    run = page.reported_runs.get(version.name)
    if run and (figure := run_figure(version.name, run)):
        yield Plot(figure)


def findings(page: Page, version: Version) -> Iterator[PageBlock]:
    """Returns what the numbers of a version's reported run say, the comparison with its base included."""
    run = page.reported_runs.get(version.name)
    if run and (run_findings := findings_of(run, page.followers_by_version, page.notebook)):
        yield Paragraph([Strong("Findings"), f" in {run.run_id}"])
        yield BulletList(
            [f"{SEVERITY_MARKS[one.severity]} {one.sentence} {one.suggestion}".strip() for one in run_findings]
        )


def takeaways(page: Page, version: Version) -> Iterator[PageBlock]:
    """Returns a version's takeaways."""
    if version.takeaways.strip(" \t\r\n-"):
        yield from _note_blocks("Takeaways", version.takeaways)


def _note_blocks(title: str, text: str) -> Iterator[PageBlock]:
    if text.strip():
        if title:
            yield Paragraph([Strong(title)])
        yield NoteBlock(text)


def _as_bullets(note: str) -> str:
    """Returns plain lines as bullets; a note with bullets, indents or empty lines is returned as it is."""
    lines = note.strip("\n").split("\n")
    plain = all(line.strip() and not line.startswith((" ", "\t", "-", "*", "+")) for line in lines)
    return "\n".join(f"- {line}" for line in lines) if plain else note


def _change_cells(change: SettingChange) -> Sequence[InlineText]:
    return [[change.name], *([format_value(change.name, value)] for value in (change.before, change.after))]


def _common_metric(judges: Iterable[Sequence[Judge]]) -> str:
    """Returns the metric that judges all; the default one where they differ, so that cells name each other one."""
    names = {one[0].metric for one in judges}
    return names.pop() if len(names) == 1 else DEFAULT_JUDGES[0]


def _column_name(metric: str) -> str:
    """Returns a metric as the head of a column names it: without its half where that is validation."""
    return metric.removeprefix("valid/")


def _seeds_cell(seeds: SeedStatistics | None, usual_metric: str) -> str:
    if seeds is None:
        return ""
    kind = "" if seeds.metric == usual_metric else f" {seeds.metric}"
    return f"{format_number(seeds.mean)} ± {format_number(seeds.std)} ({seeds.count}){kind}"


def _runs_table(followers: Sequence[RunFollower]) -> Table:
    rows: list[Sequence[InlineText]] = []
    metric = _common_metric(view.judges for view in followers)
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
            *_best_cells(view.best(), metric),
        ]
        rows.append([[cell] for cell in cells])
    head = ["run", "state", "seed", "set for it", "epochs", f"best {_column_name(metric)}", "epoch", "accuracy there"]
    return Table(head, rows, numeric_columns=range(4, 8))


def _metric_blocks(follower: RunFollower) -> Iterator[PageBlock]:
    """Returns the metrics of a run: at its best epoch, last, and by chance."""
    best, last, chance = follower.best(), follower.last_metrics(), follower.chance
    best_values = {best.metric: best.value, **best.other_metrics} if best else {}
    rows = [
        [[name], *([format_number(values[name]) if name in values else ""] for values in (best_values, last, chance))]
        for name in sorted(last)
        if not _PER_STEP_METRICS.match(name)
    ]
    if rows:
        yield Paragraph([Strong("Metrics"), f" of {follower.run_id}"])
        yield Table(["metric", "at its best", "last", "chance"], rows, numeric_columns=range(1, 4))


def _best_cells(best: Best | None, usual_metric: str) -> list[str]:
    """Returns value, epoch and accuracy of a best; the value names its metric where that is not the usual one."""
    if best is None:
        return ["", "", ""]
    accuracy = best.metric_values.get(accuracy_name(best.metric))
    epoch = f"{best.epoch:g}" if best.epoch is not None else ""
    kind = "" if best.metric == usual_metric else f" ({best.metric})"
    return [format_number(best.value) + kind, epoch, format_number(accuracy) if accuracy is not None else ""]
