"""Builds a page of the notebook as blocks: which versions and parts it has, and in which order.

The same lab gives the same page: neither the time nor the machine that writes it has an influence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from imgexp_tui.notebook.model import Notebook
from imgexp_tui.records.metrics.follower import RunFollower
from imgexp_tui.records.metrics.metric import version_judges
from imgexp_tui.reports.blocks import Heading, Link, PageBlock, Paragraph, Separator, Strong
from imgexp_tui.reports.parts import PARTS
from imgexp_tui.reports.plot_data import reported_run
from imgexp_tui.reports.tabular import newest_first
from imgexp_tui.text import clean_line

FollowersByVersion = Mapping[str, Sequence[RunFollower]]


class Page:
    """The data that the sections of one page share.

    Attributes:
        notebook: the whole notebook, with the versions that the page does not show.
        followers_by_version: version → its runs, polled, of the whole notebook.
        versions: the versions on the page, in the notebook's order.
        parts: the names of the parts on the page.
        followers: version → its runs, newest first, for the versions on the page.
        reported_runs: version → the run that the page describes, for the versions that have one.
        title: the page's title, cleaned.
    """

    def __init__(
        self,
        notebook: Notebook,
        followers_by_version: FollowersByVersion,
        versions: Iterable[str] | None,
        parts: Iterable[str],
    ) -> None:
        selected = set(notebook.versions if versions is None else versions)
        self.notebook = notebook
        self.followers_by_version = followers_by_version
        self.versions = [version for name, version in notebook.versions.items() if name in selected]
        self.parts = frozenset(parts)
        self.followers = {v.name: newest_first(followers_by_version.get(v.name, ())) for v in self.versions}
        self.judges = {v.name: version_judges(notebook, v.name) for v in self.versions}
        """Version → the metrics that judge its runs, in order of preference."""
        self.reported_runs = {
            name: run for name, runs in self.followers.items() if (run := reported_run(runs, self.judges[name]))
        }
        self.title = clean_line(notebook.title) or "Lab notebook"
        self.anchors = _anchors(self.title, self.followers)
        """Version → the anchor of its heading."""

    def version_link(self, name: str) -> str | Link:
        """Returns a link to a version, or its plain name where the page does not show it."""
        return Link(name, self.anchors[name]) if name in self.anchors else name


def page_blocks(
    notebook: Notebook,
    followers_by_version: FollowersByVersion,
    *,
    versions: Iterable[str] | None = None,
    parts: Iterable[str] = tuple(PARTS),
) -> list[PageBlock]:
    """Returns the blocks of the page.

    Args:
        followers_by_version: version → its runs, polled.
        versions: names of the versions to show; None for all.
        parts: names of the parts to show, keys of `PARTS`.
    """
    return list(_blocks(Page(notebook, followers_by_version, versions, parts)))


def _blocks(page: Page) -> Iterator[PageBlock]:
    parts = [part for name, part in PARTS.items() if name in page.parts]
    page_sections = [section for part in parts if (section := part.load_page_section())]
    version_sections = [section for part in parts if (section := part.load_version_section())]
    yield Heading(1, page.title)
    for section in page_sections:
        yield from section(page)
    group = ""
    for version in page.versions:
        if version.group != group:
            group = version.group
            yield Separator()
            if clean_line(group):
                yield Paragraph([Strong(group)])
        yield Heading(2, version.name, page.anchors[version.name])
        for section in version_sections:
            yield from section(page, version)


def _anchors(title: str, names: Iterable[str]) -> dict[str, str]:
    """Returns version → the anchor that GitHub makes for its heading."""
    anchors: dict[str, str] = {}
    used = {_heading_slug(title)}
    for name in names:
        base = anchor = _heading_slug(name)
        suffix = 0
        while anchor in used:
            suffix += 1
            anchor = f"{base}-{suffix}"
        anchors[name] = anchor
        used.add(anchor)
    return anchors


def _heading_slug(text: str) -> str:
    return re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-")
