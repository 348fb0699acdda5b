"""Notebooks as people write them: whatever a file looks like, a save changes the one note and no other byte."""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgexp_tui.notebook.model import NOTE_FIELDS, NotebookError
from imgexp_tui.notebook.saving.save import add_version, save_note

# A thousand times fsync takes its time on a disk.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
LITERALS = (
    "''",
    '""',
    "'one # line'",
    '"tab\\t \\u00e9 \\" = ["',
    "'''one 'line' '''",
    "'''\n-a\n\n  -b ''\n'''",
    '"""\n-a \\\n   joined\n[versions.v0]\n"""',
    '"""ends with a quote\\""""',
    '"""two ""\n"""',
)
COMMENTS = st.sampled_from(["", "  # why", "\t# '''", ' # """ = [versions.v1]', "   ", "#é 漢字"])
ABOVE = st.sampled_from(["", "\n", "# about\n", "  # [versions.v0]\n\n", "\t\n", "# summary = 'no'\n"])
INDENT = st.sampled_from(["", "  ", "\t"])
EQUALS = st.sampled_from([" = ", "=", "\t=  "])
NAMES = {"v0": "v0", "V4": '"V4"', "a.b": "'a.b'", "v-1": "v-1"}
OTHERS = (
    "[defaults]\nlearning_rate = 1e-3\na.dotted = 1\nb.'c d'.e = [1, 2, # two\n  3,\n]\n",
    "[lab]\ntitle   = 'Odd  spacing'   # kept\nwhen = 2024-05-01T10:00:00Z\n",
    "[[panel]]\nx = {a = 1, b = 'versions'}\n[[panel]]\n",
    "[unknown.'versions.v0']\nsummary = 'not a note'\n",
)
TRAIN = ("batch_size = 0x40\n", "epochs = 3 # few\ndropout=0.5\n", "a.b = 1\na.c = ''\n", "")
SIGNS = (*"\"'\\\n\r\t\0é🧪", "'''", '"""', "\r\n", "-a", "# b", "[versions.v0]", "\ufeff")
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])), st.lists(st.sampled_from(SIGNS), max_size=10).map("".join)
)


@st.composite
def versions(draw: st.DrawFn, name: str) -> tuple[bool, str]:
    """One version: whether it has a header, and its lines, with ␟ around its name, the field and the text of a note."""
    key, fields = NAMES[name], draw(st.permutations(NOTE_FIELDS))[: draw(st.integers(0, 3))]
    way = draw(st.sampled_from(["table", "table", "table", "only train", "dotted", "inline"]))

    def note(field: str, literals: tuple[str, ...]) -> str:
        return f"{field}{draw(EQUALS)}␟{name}␟{field}␟{draw(st.sampled_from(literals))}␟"

    if way == "only train":
        return True, f"{draw(ABOVE)}[versions.{key}.train]{draw(COMMENTS)}\n{draw(st.sampled_from(TRAIN))}"
    if way == "inline":
        inside = ", ".join([*(note(field, LITERALS[:4]) for field in fields), "train = { epochs = 1 }"])
        return False, f"{draw(ABOVE)}versions.{key}{draw(EQUALS)}{{ {inside} }}{draw(COMMENTS)}\n"
    before = "" if way == "table" else f"versions.{key}."
    lines = [f"{before}{note(field, LITERALS)}" for field in fields]
    lines.insert(draw(st.integers(0, len(lines))), f"{before}base{draw(EQUALS)}''")
    if draw(st.booleans()):
        lines.append(f"{before}train.'odd key' = true")
    text = "".join(f"{draw(ABOVE)}{draw(INDENT)}{line}{draw(COMMENTS)}\n" for line in lines)
    if way == "dotted":
        return False, text
    table = f"{draw(ABOVE)}{draw(INDENT)}[versions.{key}]{draw(COMMENTS)}\n{text}"
    if "train." not in text and draw(st.booleans()):
        table += f"{draw(ABOVE)}[versions.{key}.train]{draw(COMMENTS)}\n{draw(st.sampled_from(TRAIN))}"
    return True, table


@st.composite
def notebooks(draw: st.DrawFn) -> str:
    names = draw(st.permutations(list(NAMES)))[: draw(st.integers(1, 4))]
    made = [draw(versions(name)) for name in names]
    # What has no header comes first: after one it would belong to that table.
    tables = [text for header, text in made if header] + draw(st.lists(st.sampled_from(OTHERS), unique=True))
    text = "".join([text for header, text in made if not header] + draw(st.permutations(tables)))
    if draw(st.booleans()):
        text = text.removesuffix("\n")
    return draw(st.sampled_from(["", "\ufeff"])) + (text.replace("\n", "\r\n") if draw(st.booleans()) else text)


def plain(marked: str) -> str:
    return re.sub("␟[^␟]*␟[^␟]*␟([^␟]*)␟", r"\1", marked)


def data(raw: bytes) -> dict[str, Any]:
    """What a parser reads that is not the notebook's own."""
    return tomllib.loads(raw.decode().removeprefix("\ufeff"))


def saved(raw: bytes, name: str, field: str, text: str, seen: str) -> bytes:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "experiments.toml"
        path.write_bytes(raw)
        save_note(Path(folder), name, field, text, original=seen)
        return path.read_bytes()


@settings(max_examples=400, deadline=None)
@given(notebooks(), TEXTS, st.sampled_from(NOTE_FIELDS), st.data())
def test_a_save_is_exactly_the_edit(marked: str, text: str, field: str, more: st.DataObject) -> None:
    raw = plain(marked).encode()
    wanted = data(raw)
    name = more.draw(st.sampled_from(sorted(wanted["versions"])))
    seen = wanted["versions"][name].get(field, "")
    after = saved(raw, name, field, text, seen)
    if text == seen:
        assert after == raw
        return
    wanted["versions"][name][field] = text
    assert data(after) == wanted
    start, sign, rest = marked.partition(f"␟{name}␟{field}␟")
    if sign:  # the value is replaced where it stands
        before, behind = (plain(part) for part in (start, rest.partition("␟")[2]))
        assert after.startswith(before.encode()) and after.endswith(behind.encode())
    else:  # something is added in one place
        same = next((i for i, (a, b) in enumerate(zip(raw, after, strict=False)) if a != b), len(raw))
        assert after.endswith(raw[same:])
    assert saved(after, name, field, text, text) == after


@settings(max_examples=100, deadline=None)
@given(notebooks(), TEXTS)
def test_a_new_version_leaves_what_was_there(marked: str, text: str) -> None:
    raw = plain(marked).encode()
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "experiments.toml"
        path.write_bytes(raw)
        add_version(Path(folder), "v9", base="v0", summary=text, train={"epochs": 2})
        after = path.read_bytes()
    assert after.startswith(raw)
    new = {"base": "v0", "train": {"epochs": 2}} | ({"summary": text} if text else {})
    assert data(after)["versions"] == {**data(raw)["versions"], "v9": new}


KNOWN = {
    "a dotted key before a new table": (
        "[versions.v0]\ntrain.epochs = 3\n\n[versions.v1]\nbase = 'v0'\n",
        "[versions.v0]\nsummary = '''new'''\ntrain.epochs = 3\n\n[versions.v1]\nbase = 'v0'\n",
    ),
    "a new key does not land under the comment of the next table": (
        "[versions.v0]\nbase = ''\n\n# about v1\n[versions.v1]\nsummary = 'x'\n",
        "[versions.v0]\nbase = ''\nsummary = '''new'''\n\n# about v1\n[versions.v1]\nsummary = 'x'\n",
    ),
    "nor where the table is empty": (
        "[versions.v0]\n\n# about its train\n[versions.v0.train]\nepochs = 1\n",
        "[versions.v0]\nsummary = '''new'''\n\n# about its train\n[versions.v0.train]\nepochs = 1\n",
    ),
    "a byte order mark": (
        "\ufeff[versions.v0]\nsummary = 'old' # kept\n",
        "\ufeff[versions.v0]\nsummary = 'new' # kept\n",
    ),
    "a byte order mark and lines of Windows": (
        "\ufeff[versions.v0]\r\nbase = ''",
        "\ufeff[versions.v0]\r\nbase = ''\r\nsummary = '''new'''",
    ),
}


@pytest.mark.parametrize("case", KNOWN)
def test_what_toml_writers_are_known_to_get_wrong(case: str) -> None:
    old, new = KNOWN[case]
    seen = data(old.encode())["versions"]["v0"].get("summary", "")
    assert saved(old.encode(), "v0", "summary", "new", seen).decode() == new


@settings(max_examples=100, deadline=None)
@given(notebooks(), TEXTS, TEXTS, st.characters(categories=["Cs"]))
def test_half_a_character_is_told_and_nothing_is_written(marked: str, before: str, after: str, half: str) -> None:
    raw = plain(marked).encode()
    name = sorted(data(raw)["versions"])[0]
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "experiments.toml"
        path.write_bytes(raw)
        seen = data(raw)["versions"][name].get("summary", "")
        with pytest.raises(NotebookError, match="half a character"):
            save_note(Path(folder), name, "summary", before + half + after, original=seen)
        with pytest.raises(NotebookError, match="half a character"):
            add_version(Path(folder), "v9", base=name, train={"encoder": half})
        assert path.read_bytes() == raw
