"""The settings of one run as a typed, frozen dataclass, and the check which of them no part of the trainer uses.

The notebook's schema (`notebook/schema/settings.py`) holds names, defaults and limits; `Config` holds the types, so
that mypy checks each use. A new setting needs an entry there and a field here; a test fails when one is missing.

Each part of the trainer that reads settings names them beside the code that reads them, as `USED_SETTINGS` or, where
that depends on other settings, in a function `used_settings`. A test holds these names equal to what is really read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from imgexp_tui.notebook.schema.settings import SETTINGS, SettingValue, default_settings
from imgexp_tui.records.documents import Request
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.training.errors import TrainingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting of the shipped trainer. `notebook/schema/settings.py` says what each does, units included."""

    task: str
    data: str
    image_size: int
    train_samples: int
    valid_samples: int
    valid_fraction: float
    num_workers: int
    cache_images: bool
    patch_size: float
    patch_flip_horizontal: float
    patch_flip_vertical: float
    patch_noise: float
    patch_noise_std: float
    encoder: str
    pretrained: bool
    weights: str
    encoder_without_hub: str
    head: str
    dropout: float
    epochs: int
    batch_size: int
    learning_rate: float
    learning_rate_encoder: float
    learning_rate_pool: float
    learning_rate_head: float
    optimizer: str
    weight_decay: float
    schedule: str
    gradient_clip: float
    freeze_epochs: int
    patience: int
    seed: int
    device: str
    precision: str
    channels_last: bool
    compile: bool
    threads: int
    log_every: int

    @classmethod
    def from_settings(cls, settings: Mapping[str, SettingValue]) -> Config:
        """The config of `settings`; a setting that is not among them has its default.

        Raises:
            TypeError: a name is not a setting.
        """
        values: dict[str, Any] = {**default_settings(), **settings}
        for name, setting in SETTINGS.items():
            if setting.value_type is float:  # a notebook may write 1 for 1.0
                values[name] = float(values[name])
        return cls(**values)


def unread_settings(used: Iterable[str]) -> list[str]:
    """The names of the settings that are not among `used`, sorted."""
    return sorted({field.name for field in fields(Config)} - set(used))


def read_config(run: RunDir) -> Config:
    """The settings of `run`: what its `request.json` froze, over the defaults, checked once more.

    Raises:
        TrainingError: there is no readable request, or a setting is unknown or out of its range.
    """
    request = Request.read(run)
    if request is None:
        raise TrainingError(f"{run.request} is missing or not whole; start runs with: imgexp-tui run VERSION")
    for name, value in request.config.items():
        error = SETTINGS[name].validation_error(value) if name in SETTINGS else "is no setting of the shipped trainer"
        if error:
            raise TrainingError(f"{run.request}: {name}: {error}")
    return Config.from_settings(request.config)
