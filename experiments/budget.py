"""What a window of Corridor's agent costs against what the machine can do: `python -m rlmem.experiments.budget --help`.

Counted: the operations of 64 environments × 100 steps, their products' floating-point operations, and the bytes that
they read and write. Measured on one thread, for a row's operations run on one (rows are shared among threads, see
`rlmem.agents.row_threads`): what PyTorch does at best of each, and how long the window takes.

    dispatch   an operation on one number, and a view: what they cost before anything is computed
    products   of the sizes that a window has
    copies     of what fits the second cache

At these rates the operations cannot take less than the sum of the dispatch, of the products (each by its arithmetic or
by its bytes, whichever takes longer) and of the other operations' bytes. The environments are measured alone. The share
of these sums in what the window takes is what was reached.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from rlmem.agents.learner_config import Algorithm
from rlmem.agents.trainer import Trainer
from rlmem.errors import check
from rlmem.experiments.arguments import Switch, parse
from rlmem.experiments.presets import find_preset
from rlmem.experiments.provenance import provenance
from rlmem.experiments.training_run import make_policy, make_trainer

Result = TypeVar("Result")

_WARM_UP = 4  # windows until spans are as long as they begin
_SHORT_SPANS = (10 / 256,)  # as in `before_after`: some 25 live memories
_MEGA, _GIGA = 1e6, 1e9
_ROUNDS = 5  # of every ceiling; the best counts

# Left, inner and right sizes of products as they are in a window of this agent: those of a step of acting and those of
# learning's sixteen rows.
_ACTING_PRODUCT, _LEARNING_PRODUCT = (64, 64, 256), (1600, 64, 256)


_LEAST = {
    "dispatch": "dispatch at its ceiling",
    "products": "products at theirs",
    "other_bytes": "bytes of all others at theirs",
    "environments": "environments, as measured",
}


@dataclass(frozen=True)
class BudgetArguments:
    """Count the operations of a window of Corridor's agent, and measure it and the machine on one thread."""

    algorithm: Algorithm = "a2c"
    """A2C makes one pass over a window, PPO the preset's epochs."""
    windows: int = 10
    """Windows that are timed; the median counts."""
    json: Switch = False
    """Print one JSON object and not the table."""

    def __post_init__(self) -> None:
        check(self.windows >= 1, f"--windows is {self.windows}, but it must be at least 1")


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


@dataclass(frozen=True)
class Ceilings:
    """What PyTorch reaches here on one thread, and for one of them on two.

    Args:
        dispatch_us: microseconds of an operation on one number.
        view_us: microseconds of a view.
        large_gflops: products of 1,024 × 1,024.
        large_gflops_2_threads: the same on two threads.
        acting_gflops: products of the sizes of a step of acting.
        learning_gflops: products of the sizes of learning.
        cache_gbs: GB/s read and written by a copy within the second cache.
        memory_gbs: GB/s read and written by a copy in main memory.
    """

    dispatch_us: float
    view_us: float
    large_gflops: float
    large_gflops_2_threads: float
    acting_gflops: float
    learning_gflops: float
    cache_gbs: float
    memory_gbs: float


class _Counting(TorchDispatchMode):
    """Counts what runs inside, in this thread."""

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


_PRODUCTS = {"mm", "bmm", "addmm", "baddbmm", "addmm_", "baddbmm_"}
_NOTHING = {
    torch.ops.aten.empty.memory_format,
    torch.ops.aten.detach.default,
    torch.ops.aten._local_scalar_dense.default,
}


def _tensors(values: Any) -> list[Tensor]:
    if isinstance(values, Tensor):
        return [values]
    return [one for value in values for one in _tensors(value)] if isinstance(values, list | tuple) else []


def _bytes(tensor: Tensor) -> int:
    """Of the numbers that there are: one that is expanded counts once."""
    spread = [size for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride != 0]
    return torch.Size(spread).numel() * tensor.element_size()


@dataclass
class Part:
    """A part of a window, counted and measured.

    Args:
        counted: of a whole window.
        seconds: of each window timed.
        playing: seconds of the environments in a window.
    """

    counted: Counted = field(default_factory=Counted)
    seconds: list[float] = field(default_factory=list)
    playing: float = 0.0


def main(argv: Sequence[str]) -> int:
    """Count, measure and print; returns the exit code."""
    arguments = parse(BudgetArguments, argv, "budget")
    found = budget(arguments)
    print(json.dumps(found, indent=2) if arguments.json else as_table(found))
    return 0


def budget(arguments: BudgetArguments) -> dict[str, Any]:
    """Ceilings, and of acting and learning what was counted and measured, for a window."""
    before = torch.get_num_threads()
    try:
        ceilings = measure_ceilings()
        torch.set_num_threads(1)
        trainer = _trainer(arguments.algorithm)
        parts = _measure(trainer, arguments.windows)
    finally:
        torch.set_num_threads(before)
    rates = {"acting": ceilings.acting_gflops, "learning": ceilings.learning_gflops}
    steps = trainer.envs.num_envs * trainer.collector.num_steps
    trainer.envs.close()
    return {
        "command": f"python -m rlmem.experiments.budget --algorithm {arguments.algorithm} "
        f"--windows {arguments.windows} --json",
        "steps": steps,
        "ceilings": asdict(ceilings),
        "parts": {name: _part_to_json(part, ceilings, rates[name]) for name, part in parts.items()},
        **provenance(),
    }


def measure_ceilings() -> Ceilings:
    """What this machine does at best."""
    torch.set_num_threads(1)
    one = torch.zeros(1)
    dispatch, view = _best(lambda: one.add_(1), 20_000), _best(lambda: one.view(1, 1), 20_000)
    acting, learning = (_gflops(*sizes) for sizes in (_ACTING_PRODUCT, _LEARNING_PRODUCT))
    large = _gflops(1024, 1024, 1024)
    cache, memory = (_copied(megabytes) for megabytes in (0.25, 128))
    torch.set_num_threads(2)
    return Ceilings(dispatch * _MEGA, view * _MEGA, large, _gflops(1024, 1024, 1024), acting, learning, cache, memory)


def _gflops(left: int, inner: int, right: int) -> float:
    a, b, out = torch.randn(left, inner), torch.randn(inner, right), torch.empty(left, right)
    flops = 2 * left * inner * right
    return flops / _best(lambda: torch.mm(a, b, out=out), max(5, int(_GIGA / flops))) / _GIGA


def _copied(megabytes: float) -> float:
    source = torch.zeros(int(megabytes * _MEGA / 4))
    goal = torch.zeros_like(source)
    seconds = _best(lambda: goal.copy_(source), max(5, int(500 / megabytes)))
    return 2 * source.numel() * 4 / seconds / _GIGA


def _best(work: Callable[[], object], calls: int) -> float:
    """Seconds of a call."""
    found = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        for _ in range(calls):
            work()
        found.append((time.perf_counter() - started) / calls)
    return min(found)


def _trainer(algorithm: Algorithm) -> Trainer:
    """Of the preset with short spans, at a learning rate at which nothing moves."""
    config = find_preset("corridor")
    config = replace(
        config,
        run=replace(config.run, device="cpu"),
        learner=replace(config.learner, algorithm=algorithm, learning_rate=1e-9, anneal_lr=False),
        model=replace(config.model, initial_span_fraction=_SHORT_SPANS),
    )
    return make_trainer(config, make_policy(config))


def _measure(trainer: Trainer, windows: int) -> dict[str, Part]:
    """Acting and learning: one window that is counted, then those that are timed."""
    parts = {"acting": Part(), "learning": Part()}
    playing: list[float] = []
    for _ in range(_WARM_UP):
        trainer.iterate()
    step = trainer.envs.step
    for number in range(windows + 1):
        with _Counting() if number == 0 else nullcontext() as counting:
            trainer.envs.step = lambda action: _timed(lambda: step(action), playing)  # type: ignore[assignment, method-assign]
            rollout = _timed(trainer.collector.collect, parts["acting"].seconds)
        if counting:
            parts["acting"] = Part(counting.counted)
            playing.clear()
        with _Counting() if number == 0 else nullcontext() as counting:
            _timed(lambda: trainer.learner.update(rollout, success_rate=None, progress=0.0), parts["learning"].seconds)  # noqa: B023
        if counting:
            parts["learning"] = Part(counting.counted)
        trainer.collector.carry(rollout)
    parts["acting"].playing = sum(playing) / windows
    return parts


def _timed(work: Callable[[], Result], seconds: list[float]) -> Result:
    started = time.perf_counter()
    result = work()
    seconds.append(time.perf_counter() - started)
    return result


def _part_to_json(part: Part, ceilings: Ceilings, gflops: float) -> dict[str, Any]:
    counted, seconds = part.counted, statistics.median(part.seconds)
    least = {
        "dispatch": (counted.operations * ceilings.dispatch_us + counted.views * ceilings.view_us) / _MEGA,
        "products": sum(
            number * max(flops / gflops, size / ceilings.cache_gbs) / _GIGA
            for (flops, size), number in counted.products.items()
        ),
        "other_bytes": counted.other_bytes / ceilings.cache_gbs / _GIGA,
        "environments": part.playing,
    }
    return {
        "operations": counted.operations,
        "views": counted.views,
        "flops": counted.flops,
        "product_bytes": sum(size * number for (_, size), number in counted.products.items()),
        "other_bytes": counted.other_bytes,
        "least_seconds": least,
        "seconds": seconds,
        "share": sum(least.values()) / seconds,
    }


def as_table(found: dict[str, Any]) -> str:
    """What was found, as Markdown."""
    steps, ceilings, parts = found["steps"], found["ceilings"], found["parts"]
    lines = [
        f"| one thread, a window of {steps:,} steps | " + " | ".join(parts) + " |",
        "| --- |" + " ---: |" * len(parts),
    ]

    def line(name: str, show: Callable[[dict[str, Any]], str]) -> None:
        lines.append(f"| {name} | " + " | ".join(show(part) for part in parts.values()) + " |")

    line("operations", lambda part: f"{part['operations']:,}")
    line("views", lambda part: f"{part['views']:,}")
    line("arithmetic of the products, kFLOP a step", lambda part: f"{part['flops'] / steps / 1e3:,.0f}")
    line("bytes of the products, kB a step", lambda part: f"{part['product_bytes'] / steps / 1e3:,.0f}")
    line("bytes of all others, kB a step", lambda part: f"{part['other_bytes'] / steps / 1e3:,.0f}")
    for key, title in _LEAST.items():
        line(f"{title}, ms", lambda part, key=key: f"{1e3 * part['least_seconds'][key]:.1f}")  # type: ignore[misc]
    line("all of them, ms", lambda part: f"{1e3 * sum(part['least_seconds'].values()):.1f}")
    line("measured, ms", lambda part: f"{1e3 * part['seconds']:.1f}")
    line("share reached", lambda part: f"{part['share']:.0%}")
    lines += ["", "| ceiling | |", "| --- | ---: |"]
    for name, value in (
        ("an operation on one number, µs", f"{ceilings['dispatch_us']:.2f}"),
        ("a view, µs", f"{ceilings['view_us']:.2f}"),
        ("products of 1,024 × 1,024, GFLOP/s, one thread", f"{ceilings['large_gflops']:.0f}"),
        ("the same, two threads", f"{ceilings['large_gflops_2_threads']:.0f}"),
        (f"products of acting, {_times(_ACTING_PRODUCT)}", f"{ceilings['acting_gflops']:.0f}"),
        (f"products of learning, {_times(_LEARNING_PRODUCT)}", f"{ceilings['learning_gflops']:.0f}"),
        ("copies in the second cache, GB/s", f"{ceilings['cache_gbs']:.0f}"),
        ("copies in main memory, GB/s", f"{ceilings['memory_gbs']:.0f}"),
    ):
        lines.append(f"| {name} | {value} |")
    return "\n".join(lines)


def _times(sizes: Sequence[int]) -> str:
    return " × ".join(f"{size:,}" for size in sizes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
