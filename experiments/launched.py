"""A process that torchrun started beside others: the first runs the command, the others train beside it.

The first rank alone reads the command line, opens the run's folder, evaluates, writes and prints. The others wait for
its order and follow it. Of what goes wrong one process speaks, whichever it happens to first.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from rlmem.agents.ranks import ProcessRanks, RankLostError, Ranks
from rlmem.errors import RlmemError
from rlmem.experiments.error_line import print_error
from rlmem.experiments.follow import follow
from rlmem.experiments.order import Order

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

_SPOKEN_WITHIN = timedelta(seconds=10)  # a process that ends takes the others with it, so it lets the speaker finish


class Launched:
    """One of the processes."""

    def __init__(self) -> None:
        self._store: Store | None = None

    def run(self, command: Callable[[Ranks], int]) -> int:
        """Run a command at the first rank, and at the others what it tells them; returns the exit code.

        Raises:
            RankLostError: the others do not come, or one has ended.
        """
        try:
            self._store, rank, size = next(rendezvous("env://"))
        except RuntimeError as error:
            raise RankLostError(f"the other processes cannot be reached ({error}); check --rdzv-endpoint") from error
        ranks = ProcessRanks(self._store, rank, size)
        code = _lead(command, ranks) if ranks.is_first else _follow(ranks)
        ranks.wait_for_first()  # for its last words
        dist.destroy_process_group()
        return code

    def say(self, message: str) -> None:
        """Print an error, unless another process has printed one already."""
        if self._store is None:
            print_error(message)
            return
        try:
            if self._store.add("speakers", 1) == 1:
                print_error(message)
                self._store.set("spoken", "")
            else:
                self._store.wait(["spoken"], _SPOKEN_WITHIN)
        except RuntimeError:  # whoever keeps the store has gone
            print_error(message)


def _lead(command: Callable[[Ranks], int], ranks: Ranks) -> int:
    try:
        code = command(ranks)
    except BaseException:
        with suppress(RankLostError):
            ranks.called(None)
        raise
    ranks.called(None)
    return code


def _follow(ranks: Ranks) -> int:
    order: Order | None = ranks.called(None)
    if order is None:
        return 0
    try:
        return follow(order, ranks)
    except RlmemError as error:
        raise type(error)(f"rank {ranks.rank}: {error}; the checkpoints of {order.path} stand") from error
