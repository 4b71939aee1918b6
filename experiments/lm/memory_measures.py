"""What a language model's memory held in a block: how many memories each query saw, and their spans."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rlmem.core import Core, CoreOutput
from rlmem.window import Window


@dataclass(frozen=True)
class MemoryMeasures:
    """Of one block, on the model's device.

    Args:
        size: (batch, layers), |C_t|, the memories with m > 0, the query's own step left out; mean over queries.
        span_mean: (layers,), e_i in steps of the block's own symbols, or None of a kind without spans.
        span_max: (layers,), likewise.
    """

    size: Tensor
    span_mean: Tensor | None
    span_max: Tensor | None

    def metrics(self) -> dict[str, Tensor]:
        """Scalars under the names that every log uses; `memory/size_max` is the row's and layer's that has most."""
        named = {"memory/size_mean": self.size.mean(), "memory/size_max": self.size.max()}
        named |= _by_layer("memory/size_mean", self.size.mean(0))
        if self.span_mean is not None and self.span_max is not None:
            named |= {"memory/span_mean": self.span_mean.mean(), "memory/span_max": self.span_max.max()}
            named |= _by_layer("memory/span_mean", self.span_mean) | _by_layer("memory/span_max", self.span_max)
        return named


@torch.no_grad()
def measure_memory(core: Core, output: CoreOutput, window: Window) -> MemoryMeasures:
    """Measure a block.

    Args:
        core: under the weights that made `output`.
        output: of the block.
        window: of the block.
    """
    spans = core.spans(output.layer_inputs)
    return MemoryMeasures(
        core.memory_sizes(output.traces, window).float(),
        None if spans is None else torch.stack([span.mean() for span in spans]),
        None if spans is None else torch.stack([span.max() for span in spans]),
    )


def _by_layer(name: str, values: Tensor) -> dict[str, Tensor]:
    return {f"{name}/layer_{layer}": value for layer, value in enumerate(values)}
