"""Batches from worker processes."""

from __future__ import annotations

import subprocess
import sys


def test_a_worker_says_nothing_of_a_trainer_that_hung_up_while_it_was_handed_a_tensor() -> None:
    code = """
import socket, sys
from multiprocessing import resource_sharer
from imgexp_tui.training.data import loader
loader.signal_on_parent_exit = lambda _: None  # the test is no trainer
loader._init_worker(0)
for words in (b"", b"no handshake"):
    address, _ = resource_sharer.DupFd(sys.stdout.fileno())._id
    with socket.socket(socket.AF_UNIX) as trainer:
        trainer.connect(address)
        trainer.send(words)
    resource_sharer.stop(30)
sys.excepthook(ValueError, ValueError("other faults are said"), None)
"""
    errors = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr
    assert errors == "ValueError: other faults are said\n"
