"""Pretrained weights: the stand-in, and tensors that must fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from imgexp_tui.training.model import weights
from tests.support.training_runs import event, folder_of_pictures, train


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return folder_of_pictures(tmp_path / "pictures", 40, ["cat", "dog"])


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
