"""Chooses the device, the precision and the number of CPU threads, and measures GPU memory."""

from __future__ import annotations

import os

import torch

from imgexp_tui.training.config import Config
from imgexp_tui.training.distributed.group import RankGroup
from imgexp_tui.training.errors import TrainingError
from imgexp_tui.training.hardware import cpu_limits

USED_SETTINGS = frozenset(("threads", "device", "precision"))


def set_threads(config: Config, ranks: int = 1) -> None:
    """Set torch's CPU threads: the setting, or torch's choice within the CPUs of this process. Ranks share them."""
    count = config.threads
    if not count and "OMP_NUM_THREADS" not in os.environ:
        count = min(torch.get_num_threads(), cpu_limits.available_cpus())
    if count:
        torch.set_num_threads(max(1, count // ranks))


def choose_device(config: Config, rank: int = 0, ranks: int = 1) -> torch.device:
    """The device that the settings name. `auto` takes a GPU if there is one; each of several processes has its own.

    Raises:
        TrainingError: there is no such device.
    """
    name = config.device if config.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(_visible_device_name(name))
    except RuntimeError:
        raise TrainingError(f"device: {name!r} is unknown; take auto, cpu, cuda or cuda:N") from None
    if device.type == "cuda" and ranks > 1:
        device = torch.device("cuda", rank)
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise TrainingError(f'device: {name} is not there; torch sees {count} GPUs; take device = "auto"')
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.cuda.set_device(device)
    return device


def _visible_device_name(name: str) -> str:
    """`cuda:N` as this process numbers it: it sees only the GPUs that the run was given (IMGEXP_GPUS)."""
    visible = os.environ.get("IMGEXP_GPUS", "").split(",")
    kind, _, index = name.partition(":")
    return f"cuda:{visible.index(index)}" if kind == "cuda" and index in visible else name


def choose_precision(config: Config, device: torch.device) -> torch.dtype:
    """bfloat16 if the setting says so, or if it is `auto` and the GPU has it. On a CPU float32 is faster."""
    if config.precision == "auto":
        supported = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if supported else torch.float32
    return torch.bfloat16 if config.precision == "bfloat16" else torch.float32


def peak_gpu_memory(device: torch.device, group: RankGroup) -> dict[str, float]:
    """The most GPU memory that torch has allocated in any process of the run, in bytes, as a metric; {} on a CPU.

    From torch, because NVML in a container may not report which process is this one.
    """
    if device.type != "cuda":
        return {}
    peaks = group.exchange([torch.cuda.max_memory_allocated(device)])
    return {"memory/gpu_peak": int(max(peak for (peak,) in peaks))}
