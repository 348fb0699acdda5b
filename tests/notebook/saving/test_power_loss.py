"""Every state that a power cut could leave of the files behind the notes, at every call of their writers.

`benchmarks/power_loss.py` has the model: whatever was not synced may be there, or not, or half. Take one fsync out of
`durable`, `exchange` or `journal`, and a test here fails.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import power_loss
import pytest

from imgexp_tui.notebook.history import log as note_log
from imgexp_tui.notebook.history.drafts import read_drafts, write_draft
from imgexp_tui.notebook.load import load_notebook
from imgexp_tui.notebook.saving import atomic_swap
from tests.helpers import ROOT
from tests.native import library
from tests.support import power_loss_cases
from tests.support.power_loss_cases import DRAFT, NEW, OLD, THEIRS, lab_of, notebook_of, save

pytestmark = pytest.mark.compiler

Look = Callable[[bool], None]


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    base = tmp_path / "base"
    lab_of(base).mkdir(parents=True)
    notebook_of(base).write_text(OLD)
    monkeypatch.setenv("XDG_STATE_HOME", str(base / "state"))
    return base


def after_every_cut(case: Callable[[Path], None], base: Path, look: Look) -> None:
    """`look` at every state; it is told whether the case was done by then."""
    log, before = base.with_name("log"), power_loss.scan(base)
    words = [sys.executable, "-m", "tests.support.power_loss_cases", case.__name__, str(base), str(log)]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH", "")])
    env = os.environ | {"LD_PRELOAD": str(library("recorder")), "PYTHONPATH": paths}
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    made = power_loss.calls(log, base)
    assert made[-1].name == "mark" and len(made) > 1
    for cut in range(len(made) + 1):
        for state in power_loss.states(before, [call for call in made[:cut] if call.name != "mark"]):
            power_loss.lay_out(base, state)
            look(cut == len(made))


def says(base: Path) -> str:
    return load_notebook(lab_of(base)).versions["v0"].summary


def told(base: Path) -> set[str]:
    return {state.text for state in note_log.note_states(lab_of(base), "v0", "summary")}


@pytest.mark.parametrize("way", [save, power_loss_cases.save_without_an_exchange])
@pytest.mark.parametrize("earlier", [False, True], ids=["the history is new", "the history is there"])
def test_a_save_is_whole_and_what_it_replaced_is_told(base: Path, way: Callable[[Path], None], earlier: bool) -> None:
    if earlier:
        note_log.record_missing(lab_of(base), [("v0", "takeaways", "-a")], 1.0)

    def look(done: bool) -> None:
        assert says(base) == "new" if done else says(base) in ("old", "new")
        assert says(base) == "old" or "old" in told(base)
        assert not done or told(base) == {"old", "new"}
        # Nothing that a save left half done makes a difference to the next.
        atomic_swap.recover_interrupted_swaps(notebook_of(base))
        assert notebook_of(base).read_text() in (OLD, NEW)
        assert not list(lab_of(base).glob("*.other"))

    after_every_cut(way, base, look)


def test_a_file_of_others_that_was_displaced_stands_again(base: Path) -> None:
    """Also for who does not start this program to see it: what they had written was durable."""

    def look(done: bool) -> None:
        assert not done or notebook_of(base).read_text() == THEIRS

    after_every_cut(power_loss_cases.displace_a_file_of_others, base, look)


def test_mending_is_done_once_and_for_all(base: Path) -> None:
    notebook_of(base).write_text(NEW)
    meant = f"{atomic_swap._digest(OLD.encode())}-{atomic_swap._digest(NEW.encode())}"
    (lab_of(base) / f".experiments.toml.{meant}.01234567.swap").write_text(THEIRS)

    def look(done: bool) -> None:
        exchange_ = {notebook_of(base).read_text()}
        assert exchange_ == {THEIRS} if done else exchange_ <= {NEW, THEIRS}
        atomic_swap.recover_interrupted_swaps(notebook_of(base))
        assert notebook_of(base).read_text() == THEIRS
        assert [p.name for p in lab_of(base).iterdir()] == ["experiments.toml"]

    after_every_cut(power_loss_cases.mend, base, look)


def test_a_draft_that_is_kept_is_offered(base: Path) -> None:
    def look(done: bool) -> None:
        assert read_drafts(lab_of(base)) == [DRAFT] if done else read_drafts(lab_of(base)) in ([], [DRAFT])

    after_every_cut(power_loss_cases.keep_a_draft, base, look)


def test_a_draft_that_is_dropped_does_not_come_back(base: Path) -> None:
    """It would be offered beside what was saved after it."""
    write_draft(lab_of(base), DRAFT)

    def look(done: bool) -> None:
        assert read_drafts(lab_of(base)) == [] if done else read_drafts(lab_of(base)) in ([], [DRAFT])

    after_every_cut(power_loss_cases.drop_a_draft, base, look)
