"""Builds the model: normalisation, encoder, pooling, head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from imgexp_tui.training.config import Config
from imgexp_tui.training.errors import TrainingError
from imgexp_tui.training.model.encoders import Encoder

USED_SETTINGS = frozenset(("image_size", "head", "dropout"))
_HIDDEN_FEATURES = 512


class Pool(nn.Module):
    """Concatenates the average and the maximum over all positions (fastai's concat pooling), optionally normalised.

    Takes maps [n, c, h, w] (or [n, h, w, c]) or tokens [n, t, c], and returns [n, 2c]. Vectors [n, c] stay unpooled.
    """

    def __init__(self, features: int, channels_at_end: bool, normalise: bool) -> None:
        super().__init__()
        self._channels_at_end = channels_at_end
        self.norm = nn.BatchNorm1d(features) if normalise else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        if features.ndim > 2:
            if features.ndim == 4 and not self._channels_at_end:
                features = features.flatten(2).transpose(1, 2)
            positions = features.flatten(1, -2)
            features = torch.cat([positions.mean(1), positions.amax(1)], dim=1)
        pooled: Tensor = self.norm(features)
        return pooled


def linear_head(features: int, outputs: int, dropout: float) -> nn.Sequential:
    """A linear layer after dropout."""
    return nn.Sequential(nn.Dropout(dropout), nn.Linear(features, outputs))


def fastai_head(features: int, outputs: int, dropout: float) -> nn.Sequential:
    """fastai's head for transfer learning; its first BatchNorm is in `Pool`."""
    return nn.Sequential(
        nn.Dropout(dropout / 2),
        nn.Linear(features, _HIDDEN_FEATURES),
        nn.ReLU(inplace=True),
        nn.BatchNorm1d(_HIDDEN_FEATURES),
        nn.Dropout(dropout),
        nn.Linear(_HIDDEN_FEATURES, outputs),
    )


class ImageModel(nn.Module):
    """Images uint8 [n, 3, side, side] to outputs [n, outputs]."""

    mean: Tensor
    std: Tensor

    def __init__(self, encoder: Encoder, pool: Pool, head: nn.Sequential) -> None:
        super().__init__()
        self.encoder = encoder.module
        self.pool = pool
        self.head = head
        # For pixels from 0 to 255, and in the state, so that a checkpoint needs no configuration of the encoder.
        self.register_buffer("mean", 255 * torch.tensor(encoder.mean).view(3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(encoder.std).view(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.pool(self.encoder((images - self.mean) / self.std)))
        return outputs


def build_model(encoder: Encoder, config: Config, outputs: int) -> ImageModel:
    """The encoder with pooling and the head that the settings ask for.

    Raises:
        TrainingError: the encoder cannot take images of this size.
    """
    features, channels_at_end = _probe_features(encoder, config.image_size)
    fastai = config.head == "fastai"
    head = (fastai_head if fastai else linear_head)(features, outputs, config.dropout)
    return ImageModel(encoder, Pool(features, channels_at_end, normalise=fastai), head)


@torch.no_grad()
def _probe_features(encoder: Encoder, side: int) -> tuple[int, bool]:
    """How many pooled features there are, and whether maps have their channels last; tried with one image."""
    encoder.module.eval()
    try:
        features = encoder.module(torch.zeros(1, 3, side, side))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise TrainingError(f"encoder: {encoder.name} cannot take images of {side} x {side} pixels: {error}") from None
    if not isinstance(features, Tensor) or features.ndim not in (2, 3, 4):
        raise TrainingError(f"encoder: {encoder.name} gives {type(features).__name__}, not one tensor of features")
    # timm's models whose maps have the channels last declare it.
    at_end = features.ndim != 4 or str(getattr(encoder.module, "output_fmt", "NCHW")).endswith("NHWC")
    channels = features.shape[-1 if at_end else 1]
    return (channels if features.ndim == 2 else 2 * channels), at_end
