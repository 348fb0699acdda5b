"""Whether the hub of pretrained weights can be reached, found out in seconds and before anybody waits for it.

Without a network huggingface_hub retries for the better part of a minute, and it reads HF_HUB_OFFLINE once, when it is
imported (timm imports it). So the question is asked first. What the hub's cache holds loads in either case.
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
    """Whether the hub answers. Where it does not, huggingface_hub is told not to try. Call before importing timm."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return False
    reached: list[bool] = []
    # A name server that is out of reach can take half a minute, and no timeout reaches it: hence the thread.
    asking = threading.Thread(target=lambda: reached.append(_is_reachable()), daemon=True)
    asking.start()
    asking.join(_TIMEOUT)
    if not any(reached):
        os.environ["HF_HUB_OFFLINE"] = "1"
    return any(reached)


def _is_reachable() -> bool:
    try:
        request = urllib.request.Request(endpoint(), method="HEAD")
        with urllib.request.urlopen(request, timeout=_TIMEOUT):
            return True
    except urllib.error.HTTPError as error:
        # A mirror may know no start page; a proxy that refuses is no hub.
        return error.code in (404, 405)
    except (OSError, ValueError):
        return False


def is_cached(repository: str, filename: str | None) -> bool:
    """Whether the hub's cache folder holds the weights of `repository`."""
    from huggingface_hub import try_to_load_from_cache

    names = (filename,) if filename else _WEIGHT_FILES
    return any(isinstance(try_to_load_from_cache(repository, name), str) for name in names)


def download_weights(repository: str, filename: str | None, logger: RunLogger) -> None:
    """Bring the weights of `repository` into the hub's cache, with progress events.

    Raises:
        Exception: of many kinds; the download failed.
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
    """A progress bar that tells `logger`, silently."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    class HubProgressBar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **more: Any) -> None:
            more.pop("name", None)  # huggingface_hub's own extra
            super().__init__(*args, **(more | {"disable": False, "file": _NULL_STREAM}))

        def update(self, amount: float | None = 1) -> Any:
            shown = super().update(amount)
            logger.log_progress(
                f"downloading {repository}", int(self.n), int(self.total) if self.total else None, "bytes"
            )
            return shown

    return HubProgressBar


class _NullStream:
    def write(self, _text: str) -> int:
        return 0

    def flush(self) -> None:
        pass


_NULL_STREAM = _NullStream()
