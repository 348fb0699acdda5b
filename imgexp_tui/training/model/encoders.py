"""Builds the encoder that the settings name: timm's, `small_conv` or the user's class. None of them pools."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from imgexp_tui.notebook.schema.settings import closest_name
from imgexp_tui.training.config import Config
from imgexp_tui.training.errors import TrainingError
from imgexp_tui.training.model import hub, weights
from imgexp_tui.training.model.small_conv import SmallConv
from imgexp_tui.training.run_logger import RunLogger

_HALF_PER_CHANNEL = (0.5, 0.5, 0.5)


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder that is ready to run.

    Attributes:
        name: the encoder that really runs, which may be a stand-in for the one in the settings.
        module: normalised images [n, 3, side, side] to maps [n, c, h, w], tokens [n, t, c] or vectors [n, c].
        mean, std: the normalisation of its images, pixel range 0 to 1.
        origin: where its weights come from, in words.
    """

    name: str
    module: nn.Module
    mean: Sequence[float]
    std: Sequence[float]
    origin: str


def build_encoder(config: Config, logger: RunLogger) -> Encoder:
    """The encoder that the settings ask for.

    Raises:
        TrainingError: there is no such encoder, or no such weights.
    """
    if not config.pretrained:
        return untrained_encoder(config.encoder, config.image_size)
    if ":" in config.encoder or config.encoder == "small_conv":
        return _encoder_from_weights_file(config)
    reached = config.weights in ("auto", "hub") and hub.check_reachable()
    _check_name(config.encoder)
    pretrained = weights.load_pretrained(config, reached, logger)
    return _timm_encoder(pretrained.name, pretrained.module, pretrained.origin)


def used_settings(config: Config, built: str) -> frozenset[str]:
    """The names of the settings that led to the encoder `built`: its own name, which may be the stand-in's."""
    names = {"encoder", "pretrained", "image_size"}
    if config.pretrained:
        names.add("weights")
        if built != config.encoder:
            names.add("encoder_without_hub")
    return frozenset(names)


def rebuild_saved_encoder(saved: dict[str, str], config: Config) -> Encoder:
    """The encoder that a checkpoint was made with; its weights must be loaded from there afterwards.

    Args:
        saved: `name` and `origin` of that encoder.
    """
    untrained = untrained_encoder(saved["name"], config.image_size)
    return Encoder(untrained.name, untrained.module, untrained.mean, untrained.std, saved["origin"])


def untrained_encoder(name: str, image_size: int) -> Encoder:
    """The encoder with random weights, drawn from torch's global generator.

    Raises:
        TrainingError: there is no such encoder.
    """
    if name == "small_conv":
        return Encoder(name, SmallConv(), _HALF_PER_CHANNEL, _HALF_PER_CHANNEL, "random weights")
    if ":" in name:
        module = _user_encoder(name)
        mean, std = getattr(module, "mean", _HALF_PER_CHANNEL), getattr(module, "std", _HALF_PER_CHANNEL)
        return Encoder(name, module, mean, std, "its own initial weights")
    import timm

    _check_name(name)
    cfg = timm.get_pretrained_cfg(name)
    # Vision transformers and similar models are built for one image size.
    size = {"img_size": image_size} if cfg is not None and cfg.fixed_input_size else {}
    return _timm_encoder(name, timm.create_model(name, num_classes=0, global_pool="", **size), "random weights")


def _timm_encoder(name: str, module: nn.Module, origin: str) -> Encoder:
    cfg = getattr(module, "pretrained_cfg", {})
    return Encoder(name, module, cfg.get("mean", _HALF_PER_CHANNEL), cfg.get("std", _HALF_PER_CHANNEL), origin)


def _check_name(name: str) -> None:
    import timm

    if not timm.is_model(name):
        closest = closest_name(name, ["small_conv", *timm.list_models()])
        hint = (
            f"did you mean {closest}?"
            if closest
            else "take a timm name, small_conv, or your own as package.module:Name"
        )
        raise TrainingError(f"encoder: {name} is unknown; {hint}")


def _encoder_from_weights_file(config: Config) -> Encoder:
    if config.weights in ("auto", "hub", "package"):
        raise TrainingError(
            f"encoder: there are no pretrained weights of {config.encoder}; "
            "set weights to a file, or pretrained = false"
        )
    untrained = untrained_encoder(config.encoder, config.image_size)
    path = Path(config.weights).expanduser()
    weights.load_weights_file(untrained.module, path)
    return Encoder(untrained.name, untrained.module, untrained.mean, untrained.std, str(path))


def _user_encoder(name: str) -> nn.Module:
    """An instance of `package.module:Name`, from the lab's folder (the current one) or an installed package."""
    module_name, _, attribute = name.partition(":")
    # At the end, so that a file of the lab never hides a library's module of the same name.
    if os.getcwd() not in sys.path:  # noqa: PTH109
        sys.path.append(os.getcwd())  # noqa: PTH109
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise TrainingError(f"encoder: {module_name} cannot be imported from the lab's folder: {error}") from error
    factory = getattr(module, attribute, None)
    if factory is None:
        raise TrainingError(f"encoder: {module_name} has no {attribute}")
    encoder = factory()
    if not isinstance(encoder, nn.Module):
        raise TrainingError(f"encoder: {name}() is a {type(encoder).__name__}, not a torch.nn.Module")
    return encoder
