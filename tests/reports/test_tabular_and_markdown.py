"""The notebook on its way out: the JSON contract, CSV, and a markdown page that foreign text cannot break."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.notebook.model import Notebook, Version
from imgexp_tui.reports.markdown import EXPORT_MARK, render_markdown
from imgexp_tui.reports.markdown_escape import escape_block, escape_inline
from imgexp_tui.reports.page import FollowersByVersion, page_blocks
from imgexp_tui.reports.tabular import csv_text, json_text, run_row, version_row
from imgexp_tui.text import clean, clean_line
from tests.support.recorded_runs import a_run

NOTEBOOK = """\
[lab]
title = "A <b>lab</b>"
[versions.v0]
summary = '''=1+1 | `x` <script>alert(1)</script>'''
takeaways = '''
-bs of 64 could be much bigger. [UPDATE: [click](javascript:alert(1))]
    -nested | deeper
'''
observed = '''
GPU Memory Usage: 1,985/8,126 MB
CPU Memory: ~2,425/30,147 MB
'''
[versions.v0.train]
batch_size = 64
[versions.V1]
base = "v0"
[versions.V1.train]
batch_size = 512
[versions.v2]
base = "v9"
"""
MARKDOWN = MarkdownIt("commonmark", {"linkify": True}).enable(["table", "strikethrough", "linkify"])
MARKDOWN.linkify.set({"fuzzy_email": False, "fuzzy_link": False})  # as GitHub, which takes `www.` for an address


def notebook_markdown(notebook: Notebook, views: FollowersByVersion) -> str:
    return render_markdown(page_blocks(notebook, views))


@pytest.fixture
def notebook(tmp_path: Path) -> Notebook:
    (tmp_path / "experiments.toml").write_text(NOTEBOOK)
    return load_notebook(tmp_path)


def test_a_run_s_row_is_the_contract(notebook: Notebook) -> None:
    row = run_row(a_run(notebook.lab, "v0", "20260101-000000-aaaaaa", [0.4, math.nan]))
    assert row == {
        "run": "20260101-000000-aaaaaa",
        "version": "v0",
        "state": "killed",
        "evidence": "killed by SIGKILL",
        "exit_code": None,
        "signal": "SIGKILL",
        "attempt": 1,
        "seed": 7,
        "group": None,
        "gpus": [],
        "epoch": 2,
        "step": 4,
        "metrics": {"train/loss": 0.5, "valid/accuracy": None, "valid/loss": None},
        "best": {
            "metric": "valid/loss",
            "value": 0.4,
            "epoch": 1,
            "step": 2,
            "run": "20260101-000000-aaaaaa",
            "beside": {"valid/accuracy": 0.6},
        },
        "measured": {},
        "path": str(notebook.lab / "runs" / "v0" / "20260101-000000-aaaaaa"),
    }
    json.dumps(row, allow_nan=False)


def test_a_version_s_row_has_its_newest_run_s_state_and_the_best_of_all(notebook: Notebook) -> None:
    old = a_run(notebook.lab, "v0", "20260101-000000-aaaaaa", [0.2])
    new = a_run(notebook.lab, "v0", "20260102-000000-bbbbbb", [0.3], ended=False)
    row = version_row(notebook.versions["v0"], [old, new])
    notes = ["summary", "takeaways", "observed"]
    assert list(row) == ["name", "base", *notes, "tags", "archived", "state", "best", "runs", "problems"]
    assert (row["state"], row["best"]["run"], row["runs"]) == ("lost", old.run_id, [new.run_id, old.run_id])
    (problem,) = version_row(notebook.versions["v2"], [])["problems"]
    assert problem.startswith("experiments.toml:20: versions.v2.base: there is no version 'v9'")
    empty = version_row(notebook.versions["V1"], [])
    assert empty["problems"] == []
    assert (empty["base"], empty["state"], empty["best"], empty["runs"]) == ("v0", None, None, [])


def test_json_and_csv_hold_every_version_and_run(notebook: Notebook) -> None:
    views = {"v0": [a_run(notebook.lab, "v0", "20260101-000000-aaaaaa", [0.2, math.inf])]}
    v0, v1, v2 = json.loads(json_text(notebook, views))
    assert v0["run_details"][0]["metrics"]["valid/loss"] is None
    assert (v1["config"]["batch_size"], v1["run_details"], v2["name"]) == (512, [], "v2")
    rows = list(csv.DictReader(io.StringIO(csv_text(notebook, views))))
    assert [(r["version"], r["run"]) for r in rows] == [("v0", "20260101-000000-aaaaaa"), ("V1", ""), ("v2", "")]
    assert (rows[0]["best value"], rows[0]["metric valid/loss"], rows[0]["setting batch_size"]) == ("0.2", "", "64")
    assert rows[1]["setting batch_size"] == "512"


def test_a_spreadsheet_finds_no_formula_in_a_note(notebook: Notebook) -> None:
    (row, *_) = csv.DictReader(io.StringIO(csv_text(notebook, {})))
    assert row["summary"].startswith("'=1+1")
    assert row["takeaways"].startswith("'-bs of 64")


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "＝", "\t=", "\r=", "\n="])
def test_whatever_begins_a_formula_is_text_in_the_csv(tmp_path: Path, begin: str) -> None:
    version = Version("v0", summary=f'{begin}HYPERLINK("http://a.b")', takeaways='a "quoted" ; , | note\nof two lines')
    notebook = Notebook(tmp_path / "experiments.toml", tmp_path, "", {}, {}, {"v0": version}, ())
    text = csv_text(notebook, {})
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["summary"] == f"'{version.summary}"
    assert row["takeaways"] == version.takeaways


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("javascript:alert(1) [x](javascript:alert(1))", r"javascript:alert(1) \[x](javascript:alert(1))"),
        ("<javascript:alert(1)> <b onclick=x>", r"\<javascript:alert(1)> \<b onclick=x>"),
        ("see http://a.b/~c and www.a.b", r"see http\://a.b/\~c and www\.a.b"),
        ("a | b `c` ~~d~~", r"a \| b \`c\` \~\~d\~\~"),
        ("it took ~70 s [UPDATE: not ~60], pos_weight", "it took ~70 s [UPDATE: not ~60], pos_weight"),
        ("[a]: http://b [c][d]", r"\[a]: http\://b \[c][d]"),
        ("=1+1", r"\=1+1"),
        ("+1 from me", r"\+1 from me"),
        ("@someone", "@someone"),
    ],
)
def test_a_line_of_a_note_gets_a_backslash_only_where_a_mark_would_mean_something(text: str, written: str) -> None:
    assert escape_block(text) == written


def test_an_empty_bullet_stays_a_bullet_when_a_line_follows() -> None:
    kinds = [t.type for t in MARKDOWN.parse(escape_block("-\n  below\n"))]
    assert kinds.count("list_item_open") == 1
    assert [shown(t) for t in MARKDOWN.parse(escape_block("-\n  below\n")) if t.type == "inline"] == ["below"]


def test_the_page_holds_notes_changes_and_figures_and_is_the_same_each_time(notebook: Notebook) -> None:
    views = {
        "v0": [
            a_run(notebook.lab, "v0", "20260101-000000-aaaaaa", [0.4, 0.3]),
            a_run(notebook.lab, "v0", "20260102-000000-bbbbbb", [0.6]),
        ]
    }
    page = notebook_markdown(notebook, views)
    assert page == notebook_markdown(load_notebook(notebook.lab), {"v0": views["v0"][::-1]})
    assert page.startswith(EXPORT_MARK)
    assert "| batch_size | 64 | 512 |" in page
    assert "- GPU Memory Usage: 1,985/8,126 MB\n" in page
    assert "| 20260101-000000-aaaaaa | killed | 7 | epochs = 2 | 2 of 2 | 0.3000 | 2 | 0.7000 |" in page
    assert "| valid/loss | 0.3000 | 0.3000 |  |" in page
    assert "- bs of 64 could be much bigger." in page and "\n  - nested \\| deeper" in page
    assert "there is no version 'v9'" in page


def test_foreign_text_stays_text_on_the_page(notebook: Notebook) -> None:
    tokens = MARKDOWN.parse(notebook_markdown(notebook, {}).removeprefix(EXPORT_MARK))
    inner = [child for token in tokens for child in token.children or []]
    assert not [
        t for t in [*tokens, *inner] if t.type in ("html_block", "html_inline", "code_inline", "s_open", "image")
    ]
    links = {str(token.attrs["href"]) for token in inner if token.type == "link_open"}
    assert links == {"#v0", "#v1", "#v2"}
    assert next(t.content for t in tokens if t.type == "inline" and t.level == 1) == r"A \<b>lab\</b>"
    assert cells_in_each_row(tokens) == {8, 2, 3}


def cells_in_each_row(tokens: list[Token]) -> set[int]:
    rows, count = set(), 0
    for token in tokens:
        if token.type == "tr_open":
            count = 0
        count += token.type in ("td_open", "th_open")
        if token.type == "tr_close":
            rows.add(count)
    return rows


PIECES = st.sampled_from(
    [
        *"|`*_~<>[]()#=+-&\\!$:1. \n\t\"'a",
        "<script>",
        "](javascript:x)",
        "&amp;",
        "---",
        "- [ ] ",
        "http://a.b",
        "[a](b)",
        "[a]: b",
        "~5",
        "~~",
        "\x1b[31m",
    ]
)
FOREIGN = st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=25).map("".join))


def shown(token: Token) -> str:
    """The text that a reader sees of an inline token."""
    return "".join("\n" if c.type in ("softbreak", "hardbreak") else c.content for c in token.children or [])


@given(FOREIGN)
def test_a_cell_shows_any_text_as_it_is(text: str) -> None:
    tokens = MARKDOWN.parse(f"| a | b |\n|---|---|\n| {escape_inline(text)} | end |\n")
    cells = [shown(t) for t in tokens if t.type == "inline"]
    assert cells == ["a", "b", clean_line(text), "end"]
    assert all(c.type in ("text", "text_special") for t in tokens for c in t.children or [])


@given(FOREIGN)
def test_a_note_shows_every_word_and_becomes_nothing_but_lists_and_paragraphs(text: str) -> None:
    tokens = MARKDOWN.parse(escape_block(text))
    kinds = {t.type.removesuffix("_open").removesuffix("_close") for t in tokens}
    assert kinds <= {"paragraph", "inline", "bullet_list", "list_item"}
    inner = {c.type for t in tokens for c in t.children or []}
    assert inner <= {"text", "text_special", "softbreak", "hardbreak"}
    marks = str.maketrans("", "", " \t\n-*+")
    seen = "".join(shown(t) for t in tokens if t.type == "inline")
    assert seen.translate(marks) == "".join(clean(text).split()).translate(marks)
