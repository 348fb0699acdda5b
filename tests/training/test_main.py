"""The trainer's entry point: what it reports of errors."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("error", [ConnectionResetError(104, "Connection reset by peer"), EOFError("no more")])
def test_a_worker_whose_end_was_collected_already_is_named_all_the_same(error: Exception) -> None:
    imported = "from imgexp_tui.training.__main__ import _describe_killed_worker"
    code = f"{imported}; print(_describe_killed_worker({error!r}))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output == f"DataLoader worker is gone ({error})\n"
