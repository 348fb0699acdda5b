"""`python -m imgexp_tui.training.ranks RUN_DIR`: train in several processes, one for each GPU, with torchrun's library.

Without GPUs there are as many processes on the CPU as the run asked for GPUs. Each is `python -m imgexp_tui.training`.
This process is their parent, and the supervisor treats it as the trainer: it receives the signals, forwards each of
them once, and returns the exit codes of a trainer with one process.

torchrun would handle the signals itself, send them to data loader workers too, and kill processes that have not ended
after 30 seconds. It does not (in torch 2.9 and in 2.14) when it runs outside of the main thread.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import tempfile
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import psutil

from imgexp_tui.records.documents import Request
from imgexp_tui.records.rundir import RunDir
from imgexp_tui.training.config import Config, read_config
from imgexp_tui.training.errors import StopRequested, TrainingError
from imgexp_tui.training.shutdown import StopSignal

_TRAINER_ARGUMENTS = ("-P", "-m", "imgexp_tui.training")
_POLL_INTERVAL = 0.1
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class RankFailure(Protocol):
    """The part of torch's `ProcessFailure` used here: how a process ended, and the content of its error file."""

    exitcode: int
    error_file_data: dict[str, Any]


def main(arguments: list[str]) -> int:
    """Run the trainer's processes. Returns the exit code."""
    stop = StopSignal()
    stop.install()
    if len(arguments) != 1:
        print("usage: python -m imgexp_tui.training.ranks RUN_DIR", file=sys.stderr)
        return 2
    run = RunDir(Path(arguments[0]).absolute())
    try:
        config = read_config(run)
        count = _process_count(run, config)
        if count < 2:
            os.execv(sys.executable, [sys.executable, *_TRAINER_ARGUMENTS, os.fspath(run.path)])
        code, text = _train(run, count, stop)
    except StopRequested as stopped:
        code, text = 128 + stopped.signum, ""
    except TrainingError as error:
        code, text = 1, f"error: {error}"
    if text:
        print(text, file=sys.stderr, flush=True)
    elif code:
        print("stopped as asked", flush=True)
    return code


def _process_count(run: RunDir, config: Config) -> int:
    """One for each visible GPU, up to the number that the run asked for; on the CPU that number."""
    request = Request.read(run)
    requested = request.gpus if request else 1
    if config.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        return requested
    import torch

    return min(torch.cuda.device_count() or requested, requested)


def _train(run: RunDir, count: int, stop: StopSignal) -> tuple[int, str]:
    """Start the processes and wait for their end. Returns the exit code and the message, "" if there is none."""
    # Imported late, because torch takes seconds: a signal or a wrong setting is handled before.
    import torch.distributed.launcher.api  # noqa: F401

    stop.defer()
    with tempfile.TemporaryDirectory(prefix="imgexp-ranks-") as folder:
        agent = _TorchrunThread(run, count, Path(folder))
        agent.start()
        signalled: set[int] = set()
        while agent.is_alive():
            agent.join(_POLL_INTERVAL)
            if stop.signum is not None:
                _forward_signal(signal.Signals(stop.signum), signalled)
    if agent.error:
        return 1, f"error: torchrun cannot run the {count} processes: {agent.error}"
    return exit_status(agent.failures, count, stop.signum)


def _forward_signal(signum: signal.Signals, signalled: set[int]) -> None:
    """Send `signum` to the child processes that have not received it yet. One may appear late."""
    for child in psutil.Process().children():
        if child.pid not in signalled:
            signalled.add(child.pid)
            with contextlib.suppress(psutil.Error):
                child.send_signal(signum)


class _TorchrunThread(threading.Thread):
    """torchrun's agent on this machine, without restarts.

    Attributes:
        failures: the processes whose exit code is not 0, by rank.
        error: why torchrun itself failed; "" if it did not.
    """

    def __init__(self, run: RunDir, count: int, folder: Path) -> None:
        super().__init__(daemon=True)
        self._arguments = (*_TRAINER_ARGUMENTS, os.fspath(run.path))
        self._process_count, self._folder = count, folder
        self.failures: Mapping[int, RankFailure] = {}
        self.error = ""

    def run(self) -> None:
        # It logs every signal and every failure at length; `exit_status` reports what matters.
        logging.disable(logging.CRITICAL)
        if sys.platform == "linux":
            # All are on this machine. Without this, the name of the machine would have to resolve.
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
        from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
        from torch.distributed.launcher.api import LaunchConfig, elastic_launch

        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=self._process_count,
            run_id=str(uuid.uuid4()),
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            max_restarts=0,
            monitor_interval=_POLL_INTERVAL,
            logs_specs=DefaultLogsSpecs(log_dir=os.fspath(self._folder)),
        )
        try:
            elastic_launch(config, sys.executable)(*self._arguments)
        except ChildFailedError as error:
            self.failures = error.failures
        # No free port, no memory for a process: torch raises many kinds of exceptions.
        except Exception as error:  # noqa: BLE001
            self.error = str(error) or type(error).__name__


def exit_status(failures: Mapping[int, RankFailure], count: int, stop_signum: int | None) -> tuple[int, str]:
    """The exit code of the whole run, and the message for the user, "" if there is none.

    One process fails with a message of its own. Others then fail as a consequence: they lose their peer, or torchrun
    ends them. The message is that of the first one.

    Args:
        failures: the processes whose exit code is not 0, by rank.
        count: how many processes there were.
        stop_signum: the signal that asked this run to stop; None if there was none.
    """
    if not failures:
        return 0, ""
    reports = {rank: f.error_file_data for rank, f in failures.items() if "lost" in f.error_file_data}
    own = [data for data in reports.values() if not data["lost"]]
    if own:
        return 1, str(min(own, key=lambda data: float(data["time"]))["message"]["message"])
    stopped = [s for s in _STOP_SIGNALS if any(f.exitcode in (128 + s, -s) for f in failures.values())]
    killed = {rank: -f.exitcode for rank, f in failures.items() if f.exitcode < 0 and -f.exitcode not in _STOP_SIGNALS}
    if stopped and (stop_signum is not None or not killed):
        return 128 + stopped[0], ""
    for rank, signum in killed.items():
        return 1, f"error: process {rank} of {count} was killed ({_signal_name(signum)}); the others were ended"
    for data in reports.values():
        return 1, f"error: the {count} processes of this run lost each other: {data['message']['message']}"
    rank, failure = next(iter(failures.items()))
    return 1, f"error: process {rank} of {count} ended with exit code {failure.exitcode}"


def _signal_name(signum: int) -> str:
    try:
        return signal.Signals(signum).name
    except ValueError:
        return f"signal {signum}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
