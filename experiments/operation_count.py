"""What PyTorch's operations in a block of code are: how many, how much arithmetic, how many bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_PRODUCTS = {"mm", "bmm", "addmm", "baddbmm", "addmm_", "baddbmm_"}
_NOTHING = {
    torch.ops.aten.empty.memory_format,
    torch.ops.aten.detach.default,
    torch.ops.aten._local_scalar_dense.default,
}


@dataclass
class Counted:
    """What was counted of some work.

    Args:
        operations: calls that compute.
        views: calls that only look at a tensor in another way.
        products: how many there are of so many floating-point operations and bytes read and written.
        other_bytes: read and written by all other operations.
    """

    operations: int = 0
    views: int = 0
    products: Counter[tuple[int, int]] = field(default_factory=Counter)
    other_bytes: int = 0

    @property
    def flops(self) -> int:
        """Of the products, two a multiplication."""
        return sum(flops * number for (flops, _), number in self.products.items())


class OperationCount(TorchDispatchMode):
    """Counts what runs inside `with`, in this thread, backward passes with it: `counted`."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counted = Counted()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.is_view or func in _NOTHING:
            self.counted.views += 1
        else:
            self._count(func, args, result)
        return result

    def _count(self, func: Any, args: Sequence[Any], result: Any) -> None:
        counted, name = self.counted, func.overloadpacket.__name__
        counted.operations += 1
        size = sum(map(_bytes, _tensors([*args, result])))
        if name not in _PRODUCTS:
            counted.other_bytes += size
            return
        left, right = [one for one in args if isinstance(one, Tensor)][-2:]
        counted.products[2 * left.numel() * right.shape[-1], size] += 1


def _tensors(values: Any) -> list[Tensor]:
    if isinstance(values, Tensor):
        return [values]
    return [one for value in values for one in _tensors(value)] if isinstance(values, list | tuple) else []


def _bytes(tensor: Tensor) -> int:
    """Of the numbers that there are: one that is expanded counts once."""
    spread = [size for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride != 0]
    return torch.Size(spread).numel() * tensor.element_size()
