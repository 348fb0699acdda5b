"""Computes gradient norms per group of layers, in order of depth, to show which layers learn."""

from __future__ import annotations

from torch import nn
from torch.nn.utils import get_total_norm

from imgexp_tui.training.model.model import ImageModel

_MIN_GROUPS, _MAX_GROUPS = 4, 9
"""The least and the largest number of groups for an encoder, as far as its structure allows."""

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
    """The Euclidean norm of each group's gradients, by metric name. A frozen group is left out."""
    return {
        f"gradient_norm/{name}": get_total_norm(gradients).item()
        for name, parameters in groups.items()
        if (gradients := [p.grad for p in parameters if p.grad is not None])
    }


def _encoder_stages(encoder: nn.Module) -> list[_Stage]:
    """The encoder's parts in the order of their construction, which for timm is the order of depth.

    The largest container is split into its children as long as there are too few parts. A part that has only vectors
    (a normalisation) belongs to the one before it. Neighbours are joined if there are too many parts.
    """
    parts = [("", encoder)]
    while len(stages := _stages_of_parts(parts)) < _MIN_GROUPS and (expanded := _expand_largest(parts)):
        parts = expanded
    grouped = {id(p) for _, parameters in stages for p in parameters}
    loose = [p for p in encoder.parameters() if id(p) not in grouped]
    if loose:  # such as a transformer's tokens and positional embeddings
        stages[0:1] = [(stages[0][0], loose + stages[0][1])] if stages else [("encoder", loose)]
    size = max(1, -(-len(stages) // _MAX_GROUPS))
    chunks = [stages[i : i + size] for i in range(0, len(stages), size)]
    return [(chunk[0][0], [p for _, parameters in chunk for p in parameters]) for chunk in chunks]


def _expand_largest(parts: list[tuple[str, nn.Module]]) -> list[tuple[str, nn.Module]] | None:
    """`parts` with the largest one that has children replaced by its children; None if no part has any."""
    nested = [i for i, (_, part) in enumerate(parts) if next(part.children(), None) is not None]
    if not nested:
        return None
    largest = max(nested, key=lambda i: sum(p.numel() for p in parts[i][1].parameters()))
    name, part = parts[largest]
    children = [(f"{name}.{child}".lstrip("."), module) for child, module in part.named_children()]
    return [*parts[:largest], *children, *parts[largest + 1 :]]


def _stages_of_parts(parts: list[tuple[str, nn.Module]]) -> list[_Stage]:
    stages: list[_Stage] = []
    for name, part in parts:
        parameters = list(part.parameters())
        if stages and all(p.ndim < 2 for p in parameters):
            stages[-1] = (stages[-1][0], stages[-1][1] + parameters)
        elif parameters:
            stages.append((name or "encoder", parameters))
    return stages
