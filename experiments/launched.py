"""A process that torchrun started beside others: the first runs the command, the others train beside it.

The first rank alone reads the command line, opens the run's folder, evaluates, writes and prints. The others wait for
its order and follow it. Of what goes wrong one process speaks, whichever it happens to first.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from torch.distributed.rendezvous import rendezvous

from rlmem.agents.ranks import ProcessRanks, RankLostError, Ranks
from rlmem.errors import RlmemError
from rlmem.experiments.error_line import print_error
from rlmem.experiments.follow import follow
from rlmem.experiments.order import Order


class Launched:
    """One of the processes."""

    def __init__(self) -> None:
        self._ranks: ProcessRanks | None = None

    def run(self, command: Callable[[Ranks], int]) -> int:
        """Run a command at the first rank, and at the others what it tells them; returns the exit code.

        Raises:
            RankLostError: the others do not come, or one has ended.
        """
        try:
            store, rank, size = next(rendezvous("env://"))
        except RuntimeError as error:
            raise RankLostError(f"the other processes cannot be reached ({error}); check --rdzv-endpoint") from error
        self._ranks = ranks = ProcessRanks(store, rank, size)
        return _lead(command, ranks) if ranks.is_first else _follow(ranks)

    def say(self, message: str) -> None:
        """Print an error, unless another process has printed one already."""
        if self._ranks is None:
            print_error(message)
        else:
            self._ranks.say_last(partial(print_error, message))


def _lead(command: Callable[[Ranks], int], ranks: ProcessRanks) -> int:
    try:
        code = command(ranks)
    except BaseException:
        with suppress(RankLostError):
            ranks.called(None)
        raise
    if ranks.is_called:
        ranks.leave()
    else:
        ranks.called(None)
        ranks.end()
    return code


def _follow(ranks: ProcessRanks) -> int:
    order: Order | None = ranks.called(None)
    if order is None:
        ranks.end()
        return 0
    try:
        code = follow(order, ranks)
        ranks.leave()  # not before the first rank has said how to go on: torchrun stops all when one ends
        return code
    except RlmemError as error:
        raise type(error)(f"rank {ranks.rank}: {error} (the run is in {order.path})") from error
