"""The trainer as a process: small real trainings, and what ends them."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from imgexp_tui.records import jsonl
from imgexp_tui.training.config import Config
from imgexp_tui.training.data.image_store import ImageSet
from imgexp_tui.training.data.patchwork import PatchworkExamples, TransformProbabilities
from imgexp_tui.training.metrics import EpochMetrics
from imgexp_tui.training.model import weights
from imgexp_tui.training.tasks import PatchworkTask
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


@pytest.mark.filterwarnings("error")
def test_the_mean_loss_weighs_by_image_and_is_nan_where_a_batch_s_is() -> None:
    metrics = EpochMetrics(PatchworkTask(Config.from_settings({})), torch.device("cpu"))
    for loss, images in ((1.0, 3), (2.0, 1)):
        metrics.add(metrics.measure_batch(torch.tensor(loss), torch.full((images, 1), 0.9), torch.ones(images, 1)))
    assert metrics.compute() == {"loss": 1.25, "accuracy": 1.0}
    metrics.add(metrics.measure_batch(torch.tensor(math.nan), torch.full((2, 1), 0.9), torch.ones(2, 1)))
    assert math.isnan(metrics.compute()["loss"])


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
    ("config", "told"),
    [
        ({"encoder": "mobilenetv2_10"}, "did you mean mobilenetv2_1"),
        ({"encoder": "mine:Net"}, "cannot be imported"),
        ({"encoder": "mobilenetv2_100", "pretrained": True}, "encoder_without_hub"),
        ({"encoder": "small_conv", "pretrained": True}, "no pretrained weights"),
        ({"encoder": "mobilenetv2_100", "pretrained": True, "weights": "missing.pth"}, "missing.pth"),
        ({"data": "nowhere.zip"}, "nowhere.zip"),
    ],
)
def test_what_cannot_be_is_one_sentence(config: dict[str, Any], told: str, pictures: Path, tmp_path: Path) -> None:
    run, _, error = train(tmp_path, 1, **{"data": str(pictures)} | config)
    assert told in error
    assert not jsonl.read_records(run.metrics), "nothing was trained from random weights"


def test_the_stand_in_is_loud_and_carries_the_package_s_weights(pictures: Path, tmp_path: Path) -> None:
    run, out, _ = train(
        tmp_path, data=str(pictures), encoder="mobilenetv2_100", pretrained=True, head="linear", epochs=1,
        encoder_without_hub="tf_efficientnet_lite0", learning_rate=1e-12, train_samples=8, valid_samples=8,
    )  # fmt: skip
    assert event(run, "plan")["encoder"] == "tf_efficientnet_lite0"
    assert "stands in for the encoder mobilenetv2_100" in event(run, "warning")["message"]
    assert "stands in" in out
    trained = torch.load(run.checkpoints / "last", weights_only=True)["model"]
    package = weights.from_package("tf_efficientnet_lite0").module.state_dict()
    learned = [name for name in package if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))]
    assert len(learned) == 147
    for name in learned:
        torch.testing.assert_close(trained[f"encoder.{name}"], package[name], rtol=0, atol=1e-6)


def test_the_package_s_tensors_must_fit_one_by_one() -> None:
    tensors = dict(weights.from_package("tf_efficientnet_lite0").module.state_dict())
    with pytest.raises(Exception, match="do not fit"):
        weights.match_by_position("tf_efficientnet_lite0", tensors)


class Colours:
    """Images of one colour each, so that a patch tells where it comes from."""

    side = 16

    def __len__(self) -> int:
        return 40

    def pixels(self, indices: list[int]) -> tuple[torch.Tensor, list[str]]:
        plain = torch.tensor(indices, dtype=torch.uint8).view(-1, 1, 1, 1) * 6
        return plain.expand(-1, 3, self.side, self.side).clone(), []


def examples(training: bool, chances: TransformProbabilities | None = None, seed: int = 0) -> PatchworkExamples:
    chances = chances or TransformProbabilities()
    colours: ImageSet = Colours()  # type: ignore[assignment]
    return PatchworkExamples(colours, 0.5, chances, seed, training)


def test_a_patch_is_of_the_same_image_for_half_of_them_and_the_label_says_so() -> None:
    batch = examples(training=True).batch(list(range(40)), 0)
    same = torch.tensor([len(image.unique()) == 1 for image in batch.inputs])
    assert same.sum() == 20
    assert torch.equal(batch.targets.flatten().bool(), same)
    for image in batch.inputs[~same]:
        colours, counts = image[0].unique(return_counts=True)
        assert sorted(counts.tolist()) == [64, 192], "an 8 × 8 patch in a 16 × 16 image"
        assert len(colours) == 2


def test_patches_are_fresh_at_every_visit_in_training_and_fixed_in_validation() -> None:
    training, validation = examples(training=True), examples(training=False)
    everything = list(range(40))
    assert not torch.equal(training.batch(everything, 0).inputs, training.batch(everything, 1).inputs)
    assert torch.equal(validation.batch(everything, 0).inputs, validation.batch(everything, 1).inputs)
    again = examples(training=False).batch(everything, 5)
    assert torch.equal(validation.batch(everything, 0).inputs, again.inputs)


def test_transforms_touch_the_patch_in_training_only() -> None:
    noisy = TransformProbabilities(noise=1.0, noise_std=0.2)
    plain, changed = (examples(True, c).batch(list(range(40)), 0).inputs for c in (TransformProbabilities(), noisy))
    moved = (plain != changed).any(1)
    assert moved.flatten(1).any(1).float().mean() > 0.9
    assert moved.flatten(1).sum(1).max() <= 64, "outside of the patch nothing changes"
    assert torch.equal(
        *(examples(False, c).batch(list(range(40)), 0).inputs for c in (TransformProbabilities(), noisy))
    )


@pytest.mark.parametrize("error", [ConnectionResetError(104, "Connection reset by peer"), EOFError("no more")])
def test_a_worker_whose_end_was_collected_already_is_named_all_the_same(error: Exception) -> None:
    imported = "from imgexp_tui.training.__main__ import _describe_killed_worker"
    code = f"{imported}; print(_describe_killed_worker({error!r}))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == f"DataLoader worker is gone ({error})\n"


def test_a_worker_says_nothing_of_a_trainer_that_hung_up_while_it_was_handed_a_tensor() -> None:
    code = """
import socket, sys
from multiprocessing import resource_sharer
from imgexp_tui.training.data import loader
loader.signal_on_parent_exit = lambda _: None  # the test is no trainer
loader._init_worker(0)
for words in (b"", b"no handshake"):
    address, _ = resource_sharer.DupFd(sys.stdout.fileno())._id
    with socket.socket(socket.AF_UNIX) as trainer:
        trainer.connect(address)
        trainer.send(words)
    resource_sharer.stop(30)
sys.excepthook(ValueError, ValueError("other faults are said"), None)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    assert said == "ValueError: other faults are said\n"
