"""Gradient norms per group of layers, in order of depth: do the first layers learn, or the last, or neither?"""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.nn.utils import get_total_norm

from imgexp_tui.training.model import ImageModel

_FEWEST, _MOST = 4, 9
"""Groups that an encoder is divided into, where its make allows."""

_Stage = tuple[str, list[nn.Parameter]]


def layer_groups(model: ImageModel) -> dict[str, list[nn.Parameter]]:
    """The parameters by group, such as `00.conv_stem` … `08.head`: sorted by name they are sorted by depth."""
    parts = [*_stages(model.encoder), ("pool", list(model.pool.parameters())), ("head", list(model.head.parameters()))]
    named = [(name, parameters) for name, parameters in parts if parameters]
    return {f"{depth:02d}.{name}": parameters for depth, (name, parameters) in enumerate(named)}


def gradient_norms(groups: dict[str, list[nn.Parameter]]) -> dict[str, float]:
    """The Euclidean norm of each group's gradients; a frozen group is left out."""
    return {
        f"gradient_norm/{name}": get_total_norm(found).item()
        for name, parameters in groups.items()
        if (found := [p.grad for p in parameters if p.grad is not None])
    }


def _stages(encoder: nn.Module) -> list[_Stage]:
    """The encoder's parts in the order of their making, which is timm's order of depth.

    The largest container is opened as long as there are few parts. A part of vectors alone (a normalisation)
    belongs to the one before it, and neighbours are joined where there are too many.
    """
    parts = [("encoder", encoder)]
    while len(parts) < _FEWEST and (opened := _opened(parts)):
        parts = opened
    stages = _joined((name, list(part.parameters())) for name, part in parts)
    loose = list(encoder.parameters(recurse=False))  # such as a transformer's tokens
    if stages and loose and len(parts) > 1:
        stages[0] = (stages[0][0], loose + stages[0][1])
    size = -(-len(stages) // _MOST)
    joined = [stages[i : i + size] for i in range(0, len(stages), size or 1)]
    return [(several[0][0], [p for _, parameters in several for p in parameters]) for several in joined]


def _opened(parts: list[tuple[str, nn.Module]]) -> list[tuple[str, nn.Module]] | None:
    """`parts` with the largest of them replaced by its children; None where it has none."""
    largest = max(range(len(parts)), key=lambda i: sum(p.numel() for p in parts[i][1].parameters()))
    name, part = parts[largest]
    prefix = "" if len(parts) == 1 and name == "encoder" else f"{name}."
    children = [
        (prefix + child, module) for child, module in part.named_children() if any(True for _ in module.parameters())
    ]
    return [*parts[:largest], *children, *parts[largest + 1 :]] if children else None


def _joined(stages: Iterable[_Stage]) -> list[_Stage]:
    found: list[_Stage] = []
    for name, parameters in stages:
        if found and all(p.ndim < 2 for p in parameters):
            found[-1] = (found[-1][0], found[-1][1] + parameters)
        elif parameters:
            found.append((name, parameters))
    return found
