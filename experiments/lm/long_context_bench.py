"""What a batch costs over L, the longest span that a memory may have, where as many memories are alive at every L."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rlmem.core import Core
from rlmem.errors import check
from rlmem.experiments.lm.allocated_bytes import extra_bytes
from rlmem.make_core import make_core
from rlmem.memory_state import MemoryState
from rlmem.model_config import ModelConfig
from rlmem.window import Window


@dataclass(frozen=True)
class LongContextOptions:
    """Sizes of the table over L."""

    spans: tuple[int, ...] = (2048, 4096, 8192, 16384, 32768)
    """L, one a line, in steps."""
    live_span: int = 256
    """The initial span of every memory, in steps, whatever L is."""
    ramp: int = 32
    """R, in steps."""
    batch: int = 8
    """Rows."""
    block: int = 128
    """T, queries of a window."""
    model: int = 128
    """Width of a hidden state."""
    heads: int = 4
    """Attention heads."""
    num_layers: int = 2
    """Layers."""
    repeats: int = 7
    """How many batches of each L are measured; the median counts."""

    def __post_init__(self) -> None:
        check(self.repeats >= 1, f"repeats is {self.repeats}, but it must be at least 1")
        check(
            bool(self.spans) and all(span > self.live_span for span in self.spans),
            f"spans are {self.spans}, but there must be one, and each more than live_span, which is {self.live_span}",
        )


class _Run:
    """A core with one L, between two batches.

    Args:
        options: sizes.
        max_span: L, in steps.
    """

    def __init__(self, options: LongContextOptions, max_span: int) -> None:
        torch.manual_seed(0)
        self.options = options
        self.core: Core = make_core(
            ModelConfig(
                num_layers=options.num_layers,
                model=options.model,
                heads=options.heads,
                ramp=options.ramp,
                feedforward=4 * options.model,
                position_reach=options.block,
                max_span=max_span,
                initial_span_fraction=(options.live_span / max_span,),
                fused=True,
            )
        )
        self.state: MemoryState = self.core.initial_state(options.batch)
        self.seconds: list[float] = []

    def batch(self, inputs: Tensor) -> None:
        """Forward, backward, and what is carried; weights stay as they are."""
        window = Window.following(self.state, torch.zeros(inputs.shape[:2], dtype=torch.bool))
        output = self.core(inputs, self.state, window)
        (output.hidden.square().mean() + self.core.auxiliary_loss(output.traces, window)).backward()
        self.state = self.core.carry(self.state, output.layer_inputs, window)

    def measure(self, inputs: Tensor) -> None:
        """`batch`, timed."""
        start = time.process_time()
        self.batch(inputs)
        self.seconds.append(time.process_time() - start)


def over_lengths(options: LongContextOptions) -> list[dict[str, Any]]:
    """One line for each L: processor time and extra memory of a batch, forward, backward and carrying, on the CPU.

    Args:
        options: sizes. The Ls take turns, so that what else the machine does meets all of them.

    Returns:
        `max_span`, `live` (memories stored on average), `cpu_seconds`, `extra_mib`, and both as multiples of the first
        line's, `times` and `times_memory`.
    """
    runs = [_Run(options, span) for span in options.spans]
    generator = torch.Generator().manual_seed(0)
    blocks_to_fill = (options.live_span + options.ramp) // options.block + 2
    for number in range(blocks_to_fill + options.repeats):
        inputs = torch.randn(options.batch, options.block, options.model, generator=generator)
        for run in runs:
            if number < blocks_to_fill:
                run.batch(inputs)
            else:
                run.measure(inputs)
    lines = []
    for run, span in zip(runs, options.spans, strict=True):
        live = statistics.mean(float((~layer.is_empty).sum(1).double().mean()) for layer in run.state.layers)
        run.core.zero_grad(set_to_none=True)
        memory = extra_bytes(lambda run=run: run.batch(inputs))  # type: ignore[misc]
        seconds = statistics.median(run.seconds)
        lines.append({"max_span": span, "live": live, "cpu_seconds": seconds, "extra_mib": memory / 2**20})
    for line in lines:
        line["times"] = line["cpu_seconds"] / lines[0]["cpu_seconds"]
        line["times_memory"] = line["extra_mib"] / lines[0]["extra_mib"]
    return lines
