"""The encoder `small_conv`: six conv-BatchNorm-Mish blocks, 8 to 256 channels."""

from __future__ import annotations

from torch import Tensor, nn

_CHANNELS = (8, 16, 32, 64, 128, 256)
_STRIDES = (2, 2, 1, 1, 1, 1)


class SmallConv(nn.Module):
    """Images [n, 3, side, side] to features [n, 256, side / 4, side / 4]."""

    def __init__(self) -> None:
        super().__init__()
        inputs = (3, *_CHANNELS)
        self.blocks = nn.Sequential(
            *(_block(i, o, stride) for i, o, stride in zip(inputs, _CHANNELS, _STRIDES, strict=False))
        )

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.blocks(images)
        return features


def _block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.Mish(inplace=True)
    )
