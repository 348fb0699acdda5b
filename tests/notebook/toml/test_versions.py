"""Renaming, moving, archiving, tagging and deleting a version in the file: that, and nothing else, changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgexp_tui.notebook.load import parse_notebook
from imgexp_tui.notebook.model import Notebook, NotebookError
from imgexp_tui.notebook.toml import edit, versions

NOTEBOOK = """\
# A lab.
[lab]
title = 'x'   # v1 is named here

# about v0
  [versions.v0]     # indented
  summary = "Before v1."   # why v1
  [versions.v0.train]
  batch_size = 0x40

# ==== a banner that belongs to nobody ====

[versions.v1]
base = "v0"
takeaways = '''
Same as v1.
[versions.v1]
base = "v1"
'''
# about its train
[versions.v1.train]
batch_size = 512
# tried 1024 too

[versions."v 9"]
base = 'v1'
[ versions . 'v1.5' ]
base = \"\"\"v1\"\"\"
[versions]
dotted.base = "v1"
dotted.summary = "versions.v1"
inline = { base = "v1", summary = 'v1', train = { epochs = 1 } }"""


def book(text: str) -> Notebook:
    return parse_notebook(text, Path("lab"))


def test_a_rename_changes_the_name_and_who_builds_on_it() -> None:
    new = versions.rename(NOTEBOOK, "v1", "wide")
    assert new == (
        NOTEBOOK.replace('\n[versions.v1]\nbase = "v0"', '\n[versions.wide]\nbase = "v0"')
        .replace("\n[versions.v1.train]", "\n[versions.wide.train]")
        .replace("base = 'v1'\n", "base = 'wide'\n")
        .replace('base = """v1"""', 'base = """wide"""')
        .replace('dotted.base = "v1"', 'dotted.base = "wide"')
        .replace('{ base = "v1",', '{ base = "wide",')
    )


def test_a_name_is_written_with_quotes_where_it_needs_them() -> None:
    new = versions.rename(NOTEBOOK, "v1", "v1.1")
    assert '\n[versions."v1.1"]\n' in new
    assert '\n[versions."v1.1".train]\n' in new
    assert "[ versions . 'v1.6' ]" in versions.rename(NOTEBOOK, "v1.5", "v1.6")
    assert 'inline2 = { base = "v1",' in versions.rename(NOTEBOOK, "inline", "inline2")


@pytest.mark.parametrize(
    ("new", "why"),
    [
        ("v0", "v0 is there already"),
        ("V0", "v0 is there already"),
        ("a b", "a b is no name"),
        ("", "nothing is no name"),
    ],
)
def test_a_name_that_is_taken_or_none_is_refused(new: str, why: str) -> None:
    with pytest.raises(NotebookError, match=why):
        versions.rename(NOTEBOOK, "v1", new)


def test_the_case_of_a_name_can_be_changed() -> None:
    assert list(book(versions.rename(NOTEBOOK, "v1", "V1")).versions)[1] == "V1"


def test_a_version_moves_with_its_tables_and_its_comments() -> None:
    new = versions.move(NOTEBOOK, "v1", "v0")
    assert new == NOTEBOOK.replace(
        NOTEBOOK[NOTEBOOK.index("# about v0") : NOTEBOOK.index("\n\n# ====")], "<v0>"
    ).replace(
        NOTEBOOK[NOTEBOOK.index("[versions.v1]") : NOTEBOOK.index('\n\n[versions."v 9"]')],
        NOTEBOOK[NOTEBOOK.index("# about v0") : NOTEBOOK.index("\n\n# ====")],
    ).replace("<v0>", NOTEBOOK[NOTEBOOK.index("[versions.v1]") : NOTEBOOK.index('\n\n[versions."v 9"]')])
    assert list(book(new).versions)[:2] == ["v1", "v0"]


def test_a_comment_behind_a_byte_order_mark_moves_along() -> None:
    text = "\ufeff# about v0\n[versions.v0]\n\n# about v1\n[versions.v1]\n"
    new = versions.move(text, "v0", "v1")
    assert new == "\ufeff# about v1\n[versions.v1]\n\n# about v0\n[versions.v0]\n"
    assert versions.remove(text, "v0") == "\ufeff# about v1\n[versions.v1]\n"


def test_what_is_not_written_in_one_piece_is_not_moved() -> None:
    with pytest.raises(NotebookError, match="not written in one piece"):
        versions.move(NOTEBOOK + "\n[versions.v0.slurm]\n", "v1", "v0")
    with pytest.raises(NotebookError, match=r"order|more of"):
        versions.move(NOTEBOOK, "dotted", "v1")
    assert versions.move(NOTEBOOK, "inline", "dotted") != NOTEBOOK


def test_a_version_that_others_build_on_is_not_removed() -> None:
    with pytest.raises(NotebookError, match=r"v 9, v1\.5, dotted and inline build on v1"):
        versions.remove(NOTEBOOK, "v1")


@pytest.mark.parametrize("name", ["v 9", "v1.5", "dotted", "inline"])
def test_a_removed_version_takes_nothing_along(name: str) -> None:
    new = versions.remove(NOTEBOOK, name)
    gone = versions.removed_text(NOTEBOOK, name)
    assert len(new) in (len(NOTEBOOK) - len(gone), len(NOTEBOOK) - len(gone) - 1)
    before, after = book(NOTEBOOK).versions, book(new).versions
    assert list(after) == [other for other in before if other != name]


def test_the_last_version_leaves_no_blank_lines() -> None:
    text = '[lab]\ntitle = "x"\n\n# a\n[versions.v0]\nsummary = "a"\n'
    assert versions.remove(text, "v0") == '[lab]\ntitle = "x"\n'
    assert versions.remove(text + "\n[versions.v1]\n", "v0") == '[lab]\ntitle = "x"\n\n[versions.v1]\n'
    assert versions.remove("[versions]\nv0.summary = 'x'\n", "v0") == "[versions]\n"


@pytest.mark.parametrize("version", ["v0", "v1", "v 9", "v1.5", "dotted", "inline"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_tags_and_the_archive_come_and_go(version: str, newline: str) -> None:
    source = NOTEBOOK.replace("\n", newline)
    tagged = edit.set_tags(source, version, ["seed", "base-line"])
    assert book(tagged).versions[version].tags == ("seed", "base-line")
    again = edit.set_tags(tagged, version, ["other"])
    assert book(again).versions[version].tags == ("other",)
    stowed = edit.set_archived(again, version, archived=True)
    assert book(stowed).versions[version].archived
    assert edit.set_archived(stowed, version, archived=True) == stowed
    back = edit.set_tags(edit.set_archived(stowed, version, archived=False), version, [])
    assert not book(back).versions[version].archived
    if version != "inline":
        assert back == source
    else:
        assert book(back).versions[version].tags == ()


def test_a_comment_among_tags_is_not_lost() -> None:
    with pytest.raises(NotebookError, match="has a comment in it"):
        edit.set_tags('[versions.v0]\ntags = [\n  "a", # why\n]\n', "v0", ["b"])


NAMES = ["v0", "v1", "v2", "v1.5", "x-y"]
COMMENTS = st.sampled_from(["", "# v1\n", "# a\n# b\n", "# banner\n\n", "\n# [versions.v0]\n\n# v1\n"])
TEXTS = st.sampled_from(["plain", "two\nlines of v1\n", "[versions.v0]\nbase = 'v1'", "# v0 '' ''' \" \\", "\r\n", ""])
GAPS = st.sampled_from(["", "\n", "\n\n", "# after\n\n", "  \n"])


@st.composite
def notebooks(draw: st.DrawFn, *, airy: bool = False) -> str:
    """A notebook with odd comments, quotes and gaps; every version in one piece, under headers."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=5, unique=True))
    parts = [draw(st.sampled_from(["", "\ufeff", "# v0\n", "[lab]\ntitle = 'v1'\n\n"]))]
    for name in names:
        quote = draw(st.sampled_from(["'", '"'] if "." in name else ["", "'", '"']))
        key = f"{quote}{name}{quote}"
        parts += [draw(COMMENTS), f"[versions.{key}]{draw(st.sampled_from(['', '  # v1']))}\n"]
        if draw(st.booleans()):
            base, mark = draw(st.sampled_from(names)), draw(st.sampled_from(["'", '"', '"""']))
            parts.append(f"base = {mark}{base}{mark} # v1\n")
        parts += [f"summary = {edit.format_toml_string(draw(TEXTS))}\n", draw(st.sampled_from(["", "# v1\n"]))]
        if draw(st.booleans()):
            parts.append(f"[versions.{key}.train]\nepochs = 2\n")
        parts.append(draw(GAPS) + "\n" * airy)
    text = "".join(parts)
    text = text.rstrip("\n") if draw(st.booleans()) else text
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


def lines(text: str) -> list[str]:
    return sorted(line.rstrip("\r") for line in text.lstrip("\ufeff").split("\n"))


def told(text: str) -> Iterator[tuple[str, object]]:
    for version in book(text).versions.values():
        yield version.name, (version.base, version.summary, version.own_train, version.tags, version.archived)


@settings(max_examples=60, deadline=None)
@given(notebooks(), st.data())
def test_a_rename_changes_nothing_else(source: str, data: st.DataObject) -> None:
    old = data.draw(st.sampled_from(list(book(source).versions)))
    new = data.draw(st.sampled_from(["renamed", "re.named"]))
    text = versions.rename(source, old, new)
    wanted = [
        (new if name == old else name, (new if facts[0] == old else facts[0], *facts[1:]))  # type: ignore[index]
        for name, facts in told(source)
    ]
    assert list(told(text)) == wanted
    back = versions.rename(text, new, old)
    assert list(told(back)) == list(told(source))
    assert back.replace('"', "") == source.replace('"', "")


@settings(max_examples=60, deadline=None)
@given(st.booleans(), st.data())
def test_a_move_changes_the_order_alone(airy: bool, data: st.DataObject) -> None:
    source = data.draw(notebooks(airy=airy))
    names = list(book(source).versions)
    name, place = data.draw(st.permutations(names))[:2]
    text = versions.move(source, name, place)
    order = [one for one in names if one != name]
    order.insert(names.index(place), name)
    assert list(told(text)) == [(one, dict(told(source))[one]) for one in order]
    assert lines(text) == lines(source)
    # Without blank lines between them, the last comment of a version may become the first of the next.
    assert not airy or versions.move(text, name, order[names.index(name)]) == source


@settings(max_examples=60, deadline=None)
@given(notebooks(), st.data())
def test_archiving_changes_one_line(source: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(list(book(source).versions)))
    text = edit.set_archived(source, name, archived=True)
    added = lines(text)
    added.remove("archived = true")
    assert added == lines(source)
    assert edit.set_archived(text, name, archived=False) in (source, source + "\n", source + "\r\n")
