"""Open ideas: found in any note, ticked with where they were tried, and given back as they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imgexp_tui import paths
from imgexp_tui.cli import main
from imgexp_tui.notebook.history import log
from imgexp_tui.notebook.ideas import edits, model
from imgexp_tui.notebook.ideas.model import Idea
from imgexp_tui.notebook.load import load_notebook, parse_notebook
from imgexp_tui.notebook.model import NotebookError, Version

NOTEBOOK = """\
# a comment that stays
[versions.v0]
summary = "First."     # and this one
takeaways = '''
-bs of 64 could be much bigger.
- [ ] try num_workers > 0
    * [ ] nested, that goes
      on below
      - plain detail
- [x] raise the LR (tried in v1)
- [X] forget it
'''
[versions.v1]
base = "v0"
observed = '- [ ] memory of "both" GPUs'
[versions.v2]
base = "v1"
"""


def of(note: str) -> list[Idea]:
    return model.ideas_of(Version("v0", takeaways=note))


def test_ideas_are_found_in_every_note_with_their_place() -> None:
    assert model.all_ideas(parse_notebook(NOTEBOOK, Path("lab"))) == [
        Idea("v0", "takeaways", 2, "try num_workers > 0"),
        Idea("v0", "takeaways", 3, "nested, that goes on below"),
        Idea("v0", "takeaways", 6, "raise the LR", done=True, tried_in="v1"),
        Idea("v0", "takeaways", 7, "forget it", done=True),
        Idea("v1", "observed", 1, 'memory of "both" GPUs'),
    ]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("- [ ] a", "a"),
        ("-[ ] a", "a"),
        ("\t+ [ ]  a ", "a"),
        ("1. [ ] a", "a"),
        ("- [ ] a\r", "a"),
        ("- [ ] a [link](x) [ ] b", "a [link](x) [ ] b"),
        ("- [ ] a (tried in v1)", "a (tried in v1)"),
        ("- [ ]\n  a\n   b", "a b"),
        ("- [ ] a\nprose", "a"),
        ("- [ ] a\n\n  prose", "a"),
    ],
)
def test_what_is_an_idea(line: str, text: str) -> None:
    assert [(i.text, i.done) for i in of(line)] == [(text, False)]


@pytest.mark.parametrize(
    "line", ["- [ ]", "- [ ] ", "- [] a", "[ ] a", "--[ ] a", "*[ ] a", "- [x](http://a)", "- [y] a", "- a"]
)
def test_what_is_none(line: str) -> None:
    assert of(line) == []


def test_a_tick_says_where_and_goes_behind_the_last_words() -> None:
    note = "- [ ] one \n- [ ] two\n  and more\n  - [ ] three\n"
    one, two, three = of(note)
    assert model.tick_in_note(note, [one, three], "v2") == (
        "- [x] one (tried in v2) \n- [ ] two\n  and more\n  - [x] three (tried in v2)\n"
    )
    ticked = model.tick_in_note(note, [two], "v2")
    assert ticked == "- [ ] one \n- [x] two\n  and more (tried in v2)\n  - [ ] three\n"
    assert of(ticked)[1] == Idea("v0", "takeaways", 2, "two and more", done=True, tried_in="v2")
    assert model.tick_in_note(note, [one]) == note.replace("[ ] one", "[x] one")


def test_an_idea_that_was_tried_before_may_be_tried_again() -> None:
    note = "- [ ] a (tried in v1)"
    again = model.tick_in_note(note, of(note), "v2")
    assert again == "- [x] a (tried in v1) (tried in v2)"
    assert of(again)[0].tried_in == "v2"
    assert model.untick_in_note(again, of(again)[0]) == note


LINES = [
    "- [ ] a",
    "- [ ] b",
    "  * [ ] a  ",
    "  more",
    "- c",
    "",
    "\t1. [ ] wide 字\r",
    "    deeper (x)",
    "prose",
    "- [ ]",
]


@given(st.lists(st.sampled_from(LINES), max_size=8).map("\n".join), st.integers(0, 7), st.sampled_from(["v2", ""]))
@example("- [ ] a\n  more\n", 0, "v2")
def test_taking_a_tick_away_gives_back_every_character(note: str, at: int, tried_in: str) -> None:
    found = of(note)
    if not found:
        return
    idea = found[at % len(found)]
    ticked = model.tick_in_note(note, [idea], tried_in)
    after = of(ticked)
    assert [i.key for i in after] == [i.key for i in found]
    assert [i.done for i in after] == [i == idea for i in found]
    assert model.untick_in_note(ticked, after[at % len(found)]) == note


def test_the_offer_is_that_of_the_base_and_its_bases() -> None:
    book = parse_notebook(NOTEBOOK, Path("lab"))
    assert [i.version for i in model.open_ideas_with_bases(book, "v2")] == ["v1", "v0", "v0"]
    assert [i.version for i in model.open_ideas_with_bases(book, "v0")] == ["v0", "v0"]
    circle = parse_notebook("[versions.a]\nbase = 'b'\nsummary = '- [ ] x'\n[versions.b]\nbase = 'a'\n", Path("lab"))
    assert [i.text for i in model.open_ideas_with_bases(circle, "b")] == ["x"]
    assert model.open_ideas_with_bases(book, "nothing") == []


def test_the_newest_version_is_proposed() -> None:
    book = parse_notebook(NOTEBOOK, Path("lab"))
    assert model.suggest_tried_in(book, Idea("v0", "summary", 1, "x")) == "v2"
    assert model.suggest_tried_in(book, Idea("v2", "summary", 1, "x")) == "v2"


def test_a_tick_in_the_file_changes_that_line_only_and_can_be_brought_back(lab: Path) -> None:
    first, *_ = model.all_ideas(load_notebook(lab))
    before = load_notebook(lab).versions["v0"].takeaways
    edits.tick_idea(lab, first, "v2")
    ticked = NOTEBOOK.replace("[ ] try num_workers > 0", "[x] try num_workers > 0 (tried in v2)")
    assert (lab / paths.NOTEBOOK).read_text() == ticked
    assert before in [state.text for state in log.note_states(lab, "v0", "takeaways")]
    edits.untick_idea(lab, first)
    assert (lab / paths.NOTEBOOK).read_text() == NOTEBOOK
    edits.untick_idea(lab, first)
    assert (lab / paths.NOTEBOOK).read_text() == NOTEBOOK


def test_a_tick_keeps_the_line_ends_of_a_crlf_notebook(lab: Path) -> None:
    raw = NOTEBOOK.replace("\n", "\r\n").encode()
    (lab / paths.NOTEBOOK).write_bytes(raw)
    _, nested, *_ = model.all_ideas(load_notebook(lab))
    edits.tick_idea(lab, nested, "v2")
    ticked = raw.replace(b"[ ] nested", b"[x] nested").replace(b"on below", b"on below (tried in v2)")
    assert (lab / paths.NOTEBOOK).read_bytes() == ticked
    edits.untick_idea(lab, nested)
    assert (lab / paths.NOTEBOOK).read_bytes() == raw


def test_an_idea_is_found_where_it_went_meanwhile(lab: Path) -> None:
    first, *_ = model.all_ideas(load_notebook(lab))
    moved = NOTEBOOK.replace("-bs of 64", "-a new line\n- [ ] right above\n-bs of 64").replace(
        "[ ] nested", "[x] nested"
    )
    (lab / paths.NOTEBOOK).write_text(moved)
    edits.tick_idea(lab, first, "v1")
    assert (lab / paths.NOTEBOOK).read_text() == moved.replace(
        "[ ] try num_workers > 0", "[x] try num_workers > 0 (tried in v1)"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("try num_workers > 0", "try 4 workers"), "not in the takeaways of v0 any more"),
        (("- [ ] try num_workers > 0", "- [x] try num_workers > 0 (tried in v1)"), "ticked already, tried in v1"),
        (("[versions.v0]", "[versions.old]"), "not in the takeaways of v0 any more"),
    ],
)  # fmt: skip
def test_an_idea_that_changed_meanwhile_is_left_alone(lab: Path, change: tuple[str, str], message: str) -> None:
    first, *_ = model.all_ideas(load_notebook(lab))
    changed = NOTEBOOK.replace(*change)
    (lab / paths.NOTEBOOK).write_text(changed)
    with pytest.raises(NotebookError, match=message):
        edits.tick_idea(lab, first, "v2")
    assert (lab / paths.NOTEBOOK).read_text() == changed


def test_no_foreign_text_goes_into_a_note_as_a_version(lab: Path) -> None:
    first, *_ = model.all_ideas(load_notebook(lab))
    with pytest.raises(NotebookError, match="no name for a version"):
        edits.tick_idea(lab, first, "v2)\n'''\nx")
    assert (lab / paths.NOTEBOOK).read_text() == NOTEBOOK


def test_a_version_that_tries_ideas_ticks_them_as_it_is_written(lab: Path) -> None:
    first, nested, *_, other = model.all_ideas(load_notebook(lab))
    gone = Idea("v0", "takeaways", 9, "not there")
    missed = edits.add_version_trying(lab, "v3", [first, gone, nested, other], base="v2", summary="Same as v2.")
    assert missed == [gone]
    text = (lab / paths.NOTEBOOK).read_text()
    assert text.startswith(
        NOTEBOOK.replace("[ ] try num_workers > 0", "[x] try num_workers > 0 (tried in v3)")
        .replace("[ ] nested", "[x] nested").replace("on below", "on below (tried in v3)")
        .replace("'- [ ] memory of \"both\" GPUs'", "'- [x] memory of \"both\" GPUs (tried in v3)'")
    )  # fmt: skip
    assert load_notebook(lab).versions["v3"].base == "v2"


def test_where_the_version_cannot_be_made_nothing_is_ticked(lab: Path) -> None:
    with pytest.raises(NotebookError, match="already"):
        edits.add_version_trying(lab, "v2", model.all_ideas(load_notebook(lab)), base="v0")
    assert (lab / paths.NOTEBOOK).read_text() == NOTEBOOK


def test_the_command_lists_open_ideas_and_all_of_them(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (lab / paths.NOTEBOOK).write_text(NOTEBOOK.replace('"First."', '"- [ ] a \\u001b[31mred one"'))
    assert main(["-C", str(lab), "ideas"]) == 0
    assert capsys.readouterr().out == (
        "v0  [ ] a red one\nv0  [ ] try num_workers > 0\nv0  [ ] nested, that goes on below\n"
        'v1  [ ] memory of "both" GPUs\n'
    )
    assert main(["-C", str(lab), "ideas", "--all"]) == 0
    assert "v0  [x] raise the LR (tried in v1)\nv0  [x] forget" in capsys.readouterr().out
    assert main(["-C", str(lab), "ideas", "--all", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["done"] for row in rows] == [False, False, False, True, True, False]
    assert rows[3] == {
        "version": "v0", "field": "takeaways", "line": 6, "text": "raise the LR", "done": True, "tried_in": "v1",
    }  # fmt: skip
    assert rows[0]["tried_in"] is None


def test_a_notebook_without_ideas_says_how_to_write_one(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (lab / paths.NOTEBOOK).write_text("[versions.v0]\n")
    assert main(["-C", str(lab), "ideas"]) == 0
    assert "- [ ] try num_workers" in capsys.readouterr().out
    assert main(["-C", str(lab), "ideas", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_note_without_its_ideas() -> None:
    assert model.remove_ideas("-a\n- [ ] b\n  more\n-c\n") == "-a\n-c\n"
