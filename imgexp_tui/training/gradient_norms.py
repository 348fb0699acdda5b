"""Gradient norms per group of layers, in order of depth: do the first layers learn, or the last, or neither?"""

from __future__ import annotations

from torch import nn
from torch.nn.utils import get_total_norm

from imgexp_tui.training.model.model import ImageModel

_MIN_GROUPS, _MAX_GROUPS = 4, 9
"""Groups that an encoder is divided into, where its make allows."""

_Stage = tuple[str, list[nn.Parameter]]


def layer_groups(model: ImageModel) -> dict[str, list[nn.Parameter]]:
    """The parameters by group, such as `00.conv_stem` … `08.head`: sorted by name they are sorted by depth."""
    parts = [
        *_encoder_stages(model.encoder),
        ("pool", list(model.pool.parameters())),
        ("head", list(model.head.parameters())),
    ]
    named = [(name, parameters) for name, parameters in parts if parameters]
    return {f"{depth:02d}.{name}": parameters for depth, (name, parameters) in enumerate(named)}


def gradient_norms(groups: dict[str, list[nn.Parameter]]) -> dict[str, float]:
    """The Euclidean norm of each group's gradients; a frozen group is left out."""
    return {
        f"gradient_norm/{name}": get_total_norm(found).item()
        for name, parameters in groups.items()
        if (found := [p.grad for p in parameters if p.grad is not None])
    }


def _encoder_stages(encoder: nn.Module) -> list[_Stage]:
    """The encoder's parts in the order of their making, which is timm's order of depth.

    The largest container is opened as long as there are few parts. A part of vectors alone (a normalisation)
    belongs to the one before it, and neighbours are joined where there are too many.
    """
    parts = [("", encoder)]
    while len(stages := _stages_of_parts(parts)) < _MIN_GROUPS and (opened := _expand_largest(parts)):
        parts = opened
    grouped = {id(p) for _, parameters in stages for p in parameters}
    loose = [p for p in encoder.parameters() if id(p) not in grouped]
    if loose:  # such as a transformer's tokens and positions
        stages[0:1] = [(stages[0][0], loose + stages[0][1])] if stages else [("encoder", loose)]
    size = max(1, -(-len(stages) // _MAX_GROUPS))
    several = [stages[i : i + size] for i in range(0, len(stages), size)]
    return [(few[0][0], [p for _, parameters in few for p in parameters]) for few in several]


def _expand_largest(parts: list[tuple[str, nn.Module]]) -> list[tuple[str, nn.Module]] | None:
    """`parts` with the largest one that has children replaced by them; None where none has."""
    nested = [i for i, (_, part) in enumerate(parts) if next(part.children(), None) is not None]
    if not nested:
        return None
    largest = max(nested, key=lambda i: sum(p.numel() for p in parts[i][1].parameters()))
    name, part = parts[largest]
    children = [(f"{name}.{child}".lstrip("."), module) for child, module in part.named_children()]
    return [*parts[:largest], *children, *parts[largest + 1 :]]


def _stages_of_parts(parts: list[tuple[str, nn.Module]]) -> list[_Stage]:
    found: list[_Stage] = []
    for name, part in parts:
        parameters = list(part.parameters())
        if found and all(p.ndim < 2 for p in parameters):
            found[-1] = (found[-1][0], found[-1][1] + parameters)
        elif parameters:
            found.append((name or "encoder", parameters))
    return found
