"""Checks within seconds whether the hub of pretrained weights can be reached, and downloads weights from it.

Without a network huggingface_hub retries for most of a minute, and it reads HF_HUB_OFFLINE only once, when it is
imported (timm imports it). So this check comes first. Weights in the hub's cache can be loaded in either case.
"""

from __future__ import annotations

import inspect
import os
import threading
import urllib.error
import urllib.request
from typing import Any

from imgexp_tui.training.run_logger import RunLogger

_TIMEOUT = 3.0
_WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")


def endpoint() -> str:
    """The hub's address."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def check_reachable() -> bool:
    """Whether the hub answers. If it does not, huggingface_hub is set offline. Call it before importing timm."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return False
    reached: list[bool] = []
    # An unreachable name server can take half a minute, and no timeout applies to it: hence the thread.
    request_thread = threading.Thread(target=lambda: reached.append(_is_reachable()), daemon=True)
    request_thread.start()
    request_thread.join(_TIMEOUT)
    if not any(reached):
        os.environ["HF_HUB_OFFLINE"] = "1"
    return any(reached)


def _is_reachable() -> bool:
    try:
        request = urllib.request.Request(endpoint(), method="HEAD")
        with urllib.request.urlopen(request, timeout=_TIMEOUT):
            return True
    except urllib.error.HTTPError as error:
        # A mirror may have no start page; an error of a proxy does not mean that the hub is there.
        return error.code in (404, 405)
    except (OSError, ValueError):
        return False


def is_cached(repository: str, filename: str | None) -> bool:
    """Whether the hub's cache folder holds the weights of `repository`."""
    from huggingface_hub import try_to_load_from_cache

    names = (filename,) if filename else _WEIGHT_FILES
    return any(isinstance(try_to_load_from_cache(repository, name), str) for name in names)


def download_weights(repository: str, filename: str | None, logger: RunLogger) -> None:
    """Download the weights of `repository` into the hub's cache, with progress events.

    Raises:
        Exception: the download failed; the hub's client raises many kinds.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    more: dict[str, Any] = {}
    if "tqdm_class" in inspect.signature(hf_hub_download).parameters:
        more["tqdm_class"] = _progress_bar_class(repository, logger)
    for name in (filename,) if filename else _WEIGHT_FILES:
        try:
            hf_hub_download(repository, name, **more)
        except EntryNotFoundError:
            if name in (filename, _WEIGHT_FILES[-1]):
                raise
        else:
            return


def _progress_bar_class(repository: str, logger: RunLogger) -> type[Any]:
    """A progress bar class that logs progress events and prints nothing."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    class HubProgressBar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **more: Any) -> None:
            more.pop("name", None)  # an extra argument of huggingface_hub
            super().__init__(*args, **(more | {"disable": False, "file": _NULL_STREAM}))

        def update(self, amount: float | None = 1) -> Any:
            displayed = super().update(amount)
            logger.log_progress(
                f"downloading {repository}", int(self.n), int(self.total) if self.total else None, "bytes"
            )
            return displayed

    return HubProgressBar


class _NullStream:
    def write(self, _text: str) -> int:
        return 0

    def flush(self) -> None:
        pass


_NULL_STREAM = _NullStream()
