"""The engine: all rules, any record, as it grows; rules off by name; relatives; the statistics behind them."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from imgexp_tui.app_log import log_path
from imgexp_tui.findings import rules, statistics
from imgexp_tui.findings.comparison_runs import comparison_runs_of
from imgexp_tui.findings.engine import RULES, Engine
from imgexp_tui.findings.model import Severity
from imgexp_tui.findings.run_data import RunData
from imgexp_tui.notebook.load import parse_notebook
from tests.helpers import write_lines
from tests.support.made_up_runs import made_up

COUNTS = {"valid/samples": [500, 448, 500]}


def test_the_rules_are_the_modules_below_their_folder() -> None:
    files = [file for file in Path(rules.__file__).parent.rglob("*.py") if file.stem != "__init__"]
    assert sorted(file.stem for file in files) == list(rules.names())
    assert sorted(rule.NAME for rule in RULES) == list(rules.names())
    assert [rule.__name__.rpartition(".")[2] for rule in RULES] == [rule.NAME for rule in RULES]
    assert len({rule.ORDER for rule in RULES}) == len(RULES)
    assert all((rule.__doc__ or "").strip() for rule in RULES)


def test_the_rules_have_the_order_of_the_documentation() -> None:
    assert tuple(rule.NAME for rule in RULES) == (
        "starved", "batch_headroom", "constant", "chance", "underfits", "overfits", "learning_rate", "not_finite",
        "gradients", "memory", "stopping", "validation", "pace", "seed_noise", "augmented_validation", "worker_seeds",
        "gpu", "stalled", "disk", "no_effect", "against_base",
    )  # fmt: skip


def test_their_names_are_listed_without_importing_them() -> None:
    code = (
        "import sys; from imgexp_tui.findings.rules import names; assert 'starved' in names(); "
        "print([m for m in sys.modules if m.startswith('imgexp_tui.findings.rules.')])"
    )
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert listed.stdout.strip() == "[]"


def test_rules_are_switched_off_by_name(tmp_path: Path) -> None:
    view = made_up(tmp_path, epochs=COUNTS)
    assert [f.name for f in Engine(view).evaluate()] == ["validation"]
    assert Engine(view, disabled_rules=["validation"]).evaluate() == ()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('["starvd"]', "'starvd' is no finding; did you mean starved?"),
        ('"starved"', 'must be an array of names, such as ["starved", "memory"]'),
        ('["starved", "memory"]', ""),
    ],
)
def test_the_lab_says_which_are_off(value: str, message: str, tmp_path: Path) -> None:
    notebook = parse_notebook(f"[lab]\nfindings_off = {value}\n", tmp_path, finding_names=rules.names())
    assert [p.message for p in notebook.problems] == ([message] if message else [])
    assert notebook.lab_settings.get("findings_off") == (None if message else ["starved", "memory"])


def test_the_most_severe_comes_first(tmp_path: Path) -> None:
    view = made_up(tmp_path, epochs={**COUNTS, "valid/loss": [0.6, 0.5, math.nan]}, steps={"train/loss": [0.5] * 30})
    found = Engine(view).evaluate()
    assert [f.severity for f in found] == sorted((f.severity for f in found), key=lambda s: -s.rank)
    assert found[0].severity is Severity.SERIOUS


def test_it_follows_a_run_that_grows(tmp_path: Path) -> None:
    view = made_up(tmp_path, epochs={"valid/samples": [500]}, cause="")
    engine = Engine(view)
    assert engine.evaluate() == ()
    write_lines(view.run_dir.metrics, [{"step": 20, "epoch": 2, "valid/samples": 448}])
    view.poll()
    assert engine.evaluate() == (), "a run that grows is not looked at again at once"
    (found,) = engine.evaluate(force=True)
    assert found.name == "validation"
    assert engine.evaluate(force=True) is engine.evaluate(force=True), "nothing was added"
    worker = {"kind": "worker", "time": 1.0, "side": "train", "epoch": 1, "numpy": 3}
    write_lines(view.run_dir.events, [worker | {"worker": 0}, worker | {"worker": 1}])
    assert {f.name for f in engine.evaluate(force=True)} == {"validation", "worker_seeds"}


def test_a_resumed_run_takes_its_steps_back(tmp_path: Path) -> None:
    view = made_up(tmp_path, epochs={"valid/samples": [500, 448]})
    engine = Engine(view)
    assert engine.evaluate()
    write_lines(view.run_dir.metrics, [{"step": 15, "epoch": 2, "train/loss": 0.5}, {"step": 20, "valid/samples": 500}])
    view.poll_again()
    view.poll()
    assert engine.evaluate() == ()


@pytest.mark.parametrize("error", [ValueError("odd"), AttributeError("nothing there"), OSError("gone")])
def test_a_rule_that_raises_is_logged_and_the_others_are_applied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(run: RunData) -> None:
        raise error

    (rule,) = [rule for rule in RULES if rule.NAME == "worker_seeds"]
    monkeypatch.setattr(rule, "find", broken)
    found = {f.name: f for f in Engine(made_up(tmp_path, epochs=COUNTS)).evaluate()}
    assert found.keys() == {"validation", "worker_seeds"}
    assert str(error) in found["worker_seeds"].sentence
    log = log_path().read_text()
    assert "the rule worker_seeds failed on" in log and f"{type(error).__name__}: {error}" in log
    assert "in broken" in log, "the traceback"


def test_a_record_of_anything_trips_nothing(tmp_path: Path) -> None:
    strange = {"valid/accuracy": [7, -3, 0], "valid/samples": [0, -5, 1e300], "valid/soft_std": [math.inf] * 3}
    steps = {"time/data": [0, 0], "gradient_norm/": [-1] * 40, "train/loss": [1e308] * 40}
    view = made_up(
        tmp_path,
        epochs={**strange, "valid/loss": [0, 0, 0], "train/epoch_loss": [0, -1, 0]},
        steps=steps,
        plan={"epochs": "x", "chance": {"valid/loss": 0, "valid/accuracy": 1}, "transforms": 3, "train_samples": None},
        events=[{"kind": "worker"}, {"kind": "settings", "unread": 5, "time": "now"}],
        system={"tree/memory": [0] * 40, "host/disk_free": [0] * 9, "gpu0/tree_memory": [0] * 40},
    )
    assert not [f for f in Engine(view).evaluate() if "cannot read" in f.sentence]


def test_an_empty_run_says_nothing(tmp_path: Path) -> None:
    assert Engine(made_up(tmp_path, cause="")).evaluate() == ()


def test_relatives_are_the_bases_best_and_the_seeds_of_both(tmp_path: Path) -> None:
    base = [
        made_up(tmp_path, version="v0", epochs={"valid/loss": [v]}, group="a", seed=i) for i, v in enumerate((3, 1))
    ]
    alone = made_up(tmp_path, version="v0", epochs={"valid/loss": [2]})
    own = [made_up(tmp_path, version="v1", base="v0", group="b", seed=i) for i in range(2)]
    views = {"v0": [*base, alone], "v1": own}
    found = comparison_runs_of(own[0], views.__getitem__)
    assert found.base_runs[0] is base[1]
    assert set(map(id, found.base_runs)) == set(map(id, views["v0"]))
    assert set(map(id, found.base_seed_group)) == set(map(id, base))
    assert found.seed_group == own
    assert comparison_runs_of(alone, views.__getitem__).base_runs == []


def test_the_binomial_tail_is_exact() -> None:
    for right, count, chance in ((263, 500, 0.5), (30, 40, 0.5), (3, 10, 0.1), (0, 5, 0.5), (10, 10, 0.9), (1, 4, 0.5)):
        exactly = sum(math.comb(count, k) * chance**k * (1 - chance) ** (count - k) for k in range(right, count + 1))
        assert statistics.binomial_tail(right, count, chance) == pytest.approx(exactly, rel=1e-9)
    assert statistics.binomial_tail(9000, 10000, 0.5) < 1e-300
    assert statistics.binomial_tail(6, 5, 0.5) == 0


def test_the_slope_withstands_a_quarter_of_outliers() -> None:
    x = list(map(float, range(40)))
    y = [3 * v + (1000 if i % 4 == 0 else 0) for i, v in enumerate(x)]
    middle, low, high = statistics.slope_with_interval(x, y)
    assert middle == pytest.approx(3)
    assert low <= 3 <= high
    noise = [math.sin(i * i) for i in range(40)]
    assert statistics.slope_with_interval(x, noise)[1] < 0 < statistics.slope_with_interval(x, noise)[2]


def test_a_steady_fall_is_told_from_noise() -> None:
    assert statistics.decrease_p_value([5, 4, 3, 2, 1]) < 0.05
    assert statistics.decrease_p_value([1, 2, 3, 4, 5]) > 0.9
    assert statistics.decrease_p_value([3, 1, 4, 2, 5, 3]) > 0.05
