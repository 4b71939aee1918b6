"""The processes of one training, called ranks: each learns from rows of its own, and all take the same steps.

A batch is divided evenly, so that the mean over all rows is the mean of the ranks' means. What all rows decide, such as
gradients and the deviation of advantages, goes through a `Ranks`; for one process alone that changes nothing.

All ranks must call these functions in the same order, each with values of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from rlmem.errors import RlmemError

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

T = TypeVar("T")

_ANSWER_WITHIN = timedelta(minutes=30)  # in an operation of all ranks
_SAID_WITHIN = timedelta(seconds=10)  # the last words
_LOOK_AGAIN_SECONDS = 0.05  # while waiting for what the first rank alone does, such as an evaluation
_SAID = "said"


class RankLostError(RlmemError):
    """Another rank has ended or no longer answers."""


class Ranks:
    """One process alone.

    Attributes:
        rank: number of this process, from 0; the first one alone reads, writes and speaks.
        size: how many processes there are.
    """

    rank = 0
    size = 1

    @property
    def is_first(self) -> bool:
        """True for the rank that reads, writes and speaks."""
        return self.rank == 0

    def rows(self, num_rows: int) -> range:
        """Which of a batch's rows are this rank's; their number is a multiple of `size`."""
        share, rest = divmod(num_rows, self.size)
        assert rest == 0, f"{num_rows} rows cannot be divided among {self.size} ranks, which was to be checked before"
        return range(self.rank * share, (self.rank + 1) * share)

    def seed(self, seed: int) -> int:
        """The rank's own seed: the run's for the first, one drawn from it for each other, below 2 to the 31st."""
        if self.is_first:
            return seed
        return int(np.random.SeedSequence([seed, self.rank]).generate_state(1)[0] >> 1)

    def total(self, values: Tensor) -> Tensor:
        """The sum over ranks, of each element; the shape is the same on all."""
        return values

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all elements of all ranks, a scalar; the shape is the same on all."""
        return values.mean()

    def variance(self, values: Tensor) -> Tensor:
        """The variance of all elements of all ranks, divided by their number, a scalar; likewise."""
        return values.var(correction=0)

    def deviation(self, values: Tensor) -> Tensor:
        """The standard deviation of all elements of all ranks, a scalar; likewise."""
        return values.std(correction=0)

    def highest(self, number: int) -> int:
        """The highest of the ranks' numbers."""
        return number

    def merged(self, metrics: dict[str, float]) -> dict[str, float]:
        """The metrics of all rows: means over ranks, maxima of names with `_max`, sums of `memory/evicted`.

        Args:
            metrics: of this rank, by name; one that a rank lacks is merged from the others.
        """
        return metrics

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Set each gradient to its mean over ranks, none counting as 0; it stays None where no rank has one."""

    def copy_first(self, module: nn.Module) -> None:
        """Give a module the first rank's weights."""

    def gathered(self, value: T) -> list[T] | None:
        """Every rank's value, in order, at the first rank; None at the others. Values travel pickled."""
        return [value]

    def told(self, value: T) -> T:
        """The first rank's value, at all."""
        return value

    def handed_out(self, values: Sequence[T] | None) -> T:
        """This rank's one of the values, one for each rank in order, that the first rank gives."""
        assert values is not None, "the first rank gives the values"
        return values[0]

    def wait_for_first(self) -> None:
        """Wait, however long, until the first rank comes here too; it does not wait for the others."""

    def called(self, order: T | None) -> T | None:
        """What the first rank wants of all, for which the others wait, however long; asked once, later calls are void.

        Args:
            order: of the first rank; None sends the others home.
        """
        return order


ALONE = Ranks()
"""The one process of a training that is not divided."""


class ProcessRanks(Ranks):
    """One of several processes, in torch.distributed's default group: gloo for CPU tensors, NCCL for CUDA tensors.

    Args:
        store: through which the processes find each other.
        rank: number of this process.
        size: how many there are, more than 1.

    Attributes:
        is_called: True once `called` was.

    Raises:
        RankLostError: the others do not come; so do all operations when one has ended.
    """

    def __init__(self, store: Store, rank: int, size: int) -> None:
        self.rank, self.size, self._store = rank, size, store
        self._num_waits, self.is_called = 0, False
        # What torch imports of itself later would keep the group, whose threads must not outlive Python's objects.
        import_module("torch.distributed.nn")
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
        self._together(
            lambda: dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=_ANSWER_WITHIN)
        )

    def total(self, values: Tensor) -> Tensor:
        """See `Ranks`."""
        return self._reduced(values, dist.ReduceOp.SUM)

    def mean(self, values: Tensor) -> Tensor:
        """See `Ranks`."""
        return self.total(values.mean()) / self.size

    def variance(self, values: Tensor) -> Tensor:
        """See `Ranks`."""
        return self.mean((values - self.mean(values)).square())

    def deviation(self, values: Tensor) -> Tensor:
        """See `Ranks`."""
        return self.variance(values).sqrt()

    def highest(self, number: int) -> int:
        """See `Ranks`."""
        return int(self._reduced(torch.tensor(number), dist.ReduceOp.MAX))

    def merged(self, metrics: dict[str, float]) -> dict[str, float]:
        """See `Ranks`."""
        parts: list[Any] = [None] * self.size
        self._together(lambda: dist.all_gather_object(parts, metrics))
        names = dict.fromkeys(name for part in parts for name in part)
        return {name: _merged(name, [part[name] for part in parts if name in part]) for name in names}

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """See `Ranks`; one reduction of all gradients, with a flag for each that says whether a rank has it."""
        learned = [parameter for parameter in parameters if parameter.requires_grad]
        has_gradient = learned[0].new_tensor([parameter.grad is not None for parameter in learned])
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in learned]
        summed = self.total(torch.cat([has_gradient, *(gradient.flatten() for gradient in gradients)]))
        is_learned = (summed[: len(learned)] > 0).tolist()
        parts = (summed[len(learned) :] / self.size).split([parameter.numel() for parameter in learned])
        for parameter, is_any, part in zip(learned, is_learned, parts, strict=True):
            parameter.grad = part.view_as(parameter) if is_any else None

    def copy_first(self, module: nn.Module) -> None:
        """See `Ranks`."""
        for tensor in module.state_dict().values():  # shares the module's memory
            sent = tensor.contiguous()
            self._together(partial(dist.broadcast, sent, 0))
            tensor.copy_(sent)

    def gathered(self, value: T) -> list[T] | None:
        """See `Ranks`."""
        values: list[Any] | None = [None] * self.size if self.is_first else None
        self._together(lambda: dist.gather_object(value, values))
        return values

    def told(self, value: T) -> T:
        """See `Ranks`."""
        values: list[Any] = [value]
        self._together(lambda: dist.broadcast_object_list(values, 0, device=torch.device("cpu")))
        told: T = values[0]
        return told

    def handed_out(self, values: Sequence[T] | None) -> T:
        """See `Ranks`."""
        own: list[Any] = [None]
        self._together(lambda: dist.scatter_object_list(own, None if values is None else list(values)))
        handed: T = own[0]
        return handed

    def wait_for_first(self) -> None:
        """See `Ranks`."""
        self._num_waits += 1
        key = f"first/{self._num_waits}"
        if self.is_first:
            self._together(lambda: self._store.set(key, ""))
            return
        while not self._together(lambda: self._store.check([key])):
            if self._together(lambda: self._store.check([_SAID])):
                raise self._lost()
            time.sleep(_LOOK_AGAIN_SECONDS)

    def leave(self) -> None:
        """End the group once all are here; for the first rank the others wait however long."""
        self.wait_for_first()
        self.highest(0)  # nobody looks into the store any more, which may be the first rank's
        self.end()

    def end(self) -> None:
        """Leave the group, whatever the others do: its threads must not outlive Python, which would abort."""
        dist.destroy_process_group()

    def say_last(self, say: Callable[[], None]) -> None:
        """Speak for all ranks, of which one cannot go on: the first to come here does, the others wait until it has.

        The group is left, whatever the others do.
        """
        try:
            is_said = self._store.add("speakers", 1) > 1
            if is_said:
                self._store.wait([_SAID], _SAID_WITHIN)
        except RuntimeError:  # whoever keeps the store has gone, or the speaker
            is_said = False
        if not is_said:
            say()
            with suppress(RuntimeError):
                self._store.set(_SAID, "")
        self.end()

    def called(self, order: T | None) -> T | None:
        """See `Ranks`."""
        if self.is_called:
            return order
        self.is_called = True
        self.wait_for_first()
        return self.told(order)

    def _reduced(self, values: Tensor, operation: Any) -> Tensor:
        reduced = values.detach().clone(memory_format=torch.contiguous_format)
        self._together(lambda: dist.all_reduce(reduced, operation))
        return reduced

    def _together(self, operation: Callable[[], T]) -> T:
        try:
            return operation()
        except RuntimeError as error:  # torch.distributed has no narrower one for a peer that is gone
            raise self._lost() from error

    def _lost(self) -> RankLostError:
        return RankLostError(
            f"another of the {self.size} processes has ended or no longer answers, so that this one cannot go on"
        )


def _merged(name: str, values: list[float]) -> float:
    if "_max" in name:
        return max(values)
    total = sum(values)
    return total if name.startswith("memory/evicted") else total / len(values)
