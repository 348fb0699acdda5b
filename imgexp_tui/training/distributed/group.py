"""Communication between the processes of one run. In a run with one process nothing here communicates.

`torchrun` starts the processes (ranks); `ranks` is their parent. Every rank has the same model, settings and seed, and
takes its part of each step's images. The first rank does what only one may do (write files, download). Whatever could
differ between ranks, such as whether the run was asked to stop, is exchanged before any of them acts on it: ranks that
take different branches would wait for each other for ever.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from imgexp_tui.training.errors import PeerLost, StopRequested
from imgexp_tui.training.shutdown import StopSignal

_T = TypeVar("_T")

_RANK_TIMEOUT = timedelta(days=7)
"""How long a rank waits for the others: one may take long to download. One that has ended is noticed at once."""
_POLL_INTERVAL = 0.05
_COLLECTIVE_ERROR_WORDS = ("gloo", "nccl", "processgroup", "connection closed", "connection reset")
"""Words in torch's messages; one of them is present when communication between ranks failed."""


class RankGroup:
    """The processes of this run.

    Attributes:
        rank: the number of this process, from 0.
        size: how many processes there are.
    """

    def __init__(self, stop: StopSignal | None = None, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size
        self._stop = stop or StopSignal()
        self._agreed_signum: int | None = None
        self._claimed_messages: Store | None = None

    @classmethod
    def join(cls, stop: StopSignal) -> RankGroup:
        """The group that torchrun's variables describe, once all its processes are there; else this process alone.

        Raises:
            PeerLost: one of the processes has ended.
        """
        if int(os.environ.get("WORLD_SIZE", "1")) < 2 or "TORCHELASTIC_RUN_ID" not in os.environ:
            return cls(stop)
        with _convert_peer_errors():
            store, rank, size = next(rendezvous("env://", timeout=_RANK_TIMEOUT))
            _wait_for_ranks(store, rank, size, stop)
            backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
            dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=_RANK_TIMEOUT)
        group = cls(stop, rank, size)
        group._claimed_messages = PrefixStore("said", store)
        return group

    def leave(self) -> None:
        """End the communication with the other processes."""
        if self.size > 1:
            dist.destroy_process_group()

    @property
    def is_main_process(self) -> bool:
        """Whether this is the process that writes the run's files."""
        return self.rank == 0

    def exchange(self, values: Sequence[float] = ()) -> list[list[float]]:
        """The values of each rank, in their order. All must pass equally many; all learn whether any has to stop."""
        if self.size == 1:
            return [list(values)]
        own = torch.tensor([self._stop.signum or 0, *values], dtype=torch.float64)
        tensors = [torch.empty_like(own) for _ in range(self.size)]
        with _convert_peer_errors():
            dist.all_gather(tensors, own)
        rows = [row.tolist() for row in tensors]
        self._agreed_signum = int(max(row[0] for row in rows)) or None
        return [row[1:] for row in rows]

    def raise_if_stopped(self) -> None:
        """Raise StopRequested on all ranks if any of them had been asked to stop at the last exchange."""
        if self.size == 1:
            self._stop.raise_if_stopped()
        elif self._agreed_signum is not None:
            raise StopRequested(self._agreed_signum)

    def all_true(self, condition: bool) -> bool:
        """Whether `condition` is true on every rank."""
        return all(row[0] for row in self.exchange([condition]))

    def gather(self, value: _T) -> list[_T]:
        """Each rank's `value`, in their order."""
        values: list[Any] = [value] * self.size
        if self.size > 1:
            with _convert_peer_errors():
                dist.all_gather_object(values, value)
        return values

    def broadcast_from_first(self, make: Callable[[], _T]) -> _T:
        """The result of `make` on the first rank; the others wait for it."""
        if self.size == 1:
            return make()
        values: list[Any] = [make() if self.is_main_process else None]
        with _convert_peer_errors():
            dist.broadcast_object_list(values, src=0)
        value: _T = values[0]
        return value

    def run_first_rank_first(self, make: Callable[[], _T]) -> _T:
        """The result of `make`, which runs on the first rank before the others, so that files are made once."""
        if self.is_main_process:
            result = make()
            self.exchange()
            return result
        self.exchange()
        return make()

    def map_over_ranks(self, numbers: Sequence[int], make: Callable[[Sequence[int]], list[_T]]) -> list[_T]:
        """The results of `make` for `numbers`, one each. Every rank does its part, and all get all results."""
        results: list[Any] = [None] * len(numbers)
        for rank, part in enumerate(self.gather(make(numbers[self.rank :: self.size]))):
            results[rank :: self.size] = part
        return results

    def claim_message(self, message: str) -> bool:
        """Whether this rank is the first one to claim this message, and so has to write it."""
        if self._claimed_messages is None:
            return True
        try:
            return bool(self._claimed_messages.add(message, 1) == 1)
        except RuntimeError:  # the parent, which holds the store, is gone; twice is better than never
            return True

    def wrap_data_parallel(self, model: nn.Module, image: Tensor) -> nn.Module:
        """`model`, wrapped so that all ranks start with the first one's weights and get the mean of all gradients.

        Call it again when parameters are frozen or unfrozen.

        Args:
            image: a batch of one image, to find parameters that the outputs do not depend on.
        """
        if self.size == 1:
            return model
        with _convert_peer_errors():
            return DistributedDataParallel(model, find_unused_parameters=_has_unused_parameters(model, image))

    def broadcast_buffers(self, model: nn.Module) -> None:
        """Give every rank the BatchNorm statistics of the first one."""
        if self.size > 1:
            with _convert_peer_errors():
                for buffer in model.buffers():
                    dist.broadcast(buffer, src=0)

    def seed_per_rank(self, seed: int, step: int = 0) -> None:
        """Seed every rank but the first differently, for dropout."""
        if self.rank:
            number = int(np.random.SeedSequence([seed, self.rank, step]).generate_state(1)[0])
            torch.manual_seed(number)
            np.random.seed(number)
            random.seed(number)


SINGLE_PROCESS = RankGroup()
"""The group of a run with one process and no request to stop; the default of whatever takes a group."""


def is_peer_lost(error: RuntimeError) -> bool:
    """Whether torch failed because another rank was not there, as it does in the middle of a backward pass."""
    message = str(error).lower()
    return isinstance(error, dist.DistError) or any(word in message for word in _COLLECTIVE_ERROR_WORDS)


@contextmanager
def _convert_peer_errors() -> Iterator[None]:
    """Turn torch's errors about ranks that have ended into PeerLost."""
    try:
        yield
    except RuntimeError as error:
        raise PeerLost(str(error)) from None


def _wait_for_ranks(store: Store, rank: int, size: int, stop: StopSignal) -> None:
    """Wait for all ranks in Python, where signals are handled; torch's own waiting does not handle them."""
    store.set(f"here/{rank}", "")
    while not store.check([f"here/{other}" for other in range(size)]):
        stop.raise_if_stopped()
        time.sleep(_POLL_INTERVAL)


def _has_unused_parameters(model: nn.Module, image: Tensor) -> bool:
    """Whether the outputs do not depend on some trained parameters. torch has to know, and is slower then."""
    model.eval()
    model.forward(image).float().sum().backward()
    trained = [p for p in model.parameters() if p.requires_grad]
    unused = any(p.grad is None for p in trained)
    model.zero_grad(set_to_none=True)
    return unused
