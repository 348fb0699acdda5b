"""The filter of the version table: its small language."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgexp_tui.cli import main
from imgexp_tui.notebook.model import Version
from imgexp_tui.records.version_filter import FilterError, VersionFacts, parse_filter
from tests.support.recorded_runs import a_run

NUMBERS = {"valid/loss": 0.25, "train/accuracy": 0.9, "train/loss": 0.1, "valid/accuracy": 0.6}
ALL = {
    "v0": VersionFacts(Version("v0", summary="The GPU starves.", tags=("Seed", "old")), {"finished"}, NUMBERS),
    "v1": VersionFacts(
        Version("v1", base="v0", takeaways="-two words\n"), {"no heartbeat", "queued"}, {"train/loss": 0.4}
    ),
    "v2": VersionFacts(Version("v2", base="V1", runnable=False)),
    "v3": VersionFacts(Version("v3", base="v0", tags=("seed",)), {"failed"}, {"valid/loss": float("nan")}),
}


def held(text: str) -> str:
    found = parse_filter(text)
    assert found
    return " ".join(name for name, facts in ALL.items() if found.matches(facts))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("state:finished", "v0"),
        ("state:f", "v0 v3"),
        ("STATE:failed,queued", "v1 v3"),
        ('state:"no heartbeat"', "v1"),
        ("state:no-heart", "v1"),
        ("state:live", "v1"),
        ("state:none", "v2"),
        ("state:broken", "v2"),
        ("tag:seed", "v0 v3"),
        ("tag:seed !tag:old", "v3"),
        ("base:v0", "v1 v3"),
        ("base:v1,none", "v0 v2"),
        ("valid/loss<0.3", "v0"),
        ("valid/loss < 0.3", "v0"),
        ("valid/loss<=.25", "v0"),
        ("loss<0.2", ""),
        ("loss>=0.25", "v0 v1"),
        ("loss=0.4", "v1"),
        ("accuracy>59%", "v0"),
        ("accuracy>0.6", ""),
        ("train/accuracy>0.6", "v0"),
        ("gpu", "v0"),
        ("Gpu", ""),
        ('"two words"', "v1"),
        ("words two", "v1"),
        ("!words", "v0 v2 v3"),
        ("v", "v0 v1 v2 v3"),
        ("tag:seed loss<1 starves", "v0"),
    ],
)
def test_what_holds(text: str, names: str) -> None:
    assert held(text) == names


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("state:", "state: wants a word: queued, running, no heartbeat, finished, stopped, failed, killed, lost, live"),
        ("tag:", "tag: wants a word: such as tag:seed"),
        ("state:runing", "runing is no state; did you mean running?"),
        ("state:x", "x is no state; take one of queued"),
        ("tags:x", "there is no tags:; did you mean tag:?"),
        ("http://x", "there is no http:; take state:, tag: or base:, or put the words in quotes"),
        ("loss<", "< wants a number; write such as loss<0.3"),
        ("loss<few", "few is no number; write such as loss<0.3"),
        ("<0.3", "< stands behind a metric, such as valid/loss<0.3"),
        ("acuracy>0.6", "no run has a metric that ends in acuracy; did you mean accuracy?"),
        ('"open', '"open has no second quote; close it'),
    ],
)
def test_a_mistake_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(FilterError) as raised:
        parse_filter(text, NUMBERS)
    assert str(raised.value).startswith(sentence)


def test_nothing_is_no_filter() -> None:
    assert parse_filter("  ") is None
    assert parse_filter("acuracy>0.6") is not None  # no metric is known yet


@given(st.text(st.sampled_from('state:tag!<>= "%vlos0.3,/\x1b\n') | st.characters(), max_size=20))
def test_any_line_is_a_filter_or_a_mistake(text: str) -> None:
    try:
        found = parse_filter(text, NUMBERS)
    except FilterError as error:
        assert "\x1b" not in str(error)
        return
    for facts in ALL.values():
        assert found is None or found.matches(facts) in (True, False)


def test_list_filters_and_hides_what_is_archived(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "experiments.toml").write_text(
        '[versions.v0]\ntags = ["seed"]\n[versions.v1]\nbase = "v0"\narchived = true\n[versions.v2]\n'
    )
    a_run(tmp_path, "v0", "20260101-000000-aaaaaa", [0.4, 0.2])
    a_run(tmp_path, "v0", "20260102-000000-bbbbbb", [0.6])
    a_run(tmp_path, "v1", "20260101-000000-cccccc", [0.1], ended=False)

    def listed(*words: str) -> list[str]:
        assert main(["-C", str(tmp_path), "list", *words]) == 0
        printed = capsys.readouterr()
        assert ("1 archived version is hidden" in printed.err) == ("--all" not in words and "loss<0.3" in words)
        return [line.split()[0] for line in printed.out.splitlines()[1:]]

    assert listed("--filter", "loss<0.3") == ["v0"]
    assert listed("--all", "--filter", "loss<0.3") == ["v0", "v1"]
    assert listed("--all", "--filter", "accuracy>0.85") == ["v1"]
    assert listed("--filter", "state:killed tag:seed") == ["v0"]
    assert listed("--filter", "state:none") == ["v2"]
    main(["-C", str(tmp_path), "list", "--json", "--filter", "base:v0"])
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["archived"]) == ("v1", True)
    assert main(["-C", str(tmp_path), "list", "--filter", "los<0.3"]) == 2
    assert "did you mean loss?" in capsys.readouterr().err
