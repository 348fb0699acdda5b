"""A version beside its base, and what is offered for the next one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgexp_tui.notebook.diff import (
    SettingChange,
    draft_summary,
    setting_changes,
    suggest_version_name,
    unfinished_bullets,
)
from imgexp_tui.notebook.ideas.model import Idea
from imgexp_tui.notebook.load import parse_notebook
from imgexp_tui.notebook.model import VERSION_NAME
from imgexp_tui.notebook.saving.merge import merge_texts

NOTEBOOK = parse_notebook(
    """\
[defaults]
image_size = 64
[versions.v0.train]
batch_size = 64
pretrained = true
[versions.v1]
base = "v0"
[versions.v1.train]
batch_size = 512
pretrained = false
head = "linear"
learning_rate_head = 1e-4
[versions.V5]
[versions.resnet]
[versions.own]
base = "v0"
command = ["python", "a b.py"]
""",
    Path("lab"),
)


def test_changes_are_told_against_the_base_and_only_where_they_make_a_difference() -> None:
    changes = [str(change) for change in setting_changes(NOTEBOOK, "v1")]
    assert changes == ["pretrained true → false", "batch_size 64 → 512", "learning_rate_head 0 → 0.0001"]
    assert setting_changes(NOTEBOOK, "v0") == []
    assert str(setting_changes(NOTEBOOK, "own")[0]) == "command the shipped trainer → python 'a b.py'"


def test_a_summary_is_drafted_from_the_changes() -> None:
    assert draft_summary("v0", [SettingChange("batch_size", 64, 512)]) == "Same as v0 but batch_size 64 → 512."
    both = [SettingChange("batch_size", 64, 512), SettingChange("dropout", None, 0.4)]
    assert draft_summary("v0", both) == "Same as v0 but batch_size 64 → 512 and dropout 0 → 0.4."
    assert draft_summary("v0", []) == "Same as v0."
    one, two = Idea("v0", "takeaways", 1, "raise the LR"), Idea("v1", "summary", 3, "clip?")
    assert draft_summary("v0", [], [one]) == "Same as v0. Tries the idea of v0: raise the LR"
    assert draft_summary("v0", [SettingChange("batch_size", 64, 512)], [one, two]) == (
        "Same as v0 but batch_size 64 → 512.\nTries the idea of v0: raise the LR\nTries the idea of v1: clip?"
    )


@pytest.mark.parametrize(
    ("base", "name"),
    [("v0", "v6"), ("V5", "V6"), ("resnet", "resnet-2"), ("v0.9", "v0.10"), ("x" * 64, "x" * 62 + "2")],
)
def test_the_next_name_is_free_and_in_the_manner_of_the_base(base: str, name: str) -> None:
    assert suggest_version_name(NOTEBOOK, base) == name


@given(st.text(max_size=80))
def test_a_suggested_name_can_always_be_taken(base: str) -> None:
    name = suggest_version_name(NOTEBOOK, base)
    assert VERSION_NAME.fullmatch(name)
    assert name.lower() not in {version.lower() for version in NOTEBOOK.versions}


def test_open_takeaways_are_those_that_ask_for_something() -> None:
    text = (
        "-bs of 64 could be much bigger.\n-Fixed this in lib.\n"
        "        -Try num_workers>0 next time.\n            -deeper\n"
        "- [x] try this\n- [ ] that\n  more of that\n-\nprose that should not count\n"
    )
    assert unfinished_bullets(text) == [
        "-bs of 64 could be much bigger.",
        "-Try num_workers>0 next time.\n    -deeper",
    ]
    assert unfinished_bullets("") == unfinished_bullets("-\n") == []


LINES = st.lists(st.sampled_from(["-a", "-b", "-c", "", "  -d"]), max_size=6).map("\n".join)


@given(LINES, LINES, LINES)
def test_a_merge_keeps_every_line_that_either_side_added(base: str, ours: str, theirs: str) -> None:
    merged, _ = merge_texts(base, ours, theirs)
    lines = merged.split("\n")
    for side in (ours, theirs):
        for line in set(side.split("\n")) - set(base.split("\n")):
            assert line in lines


@given(LINES, LINES)
def test_a_merge_with_one_change_is_that_change(base: str, changed: str) -> None:
    assert (
        merge_texts(base, changed, base)
        == merge_texts(base, base, changed)
        == merge_texts(base, changed, changed)
        == (changed, True)
    )
