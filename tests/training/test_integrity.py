"""What a run tells of itself: what its validation saw, what its workers would draw, settings that nothing read."""

from __future__ import annotations

from pathlib import Path

import torch

from imgexp_tui.records import jsonl
from imgexp_tui.training.integrity import AnswerCounts, InputFingerprint
from tests.support.training_runs import finish, new_run, start


def _numbers(*batches: torch.Tensor) -> int:
    fingerprint = InputFingerprint()
    for batch in batches:
        fingerprint.update(batch)
    return fingerprint.compute()


def test_a_fingerprint_is_of_the_images_whatever_their_order_and_batches() -> None:
    images = torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8)
    assert _numbers(images) == _numbers(images[3:], images[:3]) == _numbers(*images.flip(0).split(2))
    assert _numbers(images) != _numbers(images.flip(-1))


def test_the_largest_share_counts_the_commonest_answer() -> None:
    answers = AnswerCounts()
    answers.update(torch.tensor([[0.9], [0.8], [0.2]]))
    answers.update(torch.tensor([[0.7]]))
    assert answers.largest_share() == 0.75
    several = AnswerCounts()
    several.update(torch.tensor([[0.1, 0.2, 0.7], [0.5, 0.2, 0.3]]))
    assert several.largest_share() == 0.5


def test_a_run_tells_what_validation_saw_and_what_its_workers_will_draw(tmp_path: Path) -> None:
    run = new_run(tmp_path, train_samples=32, valid_samples=16, num_workers=2, patch_noise=0.5, weights="hub")
    code, _, error = finish(start(run))
    assert code == 0, error
    epochs = [line for line in jsonl.read_records(run.metrics) if "valid/fingerprint" in line]
    assert len(epochs) == 2
    assert len({line["valid/fingerprint"] for line in epochs}) == 1
    assert all(0.5 <= line["valid/largest_share"] <= 1 for line in epochs)
    events = jsonl.read_records(run.events)
    workers = [e for e in events if e["kind"] == "worker" and e["side"] == "train"]
    assert {w["worker"] for w in workers} == {0, 1}
    assert all(len({w[kind] for w in workers}) == 2 for kind in ("python", "numpy", "torch"))
    (plan,) = (e for e in events if e["kind"] == "plan")
    assert plan["transforms"] == {"train": ["patch_noise"], "valid": []}
    (settings,) = (e for e in events if e["kind"] == "settings")
    assert "weights" in settings["unread"]
    assert not {"patience", "gradient_clip", "batch_size", "patch_noise"} & set(settings["unread"])
