"""What a window of Corridor's agent costs against what the machine can do: `python -m rlmem.experiments.budget --help`.

Counted: the operations of 64 environments × 100 steps, their products' floating-point operations, and the bytes that
they read and write. Measured on one thread, for a row's operations run on one (threads share rows): what PyTorch does
at best of each, and how long the window takes. Compiled steps and layers count with the arithmetic and the bytes of the
operations that they stand for, and as nothing to dispatch but themselves; the encoder, which adds up the words in view
alone, as a call.

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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from rlmem.agents.learner_config import Algorithm
from rlmem.agents.rollout import Rollout, threads
from rlmem.agents.trainer import Trainer
from rlmem.core import Core
from rlmem.errors import check
from rlmem.experiments.arguments import Switch, parse
from rlmem.experiments.bench.cells import AgentCell
from rlmem.experiments.machine_ceilings import ACTING_PRODUCT, LEARNING_PRODUCT, Ceilings, measure_ceilings
from rlmem.experiments.operation_count import Counted, OperationCount
from rlmem.experiments.provenance import provenance
from rlmem.experiments.training_run import make_policy, make_trainer
from rlmem.memories.span_features import RandomFeatures

Result = TypeVar("Result")

_MODULE = "rlmem.experiments.budget"
_WARM_UP = 4  # windows until spans are as long as they begin
_STEP_KERNELS = 4  # compiled calls of a step: the words, all layers, then the spans of each of the two
_LAYER_KERNELS = 4  # compiled calls of a layer in a minibatch: its spans and itself, forwards and backwards
_WORD_KERNELS = 2  # compiled calls of the encoder in a minibatch, likewise
_MEGA, _GIGA = 1e6, 1e9
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
    arguments = parse(BudgetArguments, argv, f"python -m {_MODULE}")
    found = budget(arguments)
    print(json.dumps(found, indent=2) if arguments.json else as_table(found))
    return 0


def budget(arguments: BudgetArguments) -> dict[str, Any]:
    """Ceilings, and of acting and learning what was counted and measured, for a window."""
    ceilings = measure_ceilings()
    config = AgentCell(arguments.algorithm).config("cpu")
    trainer = make_trainer(config, make_policy(config))
    with threads(1):
        parts = _measure(trainer, arguments.windows)
    rates = {"acting": ceilings.acting_gflops, "learning": ceilings.learning_gflops}
    steps = trainer.envs.num_envs * trainer.collector.num_steps
    trainer.envs.close()
    return {
        "command": f"python -m {_MODULE} --algorithm {arguments.algorithm} --windows {arguments.windows} --json",
        "steps": steps,
        "ceilings": asdict(ceilings),
        "parts": {name: _part_to_json(part, ceilings, rates[name]) for name, part in parts.items()},
        **provenance(),
    }


def _measure(trainer: Trainer, windows: int) -> dict[str, Part]:
    """Acting and learning: one window that is counted, then those that are timed."""
    for _ in range(_WARM_UP):
        trainer.iterate()
    collect, carry = trainer.collector.collect, trainer.collector.carry
    core = trainer.policy.core
    with _as_operations(core):
        with OperationCount() as acting_arithmetic:
            rollout = collect()
        with OperationCount() as learning_arithmetic:
            _learn(trainer, rollout)
        carry(rollout)
    with OperationCount() as in_acting:
        rollout = collect()
    with OperationCount() as in_learning:
        _learn(trainer, rollout)
    carry(rollout)
    step_kernels = _STEP_KERNELS * trainer.collector.num_steps
    acting = Part(_dispatched(acting_arithmetic.counted, in_acting.counted, step_kernels))
    config = trainer.learner.config
    passes = 1 if config.algorithm == "a2c" else config.update_epochs * config.num_minibatches
    kernels = (_LAYER_KERNELS * len(core.layer_list()) + _WORD_KERNELS) * passes
    learning = Part(_dispatched(learning_arithmetic.counted, in_learning.counted, kernels))
    playing = list[float]()
    step = trainer.envs.step
    trainer.envs.step = lambda action: _timed(lambda: step(action), playing)  # type: ignore[assignment, method-assign]
    for _ in range(windows):
        rollout = _timed(collect, acting.seconds)
        _timed(lambda: _learn(trainer, rollout), learning.seconds)  # noqa: B023
        carry(rollout)
    acting.playing = sum(playing) / windows
    return {"acting": acting, "learning": learning}


def _dispatched(arithmetic: Counted, dispatched: Counted, kernels: int) -> Counted:
    """The arithmetic of PyTorch's operations, and the operations that are left beside compiled calls."""
    return replace(arithmetic, operations=dispatched.operations + kernels, views=dispatched.views)


@contextmanager
def _as_operations(core: Core) -> Iterator[None]:
    """Inside, steps of acting and layers are PyTorch's operations, of which the arithmetic can be counted."""
    memories = [layer.memory for layer in core.layer_list()]
    all_features = [module for module in core.modules() if isinstance(module, RandomFeatures)]
    for memory in memories:
        memory.is_foreseeable = False
        memory.as_ramp = lambda described: None  # type: ignore[method-assign]
    for features in all_features:
        features.weighted = lambda normed, weight, features=features: features(normed) @ weight  # type: ignore[misc, method-assign]
    try:
        yield
    finally:
        for memory in memories:
            memory.is_foreseeable = True
            del memory.as_ramp
        for features in all_features:
            del features.weighted


def _learn(trainer: Trainer, rollout: Rollout) -> None:
    trainer.learner.update(rollout, success_rate=None, progress=0.0)


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
        (f"products of acting, {_times(ACTING_PRODUCT)}", f"{ceilings['acting_gflops']:.0f}"),
        (f"products of learning, {_times(LEARNING_PRODUCT)}", f"{ceilings['learning_gflops']:.0f}"),
        ("copies in the second cache, GB/s", f"{ceilings['cache_gbs']:.0f}"),
        ("copies in main memory, GB/s", f"{ceilings['memory_gbs']:.0f}"),
    ):
        lines.append(f"| {name} | {value} |")
    return "\n".join(lines)


def _times(sizes: Sequence[int]) -> str:
    return " × ".join(f"{size:,}" for size in sizes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
