"""Reading the notebook: inheritance, every problem with its line, and never an exception for what the file says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tomli
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from imgexp_tui.notebook.load import load_notebook, parse_notebook
from imgexp_tui.notebook.model import Notebook, NotebookError
from imgexp_tui.notebook.toml import tolerant
from imgexp_tui.notebook.toml.spans import TomlScan

WHOLE = """\
[lab]
title = "A lab"
grace = 5

[defaults]
image_size = 64
learning_rate = 1

[versions.v0]
summary = '''First.'''
takeaways = '''
-one
    -two
'''
[versions.v0.train]
batch_size = 64

[versions.v1]
base = "v0"
[versions.v1.train]
batch_size = 512

[versions."v2.1"]
base = "v1"
group = "later"
"""


def told(text: str) -> list[str]:
    return [str(problem) for problem in parse_notebook(text, Path("lab")).problems]


def names(notebook: Notebook) -> list[str]:
    return list(notebook.versions)


def test_versions_inherit_from_defaults_and_bases() -> None:
    notebook = parse_notebook(WHOLE, Path("lab"))
    assert notebook.problems == ()
    assert (notebook.title, notebook.lab_settings) == ("A lab", {"grace": 5})
    v0, v1, v2 = notebook.versions.values()
    assert (v0.summary, v0.takeaways, v0.observed) == ("First.", "-one\n    -two\n", "")
    assert v1.train == {"image_size": 64, "learning_rate": 1.0, "batch_size": 512}
    assert isinstance(v1.train["learning_rate"], float)
    assert (v2.train, v2.own_train, v2.group, v2.line) == (v1.train, {}, "later", 23)
    assert v2.config["head"] == "linear" and v2.config["batch_size"] == 512
    assert all(version.runnable for version in notebook.versions.values())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[defaults]\n\nepoch = 3\n", "3: defaults.epoch: unknown setting; did you mean epochs?"),
        ("[defaults]\nlr = 0.1\n", "2: defaults.lr: unknown setting; did you mean learning_rate?"),
        ("[lab]\ntitel = 'x'\n", "2: lab.titel: unknown key; did you mean title?"),
        ("[version.v0]\n", "1: version: unknown table; did you mean versions?"),
        ("[lab]\n\n# the seventh\n[version.v7]\n", "4: version: unknown table; did you mean versions?"),
        ("[lab]\n[default.train]\n[default]\n", "3: default: unknown table; did you mean defaults?"),
        ("[versions.v0]\nsumary = ''\n", "2: versions.v0.sumary: unknown key; did you mean summary?"),
        ("[versions.v0]\nepochs = 1\n", "2: versions.v0.epochs: unknown key; settings stand under [versions.v0.train]"),
        (
            "[versions.v0.train]\nepochs = 1\nsummary = ''\n",
            "3: versions.v0.train.summary: unknown setting; it belongs above [versions.v0.train]",
        ),
        ("[versions.v0.train]\nepochs = 1.5\n", "2: versions.v0.train.epochs: 1.5 is not a whole number"),
        (
            "[defaults]\nbatch_size = 'big'\n",
            "2: defaults.batch_size: 'big' is not a whole number; write one such as 64",
        ),
        ("[defaults]\nepochs = '12'\n", "2: defaults.epochs: '12' is not a whole number; write it without quotes"),
        (
            "[defaults]\nlearning_rate = '1e-3'\n",
            "2: defaults.learning_rate: '1e-3' is not a number; write it without quotes",
        ),
        (
            "[defaults]\npretrained = 'true'\n",
            "2: defaults.pretrained: 'true' is not true or false; write it without quotes",
        ),
        ("[defaults]\npretrained = 1\n", "2: defaults.pretrained: 1 is not true or false; write true or false"),
        ("[defaults]\nhead = 5\n", '2: defaults.head: 5 is not a text in quotes; write it as in head = "linear"'),
        ("[defaults]\ndropout = nan\n", "2: defaults.dropout: nan is not a finite number; write one such as 0.0"),
        ("[versions.v0]\ntrain = {dropout = 2}\n", "2: versions.v0.train.dropout: 2 is out of range"),
        ("versions.v0.train.dropout = 2\n", "1: versions.v0.train.dropout: 2 is out of range"),
        (
            "[versions.v0]\nbase = 'V1'\n[versions.v1]\n",
            "2: versions.v0.base: there is no version 'V1'; did you mean v1?",
        ),
        ("[versions.v0]\nbase = 'v0'\n", "2: versions.v0.base: v0 → v0 goes in a circle"),
        ("[versions.v0]\ntakeaways = 1\n", "2: versions.v0.takeaways: must be a text in quotes"),
        ("[versions.v0]\ncommand = 'train'\n", "2: versions.v0.command: must be an array of texts"),
        (
            "[versions.v0]\ncommand = ['a', '{bs}']\ntrain.bss = 1\n",
            "2: versions.v0.command: {bs} is not set; did you mean {bss}?",
        ),
        (
            "[versions.v0]\ncommand = ['a']\ntrain.when = 1979-05-27\n",
            "3: versions.v0.train.when: takes a finite number",
        ),
        ("[versions.'../x']\n", '1: versions."../x": this is no name for a version'),
        ("versions = 3\n", "1: versions: must be a table; write [versions]"),
        ("[versions.v0]\nsummary = '''a\n\n[versions.v1]\n", "2: versions.v0: the text of summary does not end"),
        ("[versions.v0]\nbase = = 3\n", "2: versions.v0.base: this is no TOML: invalid value"),
        ("[versions.v0]\n[versions.v0]\n", "2: versions.v0: [versions.v0] stands on line 1 already"),
        ("[versions.v0]\nbase = 'v1'\nbase = 'v1'\n[versions.v1]\n", "3: versions.v0.base: base is set twice"),
        ("[defaults]\nseed = 99999999999999999999999999\n", "2: defaults.seed: this number is too large"),
        ("[defaults]\nepochs = " + "9" * 5000, "2: defaults.epochs: this is no TOML"),
    ],
)
def test_a_problem_is_told_with_its_line_and_the_mend(text: str, expected: str) -> None:
    (only,) = told(text)
    assert only.startswith(f"experiments.toml:{expected}")
    assert told(text.replace("\n", "\r\n")) == [only]
    assert told("\ufeff" + text) == [only]


def test_one_broken_version_hides_no_other_and_no_other_problem() -> None:
    text = (
        WHOLE.replace("batch_size = 64", "batch_size = [64").replace('base = "v1"', 'base = "v9"')
        + "[versions.v3\nx = 1\n"
    )
    notebook = parse_notebook(text, Path("lab"))
    assert names(notebook) == ["v0", "v1", "v2.1", "v3"]
    assert [problem.line for problem in notebook.problems] == [16, 24, 26, 27]
    v0, v1, v2, v3 = notebook.versions.values()
    assert v0.takeaways == "-one\n    -two\n"
    assert v1.own_train == {"batch_size": 512}
    assert not any(version.runnable for version in (v0, v1, v2, v3))
    assert [problem.line for problem in v1.problems] == [16]


def test_a_circle_of_bases_is_told_once_and_stops_all_that_stand_on_it() -> None:
    text = "".join(f"[versions.{v}]\nbase = '{b}'\n" for v, b in (("v0", "v1"), ("a", "c"), ("b", "a"), ("c", "b")))
    notebook = parse_notebook(text + "[versions.v1]\nbase = 'b'\n", Path("lab"))
    (problem,) = notebook.problems
    assert (problem.line, problem.path) == (
        4,
        "versions.a.base",
    ) and "a → c → b → a goes in a circle" in problem.message
    assert not any(version.runnable for version in notebook.versions.values())


def test_a_problem_in_a_note_does_not_stop_a_run() -> None:
    notebook = parse_notebook(WHOLE.replace("summary = '''First.'''", "summary = 3"), Path("lab"))
    v0, v1, _ = notebook.versions.values()
    assert v0.problems and v0.runnable
    assert not v1.problems and v1.runnable


def test_a_problem_in_the_defaults_stops_every_run() -> None:
    notebook = parse_notebook(WHOLE.replace("image_size = 64", "image_size = '64'"), Path("lab"))
    assert [v.runnable for v in notebook.versions.values()] == [False, False, False]
    assert len(notebook.problems) == 1


def test_a_command_takes_settings_of_its_own_and_hands_them_down() -> None:
    notebook = parse_notebook(
        "[versions.mine]\ncommand = ['sh', '{bs}', '{{bs}}', '{\"a\": 1}']\ntrain.bs = 3\n"
        "[versions.next]\nbase = 'mine'\ntrain.bs = 4\n",
        Path("lab"),
    )
    assert notebook.problems == ()
    assert notebook.versions["next"].command == notebook.versions["mine"].command
    assert notebook.versions["next"].config == {"bs": 4}


def test_a_missing_notebook_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(NotebookError, match="imgexp-tui init"):
        load_notebook(tmp_path)


def test_what_is_not_utf8_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "experiments.toml").write_bytes(b"[versions.v0]\nsummary = 'caf\xe9'\n[versions.v1]\n")
    notebook = load_notebook(tmp_path)
    assert names(notebook) == ["v0", "v1"]
    assert str(notebook.problems[0]) == "experiments.toml:2: this is not UTF-8; save the file as UTF-8"


PIECES = st.sampled_from(
    [*"[]{}=,.'\"#\\\n\r \tav0-", "'''", '"""', "versions", "train", "[versions.v1]\n", "summary = ", "\n[defaults]\n"]
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join)))
def test_nothing_in_the_file_makes_reading_raise(text: str) -> None:
    parse_notebook(text, Path("lab"))


VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-(2**40), 2**40), st.floats(allow_nan=False), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=5))
def test_the_scanner_finds_what_the_parser_reads(tables: dict[str, object]) -> None:
    """Whatever another program writes: each top key is found once, and nothing is taken for broken."""
    text = tomlkit.dumps(tables)
    scan = TomlScan(text)
    assert scan.broken_spans == []
    written = {entry.path for entry in scan.entries}
    assert {path[:1] for path in written} == {(key,) for key in tables}
    for entry in scan.entries:
        if entry.value_span is not None and not entry.is_inline:
            value = tomlkit.parse("x = " + text[slice(*entry.value_span)]).unwrap()["x"]
            at: object = tables
            for part in entry.path:
                at = at[part] if isinstance(at, dict) else at
            assert value == at or isinstance(at, list)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ('"seed"', 'must be an array of words, such as ["baseline", "seed"]'),
        ("[1]", 'must be an array of words, such as ["baseline", "seed"]'),
        ('["two words"]', "two words is no tag; take a word of letters, digits"),
        ('[""]', "an empty text is no tag"),
    ],
)
def test_tags_are_words_and_a_mistake_does_not_stop_a_run(value: str, why: str) -> None:
    text = f"[versions.v0]\ntags = {value}\n"
    (problem,) = told(text)
    assert problem.startswith(f"experiments.toml:2: versions.v0.tags: {why}")
    version = parse_notebook(text, Path("lab")).versions["v0"]
    assert (version.tags, version.runnable) == ((), True)


def test_tags_and_the_archive_are_a_version_s_own() -> None:
    book = parse_notebook(
        '[versions.v0]\ntags = ["a", "b", "a"]\narchived = true\n[versions.v1]\nbase = "v0"\n', Path("lab")
    )
    assert [(v.tags, v.archived) for v in book.versions.values()] == [(("a", "b"), True), ((), False)]
    assert told("[versions.v0]\narchived = 1\n") == ["experiments.toml:2: versions.v0.archived: must be true or false"]


@pytest.mark.parametrize("fault", ["", "x = \n"])
def test_a_large_notebook_is_read_beside_the_screen_by_a_parser_that_gives_way(
    monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    large = "".join(f"[versions.v{i}]\nsummary = '''{'words ' * 200}'''\n" for i in range(300)) + fault
    expected = tolerant.parse_strict.__wrapped__(large)
    asked: list[int] = []
    loads = tomli.loads
    monkeypatch.setattr(tomli, "loads", lambda text: (asked.append(len(text)), loads(text))[1])
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(tolerant.parse_strict.__wrapped__, large).result() == expected
        assert asked == ([len(large)] if fault else []), "the compiled one is asked only where the other fails"
        pool.submit(tolerant.parse_strict.__wrapped__, "[versions.v0]\n").result()
    assert asked[-1] == len("[versions.v0]\n")
