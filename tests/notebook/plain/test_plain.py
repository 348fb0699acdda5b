"""Plain notes: read however messy, written such that reading gives the same."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imgexp_tui.notebook.load import load_notebook, parse_notebook
from imgexp_tui.notebook.model import NOTE_FIELDS, Notebook, Version
from imgexp_tui.notebook.plain.importer import import_notes
from imgexp_tui.notebook.plain.writer import PlainVersion, format_plain, parse_plain
from imgexp_tui.notebook.saving.save import save_note
from imgexp_tui.notebook.toml import edit

MESSY = """\
My notes, since March.

v0
--
Summary (short):
First try.

Takeaways (after 10 epochs):
-a [UPDATE: b]
\t-nested by a tab
   -nested by three

Next steps:
-c
v1
--
Summary: on the header's line
Takeaways:
-



=============
Second task
=============

v0
--
no section at all

takeaways after 30 epochs:
-more

Takeaways:
-again


SIMCLR
------

V1 (rerun)
----------
Approximate stats:
GPU: 3

v7

v8
--

an undecorated banner

v0
--
TAKEAWAYS
---------
-x
"""


def parsed(text: str) -> dict[str, PlainVersion]:
    return {version.name: version for version in parse_plain(text).versions}


def test_the_shipped_notes_are_read_to_the_letter(notes_file: Path) -> None:
    text = notes_file.read_text()
    notes = parse_plain(text)
    assert notes.remarks == ()
    assert [v.name for v in notes.versions] == ["v0", "v1", "v2", "v3", "V4", "V5"]
    texts = "\n".join(
        f"{v.name}\n--\nSummary:\n{v.summary.strip()}\n"
        + (f"Approximate Stats:\n{v.observed.strip()}\n" if v.observed else "")
        + f"Takeaways:\n{v.takeaways.strip(chr(10))}"
        for v in notes.versions
    )
    assert without_blank_lines(texts) == without_blank_lines(text)
    assert notes.versions[5].takeaways == "-\n"
    assert "\n        -Try num_workers>0 next time." in notes.versions[1].takeaways


def without_blank_lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line]


def test_the_shipped_notes_are_written_as_they_were(notes_file: Path, tmp_path: Path) -> None:
    text = notes_file.read_text()
    report = import_notes(tmp_path, text, "notes.txt")
    assert report.added == ("v0", "v1", "v2", "v3", "V4", "V5")
    assert (report.unchanged, report.conflicts, report.remarks) == ((), (), ())
    assert load_notebook(tmp_path).problems == ()
    written = format_plain(load_notebook(tmp_path))
    assert without_blank_lines(written) == without_blank_lines(text)
    assert parse_plain(written).remarks == ()


def test_messy_notes_lose_nothing() -> None:
    """Every word of the file stands in a note, a name, a group or a comment."""
    notes = parse_plain(MESSY)
    assert [v.name for v in notes.versions] == ["v0", "v1", "v0-2", "V1", "v8", "v0-3"]
    texts = "\n".join(
        t for v in notes.versions for t in (v.unassigned_text, v.group, v.name, v.summary, v.observed, v.takeaways)
    )
    for line in MESSY.split("\n"):
        words = line.replace("Takeaways", "").replace("TAKEAWAYS", "").replace("takeaways ", "").replace("Summary", "")
        words = words.replace("Approximate stats", "").strip(" :=-")
        assert words.replace("V1 (rerun)", "(rerun)") in texts, line


def test_every_remark_has_its_line() -> None:
    lines = MESSY.split("\n")
    messages = {lines[remark.line - 1]: remark.message for remark in parse_plain(MESSY).remarks}
    assert list(messages) == [
        "My notes, since March.",
        "Summary (short):",
        "Takeaways (after 10 epochs):",
        "Next steps:",
        "=============",
        "v0",
        "no section at all",
        "takeaways after 30 epochs:",
        "Takeaways:",
        "SIMCLR",
        "V1 (rerun)",
        "v7",
        "an undecorated banner",
    ]
    assert "called v0-3" in messages["v0"] and "group “SIMCLR”" in messages["SIMCLR"]


def test_a_header_s_remark_is_the_first_line_of_its_note() -> None:
    versions = parsed(MESSY)
    assert versions["v0"].summary == "(short):\nFirst try.\n"
    assert versions["v0"].takeaways.startswith("(after 10 epochs):\n-a [UPDATE: b]\n\t-nested by a tab\n   -nested")
    assert versions["v0-2"].takeaways == "after 30 epochs:\n-more\n\nTakeaways:\n-again\n"


def test_unknown_sections_and_loose_text_stay_as_text() -> None:
    versions = parsed(MESSY)
    assert versions["v0"].takeaways.endswith("\n\nNext steps:\n-c\n")
    assert versions["v1"].summary == "on the header's line"
    assert versions["v1"].takeaways == "-\n"
    assert versions["V1"].observed == "GPU: 3\n\nv7\n"
    assert versions["v0-2"].summary == "no section at all"
    assert versions["v0"].unassigned_text == "My notes, since March."


def test_banners_become_groups() -> None:
    groups = {name: version.group for name, version in parsed(MESSY).items()}
    assert groups == {
        "v0": "",
        "v1": "",
        "v0-2": "Second task",
        "V1": "SIMCLR",
        "v8": "SIMCLR",
        "v0-3": "an undecorated banner",
    }


@pytest.mark.parametrize(
    "banner", ["# Task", "=== Task ===", "Task\n----", "######\n# Task\n######", "~~~\n\nTask\n\n~~~"]
)
def test_a_banner_in_any_manner(banner: str) -> None:
    notes = parsed(f"v0\n--\nTakeaways:\n-a\n\n{banner}\n\nv1\n--\nSummary:\nb\n")
    assert notes["v0"].takeaways == "-a\n"
    assert notes["v1"].group == "Task"


def test_windows_line_ends_and_a_byte_order_mark_make_no_difference() -> None:
    assert parse_plain("\ufeff" + MESSY.replace("\n", "\r\n")) == parse_plain(MESSY)


def test_a_file_without_versions_is_remarked_on_and_nothing_is_made(tmp_path: Path) -> None:
    report = import_notes(tmp_path, "just some text\n", "notes.txt")
    assert str(report.remarks[0]).startswith("notes.txt:1: no version was found")
    assert list(tmp_path.iterdir()) == []


def test_importing_again_changes_nothing(tmp_path: Path) -> None:
    import_notes(tmp_path, MESSY, "notes.txt")
    before = (tmp_path / "experiments.toml").read_bytes()
    assert b"# My notes, since March.\n" in before
    again = import_notes(tmp_path, MESSY, "notes.txt")
    assert (again.added, again.conflicts) == ((), ())
    assert len(again.unchanged) == 6
    assert (tmp_path / "experiments.toml").read_bytes() == before


def test_a_note_that_says_something_else_is_never_overwritten(tmp_path: Path) -> None:
    import_notes(tmp_path, "v0\n--\nSummary:\na\n\nv1\n--\nSummary:\nb\n", "notes.txt")
    save_note(tmp_path, "v0", "summary", "mine", original="a")
    newer = "v0\n--\nSummary:\na\n\nTakeaways:\n-x\n\nv1\n--\nTakeaways:\n-y\n"
    report = import_notes(tmp_path, newer, "notes.txt")
    assert (report.conflicts, report.added) == (("v0",), ("v1",))
    versions = load_notebook(tmp_path).versions
    assert (versions["v0"].summary, versions["v0"].takeaways) == ("mine", "")
    assert (versions["v1"].summary, versions["v1"].takeaways) == ("b", "-y\n")


def test_tabs_and_blanks_around_marks_make_no_difference() -> None:
    notes = parsed("v0 \t\n--\t\nSummary:\t\na\n \t\nTakeaways :\n\t-b\n\n\t\nv1\t\n---  \nStats:\n\nTakeaways:\n\n")
    assert (notes["v0"].summary, notes["v0"].takeaways) == ("a", "\t-b\n")
    assert (notes["v1"].summary, notes["v1"].observed, notes["v1"].takeaways) == ("", "", "")


def test_line_ends_that_differ_within_a_file_split_lines_and_stay(notes_file: Path) -> None:
    text = notes_file.read_text()
    mixed = parse_plain(text.replace("\n", "\r\n", 20))
    assert mixed.remarks == ()
    assert [v.name for v in mixed.versions] == ["v0", "v1", "v2", "v3", "V4", "V5"]
    whole = parse_plain(text).versions
    assert [v.takeaways.replace("\r", "") for v in mixed.versions] == [v.takeaways for v in whole]


def test_a_thousand_versions_whose_numbering_restarts_under_banners_come_in_quickly(
    tmp_path: Path, notes_file: Path
) -> None:
    body = notes_file.read_text().split("\nv1\n")[0].removeprefix("v0\n--\n")
    series = [
        f"\n=========\nSeries {s}\n=========\n\n" + "".join(f"v{i}\n--\n{body}\n" for i in range(50)) for s in range(20)
    ]
    text = "".join(series)
    start = time.process_time()
    report = import_notes(tmp_path, text, "notes.txt")
    taken = time.process_time() - start
    versions = load_notebook(tmp_path).versions
    assert len(report.added) == len(versions) == 1000
    assert {v.group for v in versions.values()} == {f"Series {s}" for s in range(20)}
    assert versions["v49-20"].group == "Series 19"
    assert {v.takeaways for v in versions.values()} == {parse_plain(text).versions[0].takeaways}
    assert taken < 10  # 1.2 s where nothing else runs


def test_notes_of_a_thousand_versions(tmp_path: Path) -> None:
    text = "".join(f"v{i}\n--\nSummary:\n{i}\n\nTakeaways:\n-{i}\n\n" for i in range(1000))
    assert len(import_notes(tmp_path, text, "notes.txt").added) == 1000
    assert save_note(tmp_path, "v500", "summary", "x", original="500").outcome == "saved"
    assert load_notebook(tmp_path).versions["v999"].takeaways == "-999\n"


WORDS = r"Summary:,Takeaways:,Takeaways (x):,(x):,Takeaways,Stats: 3,v3,--,-,===,# a,=== b ===,\,\--,\\Summary:,text,-a"
MARKS = st.sampled_from(
    [*WORDS.split(","), "", " ", "\t", "\r", "  - b", "v0 (c)", "Task", "takeaways after x:", "baseline"]
)
NOTE = st.one_of(
    st.lists(MARKS, max_size=8).map("\n".join), st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
)
GROUP = st.sampled_from(["", "Task", "A second task", "two\nlines", "-x", "# y", "==="])
VERSIONS = st.lists(
    st.tuples(st.sampled_from(["v0", "v1", "V0", "baseline", "0", "a.b", "v2-x"]), GROUP, NOTE, NOTE, NOTE),
    max_size=4,
    unique_by=lambda version: version[0],
)


def notebook_of(versions: list[tuple[str, str, str, str, str]]) -> Notebook:
    new = [edit.NewVersion(name, dict(zip(("group", *NOTE_FIELDS), texts, strict=True))) for name, *texts in versions]
    return parse_notebook(edit.append_versions("", new), Path("lab"))


def notes_of(versions: Iterable[Version] | Iterable[PlainVersion]) -> dict[str, tuple[str, ...]]:
    return {v.name: (v.group, v.summary, v.takeaways, v.observed) for v in versions}


@settings(max_examples=500)
@given(VERSIONS)
@example([("v0", "", "a\n\nv3\n--\n", "-a", "x\r\ny")])
def test_what_is_written_is_read_again_to_the_letter(versions: list[tuple[str, str, str, str, str]]) -> None:
    notebook = notebook_of(versions)
    assert notes_of(notebook.versions.values()) == {name: tuple(texts) for name, *texts in versions}
    read_again = parse_plain(format_plain(notebook)).versions
    assert notes_of(read_again) == notes_of(notebook.versions.values())


HEARD = st.sampled_from(
    [
        *WORDS.split(","),
        "",
        "\t",
        "Summary: on the line",
        "\t-nested",
        "V0",
        "v2 (rerun)",
        "Next steps:",
        "~~~",
        "Stats:\t",
    ]
)
MARK_WORDS = {"summary", "takeaways", "stats"}


@settings(max_examples=500)
@given(st.lists(st.one_of(HEARD, st.sampled_from(["\nv1\n--", "\nv0\n--"])), max_size=20).map("\n".join), st.booleans())
def test_no_word_of_any_notes_is_lost(text: str, windows: bool) -> None:
    notes = parse_plain(text.replace("\n", "\r\n") if windows else text)
    if not notes.versions:
        assert not text.strip() or [r.message[:20] for r in notes.remarks] == ["no version was found"]
        return
    texts = "\n".join(
        t for v in notes.versions for t in (v.unassigned_text, v.group, v.name, v.summary, v.observed, v.takeaways)
    )
    for word, count in Counter(re.findall(r"\w+", text)).items():
        if word.lower() not in MARK_WORDS:
            assert len(re.findall(rf"\b{word}\b", texts)) >= count, (word, notes)


@settings(max_examples=500)
@given(st.lists(st.one_of(MARKS, st.sampled_from(["\nv1\n--", "\nv0\n--"])), max_size=25).map("\n".join))
def test_reading_any_notes_and_writing_them_is_a_fixed_point(text: str) -> None:
    first = parse_plain(text).versions
    assert len({v.name for v in first}) == len(first)
    notebook = notebook_of([(v.name, v.group, v.summary, v.takeaways, v.observed) for v in first])
    assert notes_of(parse_plain(format_plain(notebook)).versions) == notes_of(first)
