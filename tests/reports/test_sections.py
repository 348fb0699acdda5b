"""What a report says, whichever way it is written, and the HTML page: self-contained, and nothing in it runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgexp_tui.notebook.load import parse_notebook
from imgexp_tui.notebook.model import Notebook
from imgexp_tui.reports.blocks import Heading, NoteBlock
from imgexp_tui.reports.html import render_html
from imgexp_tui.reports.markdown import render_markdown
from imgexp_tui.reports.page import page_blocks
from imgexp_tui.reports.parts import PARTS
from imgexp_tui.reports.sections import seed_statistics
from imgexp_tui.text import clean
from tests.support.recorded_runs import PLAN, a_run

NOTEBOOK = """\
[lab]
title = "v0"
[versions.v0]
summary = '''First.'''
takeaways = '''
- [x] try a larger bs
    -nested <script>alert(1)</script> | `x`
    goes on
- [ ] javascript:alert(1) [a](javascript:alert(1)) <http://a.b> www.a.b

After the list.
Same paragraph.
'''
observed = '''GPU Memory Usage: 1,985/8,126 MB'''
[versions.V0]
base = "v0"
[versions.V0.train]
batch_size = 512
[versions.v2]
base = "V0"
group = "Second <i>task</i>"
summary = '''Third.'''
"""
VOID = {"meta", "br", "hr", "input"}
RUNS = ("20260101-000000-aaaaaa", "20260101-000000-bbbbbb", "20260101-000000-cccccc")


class Parsed(HTMLParser):
    """Tags, attributes and words of a page; every tag is closed in its order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "title"} & set(self._open):
            self.words.append(data)


@pytest.fixture
def notebook(tmp_path: Path) -> Notebook:
    return parse_notebook(NOTEBOOK, tmp_path)


def test_headings_that_look_alike_get_the_anchors_that_github_gives_them(notebook: Notebook) -> None:
    headings = [(b.text, b.anchor) for b in page_blocks(notebook, {}) if isinstance(b, Heading)]
    assert headings == [("v0", ""), ("v0", "v0-1"), ("V0", "v0-2"), ("v2", "v2")]


def test_lineage_names_the_bases_and_leads_to_those_that_are_on_the_page(notebook: Notebook) -> None:
    assert "**Lineage**: [v0](#v0-1) → [V0](#v0-2) → v2\n" in render_markdown(page_blocks(notebook, {}))
    assert "**Lineage**: v0 → V0 → v2\n" in render_markdown(page_blocks(notebook, {}, versions=["v2"]))


def test_bases_that_go_in_a_circle_and_long_lines_of_them_end(tmp_path: Path) -> None:
    circle = parse_notebook('[versions.a]\nbase = "b"\n[versions.b]\nbase = "a"\n', tmp_path)
    assert "**Lineage**: [b](#b) → a\n" in render_markdown(page_blocks(circle, {}))
    chain = "[versions.v0]\n" + "".join(f'[versions.v{i}]\nbase = "v{i - 1}"\n' for i in range(1, 40))
    assert "**Lineage**: … → [v31](#v31) → [v32](#v32)" in render_markdown(
        page_blocks(parse_notebook(chain, tmp_path), {})
    )


def test_versions_and_parts_are_chosen(notebook: Notebook) -> None:
    only = page_blocks(notebook, {}, versions=["v2", "V0"], parts=["summary"])
    assert [b.text for b in only if isinstance(b, Heading | NoteBlock)] == ["v0", "V0", "v2", "Third."]
    everything = render_markdown(page_blocks(notebook, {}))
    for part, sign in {
        "comparison": "| state | best loss |",
        "ideas": "**Open ideas**",
        "summary": "\nFirst.\n",
        "config": "| batch_size | 64 | 512 |",
        "stats": "1,985/8,126 MB",
        "takeaways": "try a larger bs",
    }.items():
        assert sign in everything
        assert sign in render_markdown(page_blocks(notebook, {}, parts=[part]))
        assert sign not in render_markdown(page_blocks(notebook, {}, parts=[p for p in PARTS if p != part]))


def test_open_ideas_stand_in_one_list_and_lead_to_their_versions(tmp_path: Path) -> None:
    text = (
        "[versions.v0]\nsummary = '- [x] done (tried in v1)'\ntakeaways = '''\n"
        "- [ ] try `x` | <b>\n    - [ ] nested,\n      goes on\n'''\n"
        "[versions.v1]\nobserved = '- [ ] [a](javascript:b) # [x]'\n"
    )
    book = parse_notebook(text, tmp_path)
    page = render_markdown(page_blocks(book, {}, parts=["ideas"]))
    assert page == render_markdown(page_blocks(book, {}, parts=["ideas"]))
    assert (
        "**Open ideas**\n\n- [ ] [v0](#v0): try \\`x\\` \\| \\<b>\n- [ ] [v0](#v0): nested, goes on\n"
        "- [ ] [v1](#v1): \\[a](javascript:b) # [x]\n"
    ) in page
    assert "done" not in page
    assert "v0" not in render_markdown(page_blocks(book, {}, versions=["v1"], parts=["ideas"]))
    parsed = Parsed(render_html(page_blocks(book, {}, parts=["ideas"])))
    assert [(tag, value) for tag, name, value in parsed.attributes if name == "href"] == [
        ("a", "#v0"), ("a", "#v0"), ("a", "#v1"),
    ]  # fmt: skip
    assert parsed.tags.count("input") == 3 and "b" not in parsed.tags
    assert "Open ideas" not in render_markdown(page_blocks(parse_notebook("[versions.v0]\n", tmp_path), {}))


def test_seeds_are_compared_by_mean_and_deviation(notebook: Notebook) -> None:
    losses = (0.2, 0.3, 0.4)
    seeds = [a_run(notebook.lab, "v0", run, [x], group="g", seed=i) for i, (run, x) in enumerate(zip(RUNS, losses))]  # noqa: B905
    found = seed_statistics(seeds)
    assert found and (found.metric, found.count) == ("valid/loss", 3)
    assert (found.mean, found.std) == pytest.approx((0.3, 0.1))
    text = render_markdown(page_blocks(notebook, {"v0": seeds}))
    assert "| [v0](#v0-1) | killed | 0.2000 | 1 | 0.8000 | 0.3000 ± 0.1000 (3) |" in text
    assert "sample standard deviation" in text
    assert "| 20260101-000000-bbbbbb | killed | 1 |" in text


def test_runs_that_are_no_group_are_not_averaged(notebook: Notebook) -> None:
    apart = [a_run(notebook.lab, "v0", run, [0.2]) for run in RUNS[:2]]
    assert seed_statistics(apart) is None
    assert seed_statistics([a_run(notebook.lab, "V0", RUNS[0], [0.2], group="g")]) is None
    assert "over seeds" not in render_markdown(page_blocks(notebook, {"v0": apart}))


def test_the_best_of_all_versions_stands_out(notebook: Notebook) -> None:
    views = {"v0": [a_run(notebook.lab, "v0", RUNS[0], [0.3])], "V0": [a_run(notebook.lab, "V0", RUNS[0], [0.2])]}
    text = render_markdown(page_blocks(notebook, views))
    assert "| killed | 0.3000 | 1 |" in text
    assert "| killed | **0.2000** | 1 |" in text


def test_a_page_with_plots_names_their_files(notebook: Notebook) -> None:
    views = {name: [a_run(notebook.lab, name, RUNS[0], [0.3], events=[PLAN])] for name in ("v0", "V0")}
    text = render_markdown(page_blocks(notebook, views), plots_folder="my (notes)_files")
    alt = f"Loss and accuracy of v0, run {RUNS[0]}: best 0.3000 at epoch 1"
    assert f"[![{alt}](my%20%28notes%29_files/v0.png)](my%20%28notes%29_files/v0.svg)" in text
    assert "![Validation curves of v0, V0](my%20%28notes%29_files/comparison.png)" in text
    assert "![" not in render_markdown(page_blocks(notebook, views))


def test_the_html_page_loads_nothing_and_runs_nothing(notebook: Notebook) -> None:
    views = {name: [a_run(notebook.lab, name, RUNS[0], [0.3, 0.2], events=[PLAN])] for name in ("v0", "V0")}
    text = render_html(page_blocks(notebook, views))
    parsed = Parsed(text)
    assert not {"script", "iframe", "object", "embed", "link", "img", "form", "base"} & set(parsed.tags)
    assert not [name for _, name, _ in parsed.attributes if name.startswith("on") or name == "src"]
    links = {value for _, name, value in parsed.attributes if name in ("href", "xlink:href")}
    assert links and all(link.startswith("#") for link in links)
    assert not re.search(r"url\((?!#)|@import", text)
    assert ("meta", "content", "default-src 'none'; style-src 'unsafe-inline'") in parsed.attributes
    assert parsed.tags.count("svg") == 3
    words = " ".join(parsed.words)
    for said in ("<script>alert(1)</script> | `x`", "Second <i>task</i>", "[a](javascript:alert(1)) <http://a.b>"):
        assert said in words
    assert text == render_html(page_blocks(notebook, {name: list(runs) for name, runs in views.items()}))


def test_the_drawings_of_one_html_page_do_not_share_names(notebook: Notebook) -> None:
    views = {name: [a_run(notebook.lab, name, RUNS[0], [0.3, 0.2], events=[PLAN])] for name in ("v0", "V0")}
    parsed = Parsed(render_html(page_blocks(notebook, views)))
    names = [value for _, name, value in parsed.attributes if name == "id"]
    assert len(names) == len(set(names))
    uses = {value[1:] for _, name, value in parsed.attributes if name == "xlink:href"}
    assert uses and uses <= set(names)


def test_a_note_in_html_keeps_its_lists_boxes_and_paragraphs(notebook: Notebook) -> None:
    text = render_html([NoteBlock(notebook.versions["v0"].takeaways)])
    assert (
        '<ul><li><input type="checkbox" disabled checked> try a larger bs<ul><li>nested &lt;script&gt;alert(1)'
        "&lt;/script&gt; | `x`<br>goes on</li></ul></li><li>" in text
    )
    assert text.count("checked") == 1
    assert "</li></ul><p>After the list.<br>Same paragraph.</p>" in text


PIECES = st.sampled_from(
    [*"<>&\"'|`*-+=\n\t a", "- ", "  - ", "    -", "</li>", "<script>", "&amp;", "- [ ] x", "\x1b[31m", "\ud800"]
)
FOREIGN = st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=25).map("".join))


@given(FOREIGN)
def test_html_shows_every_word_of_a_note_and_nothing_becomes_a_tag(text: str) -> None:
    parsed = Parsed(render_html([Heading(1, text), NoteBlock(text)]).partition("<body>")[2].partition("</body>")[0])
    assert set(parsed.tags) <= {"h1", "p", "ul", "li", "br", "input"}
    assert {(tag, name) for tag, name, _ in parsed.attributes} <= {
        ("input", n) for n in ("type", "disabled", "checked")
    }
    marks = str.maketrans("", "", " \t\n-*+[]xX")
    twice = "".join(clean(text).split()) * 2
    assert "".join("".join(parsed.words).split()).translate(marks) == twice.translate(marks)
