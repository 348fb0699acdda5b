"""Declares the settings of the shipped trainer: names, types, defaults, limits. A new setting goes into this table.

The notebook checks against this table, the trainer reads from it, the command line lists it and docs/settings.md is
made from it, so that a name or a default is written once. It imports nothing of the trainer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SettingValue = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its allowed values, its default and what it does (one line, units included)."""

    name: str
    default: SettingValue
    help: str
    choices: tuple[str, ...] = ()
    low: float = -math.inf
    high: float = math.inf

    @property
    def value_type(self) -> type[bool] | type[int] | type[float] | type[str]:
        return type(self.default)

    def validation_error(self, value: object) -> str | None:
        """Returns what is wrong with `value` and how to fix it, as one clause; None if it is valid."""
        kind = self.value_type
        if isinstance(value, int) and abs(value) >= 2**63:
            return "this number is too large; take one below 2 to the power of 63"
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            word = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes"}[kind]
            return f"{value!r} is not {word}; {self._suggest_fix(value)}"
        if self.choices and value not in self.choices:
            near = closest_name(str(value), self.choices)
            return f"{value!r} is unknown; take one of {', '.join(self.choices)}" + (
                f" (did you mean {near!r}?)" if near else ""
            )
        if isinstance(value, int | float) and not isinstance(value, bool):
            if not math.isfinite(value):
                return f"{value} is not a finite number; {self._suggest_fix(value)}"
            if not self.low <= value <= self.high:
                limits = (
                    f"at least {self.low:g}"
                    if self.high == math.inf
                    else f"at most {self.high:g}"
                    if self.low == -math.inf
                    else f"between {self.low:g} and {self.high:g}"
                )
                return f"{value:g} is out of range; it must be {limits}"
        return None

    def _suggest_fix(self, value: object) -> str:
        """Returns what to write in place of a value of another type."""
        if isinstance(value, str) and self.value_type is not str and self._accepts_text(value):
            return "write it without quotes"
        if self.value_type is bool:
            return "write true or false"
        return (
            f'write it as in {self.name} = "{self.default}"'
            if self.value_type is str
            else f"write one such as {self.default}"
        )

    def _accepts_text(self, text: str) -> bool:
        """Whether `text` would be valid if it were written without quotes."""
        try:
            return text in ("true", "false") if self.value_type is bool else math.isfinite(self.value_type(text))  # type: ignore[arg-type]
        except ValueError:
            return False

    def parse(self, text: str) -> SettingValue:
        """Returns the value that `text` from a command line stands for.

        Raises:
            ValueError: with the clause of `validation_error`.
        """
        value: SettingValue = text
        try:
            if self.value_type is bool:
                value = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
            elif self.value_type in (int, float):
                value = self.value_type(text)
        except (KeyError, ValueError):
            value = text
        error = self.validation_error(value)
        if error:
            raise ValueError(error)
        return value


def closest_name(name: str, names: Iterable[str]) -> str | None:
    """Returns the known name that `name` most likely means; None if none is close.

    `lr` means learning_rate, by its initials; other names are compared with difflib's ratio, ignoring case.
    """
    import difflib  # late: only errors need it, and every start of the app imports this module

    folded = {n.lower(): n for n in names}
    initials = {"".join(part[:1] for part in n.split("_")): n for n in folded if "_" in n}
    if name.lower() in initials:
        return folded[initials[name.lower()]]
    matches = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


_ALL_SETTINGS = (
    # task and data
    Setting("task", "patchwork", "what is learned", ("patchwork", "classification")),
    Setting("data", "shapes", "shapes, a torchvision set (imagenette, cifar10, …), or a folder or zip of images"),
    Setting("image_size", 128, "side of the square input, pixels", low=8, high=4096),
    Setting("train_samples", 0, "use at most this many training images; 0 takes all", low=0),
    Setting("valid_samples", 0, "use at most this many validation images; 0 takes all", low=0),
    Setting("valid_fraction", 0.2, "share held out where the data has no split of its own", low=0.01, high=0.9),
    Setting("num_workers", 0, "processes that load data; 0 loads in the training process", low=0, high=128),
    Setting("cache_images", True, "keep decoded images in memory where they fit"),
    Setting(
        "patch_size",
        0.35,
        "patchwork: side of the pasted patch, share of the image's side",
        low=0.05,
        high=0.9,
    ),
    Setting("patch_flip_horizontal", 0.0, "patchwork: chance that a patch is mirrored", low=0, high=1),
    Setting("patch_flip_vertical", 0.0, "patchwork: chance that a patch is turned upside down", low=0, high=1),
    Setting("patch_noise", 0.0, "patchwork: chance that a patch gets additive noise", low=0, high=1),
    Setting(
        "patch_noise_std",
        0.05,
        "patchwork: standard deviation of that noise, pixel range 0 to 1",
        low=0,
        high=1,
    ),
    # model
    Setting("encoder", "mobilenetv2_100", "a timm name, small_conv, or your own as package.module:Name"),
    Setting("pretrained", False, "start from pretrained weights; an error where there are none"),
    Setting("weights", "auto", "pretrained weights: auto, hub, package, or a file's path"),
    Setting("encoder_without_hub", "", "stands in for a pretrained encoder where no weight hub is reached"),
    Setting("head", "linear", "what sits on the encoder", ("linear", "fastai")),
    Setting("dropout", 0.0, "dropout probability of the head", low=0, high=0.99),
    # optimisation
    Setting("epochs", 10, "passes over the training images", low=1),
    Setting("batch_size", 64, "images in a step", low=1),
    Setting("learning_rate", 1e-3, "learning rate of every parameter group", low=0),
    Setting("learning_rate_encoder", 0.0, "learning rate of the encoder; 0 takes learning_rate", low=0),
    Setting(
        "learning_rate_pool",
        0.0,
        "of the layer that normalises the pooled features; 0 takes learning_rate",
        low=0,
    ),
    Setting("learning_rate_head", 0.0, "learning rate of the head; 0 takes learning_rate", low=0),
    Setting("optimizer", "adam", "how the weights move", ("adam", "adamw", "sgd")),
    Setting("weight_decay", 0.0, "weight decay", low=0),
    Setting("schedule", "constant", "learning rate over the run", ("constant", "one-cycle")),
    Setting("gradient_clip", 0.0, "largest gradient norm; 0 does not clip", low=0),
    Setting("freeze_epochs", 0, "epochs in which the encoder stays as it is", low=0),
    Setting(
        "patience",
        0,
        "stop after this many epochs without a better value of the judge (valid/loss by default); 0 never stops early",
        low=0,
    ),
    Setting("seed", 0, "seed of weights, data order, patches and workers", low=0, high=2**32 - 1),
    # machine
    Setting("device", "auto", "auto, cpu, cuda or cuda:N"),
    Setting("precision", "auto", "auto takes bfloat16 where the GPU has it", ("auto", "float32", "bfloat16")),
    Setting("channels_last", True, "memory order of images; faster on most machines"),
    Setting("compile", False, "torch.compile: a minute of start-up for up to a quarter more speed"),
    Setting("threads", 0, "CPU threads of the trainer; 0 leaves torch's choice", low=0),
    Setting("log_every", 1, "steps between two lines of the record", low=1),
)

SETTINGS: Mapping[str, Setting] = {s.name: s for s in _ALL_SETTINGS}


def default_settings() -> dict[str, SettingValue]:
    """Returns every setting at its default."""
    return {s.name: s.default for s in _ALL_SETTINGS}
