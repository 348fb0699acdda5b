"""Metrics over batches and epochs, and a metric that a task adds."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torchmetrics.classification import MulticlassAccuracy

from imgexp_tui.notebook.schema.metrics import Goal
from imgexp_tui.records.metrics.metric import DEFAULT_METRICS
from imgexp_tui.training import loop
from imgexp_tui.training.config import Config
from imgexp_tui.training.data.datasets import TrainValidImages
from imgexp_tui.training.distributed.group import RankGroup
from imgexp_tui.training.metrics import EpochMetrics
from imgexp_tui.training.run_logger import RunLogger
from imgexp_tui.training.shutdown import StopSignal
from imgexp_tui.training.tasks import ClassificationTask, PatchworkTask, TaskMetric
from tests.support.training_runs import SMALL, event, metrics, new_run


@pytest.mark.filterwarnings("error")
def test_the_mean_loss_weighs_by_image_and_is_nan_where_a_batch_s_is() -> None:
    metrics = EpochMetrics(PatchworkTask(Config.from_settings({})), torch.device("cpu"))
    for loss, images in ((1.0, 3), (2.0, 1)):
        metrics.add(metrics.measure_batch(torch.tensor(loss), torch.full((images, 1), 0.9), torch.ones(images, 1)))
    assert metrics.compute() == {"loss": 1.25, "accuracy": 1.0}
    metrics.add(metrics.measure_batch(torch.tensor(math.nan), torch.full((2, 1), 0.9), torch.ones(2, 1)))
    assert math.isnan(metrics.compute()["loss"])


def test_a_task_and_the_table_of_metrics_agree_on_the_goals() -> None:
    for metric in PatchworkTask(Config.from_settings({})).metrics():
        for name in (f"train/{metric.name}", f"train/epoch_{metric.name}", f"valid/{metric.name}"):
            assert DEFAULT_METRICS[name].goal is metric.goal


class _TopTwoTask(ClassificationTask):
    """A classification that also counts images whose class is among the two likeliest."""

    def metrics(self) -> tuple[TaskMetric, ...]:
        top_two = TaskMetric(
            "top2",
            goal=Goal.HIGHER,
            chance=0.2,
            decimals=2,
            make=lambda: MulticlassAccuracy(self.outputs, average="micro", top_k=2, sync_on_compute=False),
            counts_images=True,
        )
        return (*super().metrics(), top_two)


def test_a_metric_that_a_task_adds_is_recorded_logged_and_in_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def make_task(config: Config, data: TrainValidImages) -> _TopTwoTask:
        return _TopTwoTask(data)

    monkeypatch.setattr(loop, "make_task", make_task)
    run, stop = new_run(tmp_path), StopSignal()
    group = RankGroup(stop)
    settings = SMALL | {"data": "shapes", "train_samples": 40, "valid_samples": 20, "epochs": 1}
    trainer = loop.Trainer(run, Config.from_settings(settings), RunLogger(run, stop, group), stop, group)
    trainer.fit()
    record = metrics(run)
    assert 0 <= record[0]["train/accuracy"] <= record[0]["train/top2"] <= 1
    assert record[-1]["valid/accuracy"] <= record[-1]["valid/top2"]
    assert record[-1]["train/epoch_accuracy"] <= record[-1]["train/epoch_top2"]
    assert event(run, "plan")["chance"]["valid/top2"] == 0.2
    assert f"top2 {record[-1]['valid/top2']:.2f}; " in capsys.readouterr().out

    sums = EpochMetrics(trainer.task, trainer.device)
    probabilities, targets = torch.rand(7, 10).softmax(1), torch.arange(7)
    sums.add(sums.measure_batch(torch.tensor(2.0), probabilities, targets))
    restored = EpochMetrics(trainer.task, trainer.device)
    restored.load_state_dict(sums.state_dict())
    assert restored.compute() == sums.compute()
    assert sums.state_dict().keys() == {"loss", "right", "top2", "samples"}
