"""The trainer's settings: the same as the notebook's schema, and the record of those that a training does not use."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, get_type_hints

import pytest

from imgexp_tui.notebook.schema.settings import SETTINGS, SettingValue, default_settings
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.training.config import Config, read_config, unread_settings
from imgexp_tui.training.distributed.group import RankGroup
from imgexp_tui.training.loop import Trainer
from imgexp_tui.training.run_logger import RunLogger
from imgexp_tui.training.shutdown import StopSignal
from tests.support.training_runs import SMALL, event, folder_of_pictures, new_run


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return folder_of_pictures(tmp_path / "pictures", 20, ["cat", "dog"])


def test_the_config_has_the_settings_of_the_schema_with_their_types() -> None:
    types = get_type_hints(Config)
    assert types == {name: setting.value_type for name, setting in SETTINGS.items()}


def test_a_setting_that_is_not_given_has_its_default() -> None:
    config = Config.from_settings({"epochs": 3})
    assert {name: getattr(config, name) for name in SETTINGS} == default_settings() | {"epochs": 3}


def test_a_whole_number_is_taken_for_a_number(tmp_path: Path) -> None:
    config = read_config(new_run(tmp_path, dropout=0, learning_rate=1))
    assert (type(config.dropout), type(config.learning_rate), config.learning_rate) == (float, float, 1.0)


def test_the_unread_settings_are_all_others_sorted() -> None:
    assert unread_settings(SETTINGS.keys() - {"weights", "dropout"}) == ["dropout", "weights"]
    assert unread_settings([]) == sorted(SETTINGS)


class _ReadRecorder(Config):
    """A config that remembers which of its settings are read."""

    reads: ClassVar[set[str]] = set()

    def __getattribute__(self, name: str) -> Any:
        if name in SETTINGS:
            _ReadRecorder.reads.add(name)
        return super().__getattribute__(name)


def _trainer(run: RunDir, config: dict[str, SettingValue]) -> Trainer:
    stop = StopSignal()
    group = RankGroup(stop)
    recorder = _ReadRecorder(**(default_settings() | SMALL | {"epochs": 1} | config))  # type: ignore[arg-type]
    return Trainer(run, recorder, RunLogger(run, stop, group), stop, group)


_CASES: dict[str, dict[str, SettingValue]] = {
    "patchwork": {"head": "fastai", "dropout": 0.1, "patch_noise": 0.5},
    "classification": {"task": "classification", "head": "linear", "schedule": "one-cycle"},
    "generated": {"data": "shapes", "train_samples": 16, "valid_samples": 8, "optimizer": "adamw"},
    "own rates": {"learning_rate_encoder": 1e-3, "learning_rate_pool": 1e-3, "learning_rate_head": 1e-3},
    "no pool": {"learning_rate_encoder": 1e-3, "learning_rate_head": 1e-3, "head": "linear"},
    "no encoder's parameters": {"encoder": "bare:Net", "learning_rate_encoder": 1e-3, "head": "linear"},
    "read each time": {"cache_images": False, "optimizer": "sgd", "gradient_clip": 1.0, "freeze_epochs": 1},
    "package": {"encoder": "tf_efficientnet_lite0", "pretrained": True, "weights": "package", "train_samples": 8},
    "stand-in": {
        "encoder": "mobilenetv2_100", "pretrained": True, "encoder_without_hub": "tf_efficientnet_lite0",
        "train_samples": 8,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", _CASES)
def test_what_each_part_declares_is_what_a_training_reads(
    name: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bare.py").write_text(
        "from torch import nn\nclass Net(nn.Module):\n    def forward(self, images):\n        return images\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(_ReadRecorder, "reads", set())
    trainer = _trainer(new_run(tmp_path), {"data": str(pictures)} | _CASES[name])
    with monkeypatch.context() as without:
        without.setattr(Trainer, "used_settings", lambda _: frozenset())  # it reads settings too
        trainer.fit()
    read = set(_ReadRecorder.reads)
    assert trainer.used_settings() == read


def test_a_run_that_is_resumed_in_its_first_epoch_uses_the_settings_of_its_encoder(
    pictures: Path, tmp_path: Path
) -> None:
    run, config = new_run(tmp_path), {"data": str(pictures), "train_samples": 16, "valid_samples": 8}
    _trainer(run, config)._save_checkpoint(["last"])
    resumed = _trainer(run, config)
    resumed.fit()
    unread = event(run, "settings")["unread"]
    assert "weights" in unread
    assert not {"encoder", "pretrained"} & set(unread)
