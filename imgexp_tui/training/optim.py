"""Makes the optimizer, with a learning rate for each group of parameters, and the learning rate schedule."""

from __future__ import annotations

from typing import Any

from torch import nn, optim
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR

from imgexp_tui.training.config import Config
from imgexp_tui.training.model.model import ImageModel


def parameter_groups(model: ImageModel, config: Config) -> list[dict[str, Any]]:
    """`encoder`, `pool` and `head`, each with its learning rate; a group without parameters is left out."""
    return [
        {
            "name": name,
            "params": list(part.parameters()),
            "lr": _own_learning_rate(name, config) or config.learning_rate,
        }
        for name, part in _parts_with_parameters(model).items()
    ]


def used_settings(model: ImageModel, config: Config) -> frozenset[str]:
    """The names of the settings that decide how the weights of `model` move."""
    parts = _parts_with_parameters(model)
    names = {"optimizer", "weight_decay", "schedule", *(f"learning_rate_{name}" for name in parts)}
    if not all(_own_learning_rate(name, config) for name in parts):
        names.add("learning_rate")
    return frozenset(names)


def _parts_with_parameters(model: ImageModel) -> dict[str, nn.Module]:
    parts: dict[str, nn.Module] = {"encoder": model.encoder, "pool": model.pool, "head": model.head}
    return {name: part for name, part in parts.items() if any(True for _ in part.parameters())}


def _own_learning_rate(part: str, config: Config) -> float:
    """The learning rate that is set for one part; 0 where none is."""
    if part == "encoder":
        return config.learning_rate_encoder
    return config.learning_rate_pool if part == "pool" else config.learning_rate_head


def make_optimizer(model: ImageModel, config: Config) -> optim.Optimizer:
    """The optimizer over all parameters, including frozen ones: those have no gradient while they are frozen."""
    groups = parameter_groups(model, config)
    if config.optimizer == "sgd":
        return optim.SGD(groups, momentum=0.9, weight_decay=config.weight_decay)
    optimizer_class = optim.AdamW if config.optimizer == "adamw" else optim.Adam
    return optimizer_class(groups, weight_decay=config.weight_decay)


def make_schedule(optimizer: optim.Optimizer, config: Config, steps: int) -> LRScheduler:
    """The learning rates over `steps` optimizer steps, the whole run; one-cycle peaks at the rates of the settings."""
    if config.schedule == "one-cycle":
        return OneCycleLR(optimizer, [group["lr"] for group in optimizer.param_groups], total_steps=steps)
    return ConstantLR(optimizer, factor=1.0, total_iters=0)
