"""Searching the notes and configurations."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgexp_tui.cli import main
from imgexp_tui.notebook.load import parse_notebook
from imgexp_tui.notebook.model import Notebook, Version
from imgexp_tui.notebook.search import Hit, SearchIndex, fold_case

NOTEBOOK = """\
[versions.v0]
tags = ["seed"]
summary = "Pretrained encoder."
takeaways = '''
-The GPU starves.

-	Try num_workers > 0 on the gpu \u202e.
'''
[versions.v0.train]
encoder = "mobilenetv2_100"
pretrained = true

[versions.gpu-2]
base = "v0"
command = ["python", "a script.py", "--gpu"]
observed = "GPU Memory Usage: 1,985/8,126 MB\\u001b[2J"
"""


@pytest.fixture
def index() -> SearchIndex:
    return SearchIndex(parse_notebook(NOTEBOOK, Path("lab")))


def places(index: SearchIndex, query: str) -> list[tuple[str, str, int]]:
    return [(hit.version, hit.field, hit.line) for hit in index.find(query)]


def marked(hit: Hit) -> list[str]:
    return [hit.text[a:b] for a, b in hit.match_spans]


def test_hits_say_where_they_are_in_the_notebook_s_order(index: SearchIndex) -> None:
    assert places(index, "gpu") == [
        ("v0", "takeaways", 1),
        ("v0", "takeaways", 3),
        ("gpu-2", "name", 1),
        ("gpu-2", "observed", 1),
        ("gpu-2", "command", 1),
    ]
    assert places(index, "seed") == [("v0", "tags", 1)]
    assert places(index, "mobilenet") == [("v0", "encoder", 1)]
    assert places(index, "pretrained true") == [("v0", "pretrained", 1)]


def test_capitals_count_as_soon_as_one_is_typed(index: SearchIndex) -> None:
    assert places(index, "GPU") == [("v0", "takeaways", 1), ("gpu-2", "observed", 1)]
    assert places(index, "Gpu") == []


def test_every_word_must_be_on_the_line_in_any_order(index: SearchIndex) -> None:
    assert places(index, "gpu try") == places(index, "  try   gpu ") == [("v0", "takeaways", 3)]
    assert places(index, "gpu encoder") == []
    assert places(index, "  ") == []


def test_the_words_are_marked_and_nothing_reaches_the_terminal_raw(index: SearchIndex) -> None:
    (hit,) = index.find("try workers num_work")
    assert marked(hit) == ["Try", "num_workers"]
    assert hit.text == "-   Try num_workers > 0 on the gpu \ufffd."
    (hit,) = index.find("1,985 mb")
    assert hit.text == "GPU Memory Usage: 1,985/8,126 MB"
    assert index.find("\x1b[2Jmemory")[0] == index.find("memory")[0]


def test_an_escape_sequence_that_is_left_open_swallows_no_line(index: SearchIndex) -> None:
    (hit,) = SearchIndex(_book("a\x1b]0;title\nb\nc gpu")).find("gpu")
    assert (hit.line, hit.text) == (3, "c gpu")


def test_lower_case_keeps_every_character_in_its_place() -> None:
    signs = "".join(map(chr, (c for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000)))
    assert len(fold_case(signs)) == len(signs)
    assert fold_case("ΟΔΟΣ ΟΔΟΣ") == fold_case("οδος οδοΣ")


def test_an_accent_is_found_however_it_was_typed() -> None:
    index = SearchIndex(_book("cafe\u0301 漢字 ok"))
    (hit,) = index.find("caf\u00e9 字")
    assert marked(hit) == ["caf\u00e9", "字"]


def _book(summary: str) -> Notebook:
    versions = {"v": Version("v", summary=summary)}
    return Notebook(Path("x"), Path(), "t", {}, {}, versions, ())


@given(st.text(max_size=60), st.text(max_size=12))
def test_any_text_can_be_searched_for_anything(summary: str, query: str) -> None:
    for hit in SearchIndex(_book(summary)).find(query):
        assert hit.match_spans
        assert all(0 <= a < b <= len(hit.text) for a, b in hit.match_spans)
        assert all(before[1] <= after[0] for before, after in zip(hit.match_spans, hit.match_spans[1:], strict=False))
        assert "\x1b" not in hit.text


@given(st.lists(st.text("ab İß", max_size=6), max_size=6), st.text("aBb İß", min_size=1, max_size=4))
def test_the_index_finds_what_looking_at_each_line_finds(lines: list[str], query: str) -> None:
    found = [hit.text for hit in SearchIndex(_book("\n".join(lines))).find(query) if hit.field == "summary"]
    exact = query != fold_case(query)
    words = query.split()
    expected = [
        line.rstrip() for line in lines if words and all(word in (line if exact else fold_case(line)) for word in words)
    ]
    assert found == expected


def test_find_prints_hits_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "experiments.toml").write_text(NOTEBOOK)
    assert main(["-C", str(tmp_path), "find", "gpu", "try"]) == 0
    assert capsys.readouterr().out == "v0 takeaways:3: -   Try num_workers > 0 on the gpu \ufffd.\n"
    assert main(["-C", str(tmp_path), "find", "seed", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"version": "v0", "where": "tags", "line": 1, "text": "seed", "marks": [[0, 4]]}
    ]
    assert main(["-C", str(tmp_path), "find", "nowhere"]) == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "nothing in experiments.toml holds nowhere\n")
    assert main(["-C", str(tmp_path), "find", "nowhere", "--json"]) == 1
    assert capsys.readouterr().out == "[]\n"
