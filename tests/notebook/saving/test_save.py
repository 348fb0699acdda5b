"""Saving a note: exactly the edit, nothing else, and nobody's edit lost."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgexp_tui.notebook.history.log import last_changed_times
from imgexp_tui.notebook.load import load_notebook, parse_notebook
from imgexp_tui.notebook.model import NOTE_FIELDS, NotebookError, Problem
from imgexp_tui.notebook.saving import atomic_swap
from imgexp_tui.notebook.saving.save import add_version, save_note
from imgexp_tui.notebook.toml import edit
from imgexp_tui.notebook.toml.tolerant import parse_tolerant

NOTEBOOK = """\
# A lab. -*- toml -*-
[lab]
title   = 'Odd  spacing'   # kept

[defaults]
learning_rate = 1e-3
a.dotted = 1

  [versions.v0]     # indented
  summary = "one line"   # why
  takeaways = '''
-bs of 64 could be much bigger.
'''
  [versions.v0.train]
  batch_size = 0x40

# about v1
[versions.v1]
base = "v0"
# about its train
[versions.v1.train]
batch_size = 512

[versions]
dotted.summary = "a"
inline = { summary = 'x', train = { epochs = 1 } }
[versions.bare.train]
epochs = 3
[versions."v 9"]
observed = \"\"\"
with \\"quotes\\" \\
  joined\"\"\""""
VERSIONS = ("v0", "v1", "dotted", "inline", "bare", "v 9")


def notes(lab: Path) -> dict[tuple[str, str], str]:
    return {(v.name, field): getattr(v, field) for v in load_notebook(lab).versions.values() for field in NOTE_FIELDS}


def put(lab: Path, version: str, field: str, text: str) -> str:
    return save_note(lab, version, field, text, original=notes(lab)[version, field]).outcome


TRICKY = [
    "",
    "plain",
    "two\nlines\n",
    "\nstarts and ends with newlines\n\n",
    "trailing blanks  \n\t\n",
    "quotes ' '' ''' '''' and \" \"\" \"\"\" \"\"\"\"",
    "ends with '",
    "ends with ''\n'",
    'ends with "',
    "back\\slash \\n \\",
    "line ends with a backslash \\\nnext",
    "CR\r\nLF and lone \r and \x00\x1b\x7f",
    "wide 漢字 🧪 e\u0301 \u202e \u2028 \ufeff",
    "[versions.v0]\nsummary = 'not a header'\n",
    "# no comment\n= [ { ",
    "{batch_size}",
]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("text", TRICKY)
def test_any_text_round_trips_and_the_rest_stays(text: str, version: str, newline: str) -> None:
    source = NOTEBOOK.replace("\n", newline)
    before = parse_notebook(source, Path("lab"))
    for field in NOTE_FIELDS:
        new = edit.set_note(source, version, field, text)
        after = parse_notebook(new, Path("lab"))
        assert getattr(after.versions[version], field) == text
        assert after.defaults == before.defaults
        for name in VERSIONS:
            for other in NOTE_FIELDS:
                if (name, other) != (version, field):
                    assert getattr(after.versions[name], other) == getattr(before.versions[name], other)
            assert after.versions[name].train == before.versions[name].train
        assert untouched(source, new)


def shared(a: str, b: str) -> int:
    """How many characters both begin with."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def untouched(source: str, new: str) -> bool:
    """Whether `new` is `source` with one span replaced or added: nothing of it is gone on both sides."""
    start = shared(source, new)
    changed = source[start : len(source) - shared(source[start:][::-1], new[start:][::-1])]
    # At most one value was replaced: no other key and no comment was in the span.
    return "#" not in changed and "[versions" not in changed


QUOTES = st.sampled_from(["'''", '"""', "'", '"', "\\", "\n", "\r", "\r\n", " ", "\t", "-", "[versions.v0]", "é", "\0"])
NOTES = st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.lists(QUOTES, max_size=12).map("".join))


@settings(max_examples=300)
@given(text=NOTES, then=NOTES, version=st.sampled_from(VERSIONS), field=st.sampled_from(NOTE_FIELDS))
def test_two_edits_after_each_other_say_exactly_the_second(text: str, then: str, version: str, field: str) -> None:
    once = edit.set_note(NOTEBOOK, version, field, text)
    twice = edit.set_note(once, version, field, then)
    assert getattr(parse_notebook(twice, Path("lab")).versions[version], field) == then
    assert twice.startswith(NOTEBOOK.partition("  [versions.v0]")[0])
    back = edit.set_note(twice, version, field, text)
    assert parse_tolerant(back)[0] == parse_tolerant(once)[0]


def test_saving_keeps_every_other_byte_mode_and_link(lab: Path) -> None:
    real = lab / "real.toml"
    (lab / "experiments.toml").rename(real)
    (lab / "experiments.toml").symlink_to("real.toml")
    real.write_bytes(b"\xef\xbb\xbf" + NOTEBOOK.replace("\n", "\r\n").encode())
    real.chmod(0o640)
    before = real.read_bytes()
    assert put(lab, "v0", "summary", "one line, changed") == "saved"
    assert real.read_bytes() == before.replace(b'"one line"', b'"one line, changed"')
    assert real.stat().st_mode & 0o777 == 0o640
    assert (lab / "experiments.toml").is_symlink()
    assert not list(lab.glob(".*.tmp"))


def test_saving_the_same_writes_nothing(lab: Path) -> None:
    inode = (lab / "experiments.toml").stat().st_ino
    assert put(lab, "v0", "summary", "one line") == "unchanged"
    assert put(lab, "v1", "observed", "") == "unchanged"
    assert (lab / "experiments.toml").stat().st_ino == inode


def test_what_others_wrote_meanwhile_is_merged(lab: Path) -> None:
    seen = notes(lab)["v0", "takeaways"]
    assert save_note(lab, "v0", "takeaways", seen + "-theirs\n", original=seen).outcome == "saved"
    saved = save_note(lab, "v0", "takeaways", seen + "-mine\n", original=seen)
    assert saved.outcome == "merged"
    assert saved.text == notes(lab)["v0", "takeaways"] == seen + "-theirs\n-mine\n"
    assert save_note(lab, "v0", "takeaways", seen, original=seen).outcome == "unchanged"


def test_a_conflict_keeps_both_texts_marked(lab: Path) -> None:
    put(lab, "v0", "summary", "theirs")
    saved = save_note(lab, "v0", "summary", "mine", original="one line")
    assert saved.outcome == "conflict"
    assert saved.text.split("\n") == ["<<<<<<< this edit", "mine", "=======", "theirs", ">>>>>>> changed elsewhere"]
    assert notes(lab)["v0", "summary"] == saved.text


def test_a_syntax_error_elsewhere_does_not_stand_in_the_way(lab: Path) -> None:
    path = lab / "experiments.toml"
    path.write_text(NOTEBOOK.replace("epochs = 3", "epochs = = 3"))
    before = path.read_text()
    assert put(lab, "v0", "summary", "still saved") == "saved"
    assert path.read_text() == before.replace('"one line"', '"still saved"')


@pytest.mark.parametrize(
    ("content", "version", "text", "message"),
    [
        (NOTEBOOK.encode(), "v7", "x", "no version v7"),
        (NOTEBOOK.encode(), "v0", "half \ud83d", "half a character"),
        (NOTEBOOK.replace('"one line"', "3").encode(), "v0", "x", "is no text"),
        (NOTEBOOK.encode() + b"\n# \xff", "v0", "x", "UTF-8"),
    ],
)
def test_what_cannot_be_written_is_told_and_the_file_stays(
    lab: Path, content: bytes, version: str, text: str, message: str
) -> None:
    (lab / "experiments.toml").write_bytes(content)
    with pytest.raises(NotebookError, match=message):
        save_note(lab, version, "summary", text, original="")
    assert (lab / "experiments.toml").read_bytes() == content


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotebookError, match="there is no"):
        save_note(tmp_path, "v0", "summary", "x", original="")


def test_a_disk_that_takes_no_more_leaves_the_file_whole(lab: Path) -> None:
    """The size limit of a process stands in for a full disk: the write of the new file fails half-way."""
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from imgexp_tui.notebook.saving.save import save_note; from imgexp_tui.notebook.model import NotebookError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (300, {resource.RLIM_INFINITY}))\n"
        "try: save_note(Path(sys.argv[1]), 'v0', 'summary', 'new', original='one line')\n"
        "except NotebookError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(lab)], capture_output=True, text=True, timeout=60)
    assert "the file is as it was" in done.stdout, done.stderr
    assert (lab / "experiments.toml").read_text() == NOTEBOOK
    assert not list(lab.glob(".experiments*"))


def test_a_saver_that_is_killed_leaves_a_whole_file_and_every_acknowledged_edit(lab: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from imgexp_tui.notebook.saving.save import save_note\n"
        "lab, seen = Path(sys.argv[1]), sys.argv[2]\n"
        "for i in range(10000):\n"
        "    text = f'{seen}{i}.'\n"
        "    save_note(lab, 'v0', 'summary', text, original=seen); print(text, flush=True); seen = text[-200:]\n"
        "    save_note(lab, 'v0', 'summary', seen, original=text)\n"
    )
    for acknowledged in (1, 4, 9):
        seen = notes(lab)["v0", "summary"]
        saver = subprocess.Popen([sys.executable, "-c", code, str(lab), seen], stdout=subprocess.PIPE, text=True)
        assert saver.stdout
        acknowledgements = [saver.stdout.readline() for _ in range(acknowledged)]
        saver.kill()
        acknowledgements += saver.stdout.read().splitlines()
        saver.wait()
        notebook = load_notebook(lab)
        assert notebook.problems == load_problems(NOTEBOOK)
        last = acknowledgements[-1].strip().rsplit(".", 2)[-2]
        assert f"{last}." in notebook.versions["v0"].summary


def load_problems(text: str) -> tuple[Problem, ...]:
    return parse_notebook(text, Path("lab")).problems


def test_no_edit_is_lost_among_several_writers(lab: Path) -> None:
    """Threads of this process and another process write different notes, and the same note, at once."""

    def write(writer: int) -> None:
        for i in range(8):
            seen = notes(lab)["v0", "takeaways"]
            save_note(lab, "v0", "takeaways", f"{seen}-{writer} says {i}\n", original=seen)
            put(lab, "v1", NOTE_FIELDS[writer], f"{writer} at {i}")

    code = (
        "import sys; from pathlib import Path; from imgexp_tui.notebook.saving.save import add_version\n"
        "for i in range(15): add_version(Path(sys.argv[1]), f'new{i}', base='v0', train={'epochs': i + 1})\n"
    )
    threads = [threading.Thread(target=write, args=(i,)) for i in range(3)]
    with subprocess.Popen([sys.executable, "-c", code, str(lab)]) as other:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert other.wait(60) == 0
    notebook = load_notebook(lab)
    takeaways = notebook.versions["v0"].takeaways.splitlines()
    for writer in range(3):
        assert getattr(notebook.versions["v1"], NOTE_FIELDS[writer]) == f"{writer} at 7"
        assert [line for line in takeaways if line.startswith(f"-{writer} ")] == [
            f"-{writer} says {i}" for i in range(8)
        ]
    assert [notebook.versions[f"new{i}"].own_train for i in range(15)] == [{"epochs": i + 1} for i in range(15)]


@pytest.mark.parametrize("swaps", [True, False])
def test_a_text_that_nobody_expected_stays(lab: Path, swaps: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an exchange, and on a file system that has none."""
    if not swaps:
        monkeypatch.setattr(atomic_swap, "_exchange", lambda a, b: False)
    path = lab / "experiments.toml"
    assert not atomic_swap.compare_and_swap(path, b"new", b"something else")
    assert path.read_text() == NOTEBOOK
    assert atomic_swap.compare_and_swap(path, b"new", NOTEBOOK.encode())
    assert path.read_bytes() == b"new"
    assert [p.name for p in lab.iterdir()] == ["experiments.toml"]


def test_an_edit_by_hand_in_the_middle_of_a_save_is_kept(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another editor renames its file into place after the notebook was read and before it is exchanged."""
    path = lab / "experiments.toml"
    put_, meddled = atomic_swap.compare_and_swap, []

    def meddle(target: Path, data: bytes, expected: bytes) -> bool:
        if not meddled:
            meddled.append(True)
            (lab / "vim").write_text(NOTEBOOK.replace("1e-3", "2e-3").replace("much bigger.", "far bigger."))
            (lab / "vim").rename(path)
        return put_(target, data, expected)

    monkeypatch.setattr(atomic_swap, "compare_and_swap", meddle)
    seen = notes(lab)["v0", "takeaways"]
    saved = save_note(lab, "v0", "takeaways", seen + "-mine\n", original=seen)
    assert (saved.outcome, saved.text) == ("merged", "-bs of 64 could be far bigger.\n-mine\n")
    assert load_notebook(lab).defaults["learning_rate"] == 2e-3
    assert notes(lab)["v0", "takeaways"] == saved.text


def test_a_new_version_goes_to_the_end(lab: Path) -> None:
    add_version(
        lab, "v2", base="v1", summary="Same as v1 but …", takeaways="-a\n", train={"encoder": 'a"b', "dropout": 1e-05}
    )
    text = (lab / "experiments.toml").read_text()
    assert text.startswith(NOTEBOOK + "\n\n[versions.v2]\n")
    version = load_notebook(lab).versions["v2"]
    assert (version.base, version.summary, version.takeaways) == ("v1", "Same as v1 but …", "-a\n")
    assert version.own_train == {"encoder": 'a"b', "dropout": 1e-05}
    with pytest.raises(NotebookError, match="v2 is in"):
        add_version(lab, "v2", base=None)
    with pytest.raises(NotebookError, match="no name"):
        add_version(lab, "../v3", base=None)


def test_the_age_of_notes_survives_a_save_of_another_note(lab: Path) -> None:
    path = lab / "experiments.toml"
    os.utime(path, (1e9, 1e9))
    put(lab, "v0", "takeaways", "-new\n")
    put(lab, "v0", "takeaways", "-newer\n")
    times = last_changed_times(lab, load_notebook(lab))
    assert times["v 9"] == 1e9
    assert times["v0"] > 1.7e9
    assert "v1" not in times
    path.write_text(path.read_text().replace('"one line"', '"by hand"'))
    assert last_changed_times(lab, load_notebook(lab))["v0"] == path.stat().st_mtime
