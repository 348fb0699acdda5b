"""The trainer as a process: small real trainings, and what ends them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from imgexp_tui.records import jsonl
from tests.support.training_runs import (
    event,
    finish,
    folder_of_pictures,
    metrics,
    new_run,
    start,
    stop,
    train,
    wait_for_step,
)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return folder_of_pictures(tmp_path / "pictures", 40, ["cat", "dog"])


@pytest.mark.parametrize(("task", "loss"), [("patchwork", math.log(2)), ("classification", math.log(2))])
def test_a_training_logs_all_that_it_promises(task: str, loss: float, pictures: Path, tmp_path: Path) -> None:
    run, out, _ = train(tmp_path, task=task, data=str(pictures), epochs=2)
    plan, record = event(run, "plan"), metrics(run)
    assert plan["epochs"] == 2
    assert plan["chance"]["valid/accuracy"] == pytest.approx(0.5, abs=0.2)
    assert plan["chance"]["valid/loss"] == pytest.approx(loss, abs=0.05)
    steps = [line for line in record if "train/loss" in line]
    assert [line["step"] for line in steps] == list(range(1, 2 * plan["steps_per_epoch"] + 1))
    assert {"train/accuracy", "learning_rate/encoder", "learning_rate/head"} <= steps[0].keys()
    assert sum(name.startswith("gradient_norm/") for name in steps[0]) >= 4
    epochs = [line for line in record if "valid/loss" in line]
    assert [line["epoch"] for line in epochs] == [1, 2]
    assert {"valid/accuracy", "valid/soft_mean", "valid/soft_std", "train/epoch_loss"} <= epochs[0].keys()
    assert epochs[0]["valid/samples"] == plan["valid_samples"]
    raw = jsonl.read_records(run.metrics)
    assert {"images_per_second", "time/data", "time/compute"} <= raw[0].keys()
    assert "time/epoch_train" in raw[plan["steps_per_epoch"]]
    assert "epoch 2/2" in out
    assert {"last", "best"} <= {p.name for p in run.checkpoints.iterdir()}


def test_a_stopped_run_goes_on_as_if_it_had_never_stopped(pictures: Path, tmp_path: Path) -> None:
    config: dict[str, Any] = {"data": str(pictures), "epochs": 3, "schedule": "one-cycle", "dropout": 0.3}
    whole, *_ = train(tmp_path, **config)
    cut = new_run(tmp_path, **config)
    process = start(cut)
    wait_for_step(cut, 5, process)
    code, _, _ = stop(process)
    assert code == 143
    done = metrics(cut)[-1]["step"]
    assert done < metrics(whole)[-1]["step"]
    assert finish(start(cut))[0] == 0
    assert metrics(cut) == metrics(whole), "the same to the last bit, on the CPU"


def test_the_same_seed_gives_the_same_run_and_another_another(pictures: Path, tmp_path: Path) -> None:
    first, second, other = (metrics(train(tmp_path, data=str(pictures), epochs=1, seed=s)[0]) for s in (1, 1, 2))
    assert first == second
    assert first != other


def test_workers_change_nothing_but_the_speed(pictures: Path, tmp_path: Path) -> None:
    alone, helped = (metrics(train(tmp_path, data=str(pictures), epochs=1, num_workers=n)[0]) for n in (0, 2))
    assert alone == helped


def test_a_loss_that_is_not_finite_ends_the_run_with_its_step(pictures: Path, tmp_path: Path) -> None:
    run, _, error = train(tmp_path, 1, data=str(pictures), learning_rate=1e30, optimizer="sgd", epochs=5)
    assert "at step" in error and "lower learning_rate" in error
    assert "UserWarning" not in error
    assert not all(math.isfinite(v) for v in jsonl.read_records(run.metrics)[-1].values() if isinstance(v, float))
    if (run.checkpoints / "last").exists():
        model = torch.load(run.checkpoints / "last", weights_only=True)["model"]
        assert all(t.isfinite().all() for t in model.values())


def test_a_last_batch_of_one_image_does_not_break_batch_normalisation(pictures: Path, tmp_path: Path) -> None:
    run, *_ = train(tmp_path, data=str(pictures), train_samples=17, batch_size=8, epochs=1)
    assert metrics(run)[-1]["step"] == 3


def test_early_stopping_and_a_frozen_encoder(pictures: Path, tmp_path: Path) -> None:
    run, out, _ = train(
        tmp_path, data=str(pictures), epochs=30, patience=1, freeze_epochs=1, learning_rate=0.05, train_samples=16
    )
    record = [line for line in metrics(run) if "train/loss" in line]
    encoder = {name for name in record[-1] if name.startswith("gradient_norm/") and "blocks" in name}
    first_epoch = [line for line in record if line["epoch"] == 1]
    assert encoder and not any(encoder & line.keys() for line in first_epoch)
    assert "stopped early" in out
    assert metrics(run)[-1]["epoch"] < 30


@pytest.mark.parametrize(
    ("judge", "goal", "recorded"),
    [
        ("valid/soft_mean", "higher", "valid/soft_mean"),
        ("valid/soft_mean", "lower", "valid/soft_mean"),
        ("train/accuracy", "higher", "train/epoch_accuracy"),
        ("train/epoch_loss", "lower", "train/epoch_loss"),
    ],
)
def test_the_judge_decides_the_best_checkpoint_and_the_patience(
    judge: str, goal: str, recorded: str, pictures: Path, tmp_path: Path
) -> None:
    run, out, _ = train(
        tmp_path, judge=(judge, goal), data=str(pictures), epochs=6, patience=2, learning_rate=0.03, train_samples=16
    )
    values = [line[recorded] for line in metrics(run) if recorded in line]
    best = values.index(max(values) if goal == "higher" else min(values))
    kept = torch.load(run.checkpoints / "best", weights_only=True)["position"]
    assert (kept["epoch"], kept["best"]) == (best + 1, values[best])
    assert len(values) == min(6, best + 1 + 2), "it stops after two epochs without a better one"
    assert ("stopped early" in out) == (len(values) < 6)
    assert "is not measured" not in out
    if len(values) < 6:
        assert f"the best {judge} is {values[best]:.4f} of epoch {best + 1}" in out


def test_a_judge_that_is_not_measured_gives_way_with_a_warning(pictures: Path, tmp_path: Path) -> None:
    run, *_ = train(tmp_path, judge=("valid/auroc", "higher"), data=str(pictures), epochs=2)
    told = "valid/auroc, the judge of this version, is not measured; valid/loss judges"
    assert [e["message"] for e in jsonl.read_records(run.events) if e["kind"] == "warning"].count(told) == 1
    losses = [line["valid/loss"] for line in metrics(run) if "valid/loss" in line]
    assert torch.load(run.checkpoints / "best", weights_only=True)["position"]["best"] == min(losses)


def test_the_learning_rates_of_the_groups_and_of_one_cycle(pictures: Path, tmp_path: Path) -> None:
    run, *_ = train(
        tmp_path, data=str(pictures), epochs=3, schedule="one-cycle", learning_rate=1e-3, learning_rate_encoder=1e-4
    )
    record = [line for line in metrics(run) if "train/loss" in line]
    encoder, head = ([line[f"learning_rate/{part}"] for line in record] for part in ("encoder", "head"))
    assert max(head) == pytest.approx(1e-3, rel=0.05)
    assert head[0] < max(head) > head[-1]
    assert encoder == pytest.approx([rate / 10 for rate in head])


def test_an_encoder_of_the_user_from_the_lab(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from torch import nn\nclass Net(nn.Sequential):\n    def __init__(self):\n"
        "        super().__init__(nn.Conv2d(3, 4, 3), nn.ReLU())\n"
    )
    run, *_ = train(tmp_path, data=str(pictures), encoder="mine:Net", epochs=1)
    assert event(run, "plan")["encoder"] == "mine:Net"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"encoder": "mobilenetv2_10"}, "did you mean mobilenetv2_1"),
        ({"encoder": "mine:Net"}, "cannot be imported"),
        ({"encoder": "mobilenetv2_100", "pretrained": True}, "encoder_without_hub"),
        ({"encoder": "small_conv", "pretrained": True}, "no pretrained weights"),
        ({"encoder": "mobilenetv2_100", "pretrained": True, "weights": "missing.pth"}, "missing.pth"),
        ({"data": "nowhere.zip"}, "nowhere.zip"),
    ],
)
def test_what_cannot_be_is_one_sentence(config: dict[str, Any], message: str, pictures: Path, tmp_path: Path) -> None:
    run, _, error = train(tmp_path, 1, **{"data": str(pictures)} | config)
    assert message in error
    assert not jsonl.read_records(run.metrics), "nothing was trained from random weights"
