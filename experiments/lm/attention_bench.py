"""What attention over a long memory costs beside the paper's formula computed densely; `python -m` prints it."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from rlmem.errors import check
from rlmem.experiments.allocator import keep_freed_memory
from rlmem.experiments.lm.allocated_bytes import extra_bytes
from rlmem.experiments.lm.long_context_bench import LongContextOptions, over_lengths
from rlmem.long_memory import LongMemoryReader
from rlmem.make_core import make_core
from rlmem.memories import ExpireSpanMemory
from rlmem.memory_state import LayerMemory, MemoryState
from rlmem.model_config import ModelConfig
from rlmem.transformer import TransformerLayer
from rlmem.window import Window


@dataclass(frozen=True)
class AttentionBenchOptions:
    """Sizes of the comparison with dense attention."""

    batch: int = 16
    """Rows."""
    block: int = 128
    """T, queries of a window."""
    model: int = 128
    """Width of a hidden state."""
    heads: int = 8
    """Attention heads."""
    num_slots: int = 4096
    """Stored memories of each row."""
    live_share: float = 0.05
    """Which share of them is alive at the first query."""
    ramp: int = 32
    """R, in steps."""
    repeats: int = 5
    """How often each figure is measured; the median counts."""

    def __post_init__(self) -> None:
        for name in ("batch", "block", "num_slots", "repeats"):
            value = getattr(self, name)
            check(value >= 1, f"{name} is {value}, but it must be at least 1")
        check(0 < self.live_share <= 1, f"live_share is {self.live_share}, but it must be more than 0 and at most 1")


@dataclass(frozen=True)
class Case:
    """One window to be read by one layer.

    Args:
        layer: of an Expire-Span core.
        hidden: (batch, query, model), wants a gradient.
        memory: (batch, slots).
        window: the queries.
        slope: (batch, query, model), the gradient that the output gets.
    """

    layer: TransformerLayer
    hidden: Tensor
    memory: LayerMemory
    window: Window
    slope: Tensor


def make_case(options: AttentionBenchOptions, seed: int = 0, dtype: torch.dtype = torch.float32) -> Case:
    """A memory of which the given share is alive, at all ages: spans are predicted from random states.

    Args:
        options: sizes.
        seed: of everything.
        dtype: float32 or float64.
    """
    torch.manual_seed(seed)
    config = ModelConfig(
        num_layers=1, model=options.model, heads=options.heads, feedforward=options.model, ramp=options.ramp,
        position_reach=options.block, max_span=options.num_slots, fused=True,
    )  # fmt: skip
    core = make_core(config).to(dtype)
    (layer,) = core.layer_list()
    kind = layer.memory
    assert isinstance(kind, ExpireSpanMemory), "the configuration asks for Expire-Span"
    start = 10**6
    times = torch.arange(start, start + options.num_slots).expand(options.batch, -1)
    hidden = torch.randn(options.batch, options.num_slots, options.model, dtype=dtype)
    kind.weight.data.normal_(std=0.4)
    kind.bias.data.fill_(_bias_for(kind, layer.attention_norm(hidden), options))
    next_time = torch.full((options.batch,), start + options.num_slots)
    window = Window.following(
        MemoryState((), next_time, torch.zeros_like(next_time)),
        torch.zeros(options.batch, options.block, dtype=torch.bool),
    )
    own, slope = torch.randn(2, options.batch, options.block, options.model, dtype=dtype)
    return Case(layer, own.requires_grad_(), LayerMemory(hidden, times), window, slope)


@torch.no_grad()
def _bias_for(kind: ExpireSpanMemory, normed: Tensor, options: AttentionBenchOptions) -> float:
    """The span predictor's bias with which the wanted share is alive, found by halving."""
    low, high = -30.0, 30.0
    age = torch.arange(options.num_slots, 0, -1)
    for _ in range(40):
        middle = (low + high) / 2
        kind.bias.fill_(middle)
        share = float(kind.is_kept(age.to(normed.dtype), kind.spans(normed)).float().mean())
        low, high = (low, middle) if share > options.live_share else (middle, high)
    return (low + high) / 2


def dense_read(case: Case) -> Tensor:
    """What the queries read by multiplying the attention with the mask and renormalising, as the paper writes it.

    Source: the paper, section 4.1: a'_ti = m_ti a_ti / sum_j m_tj a_tj over every slot, dead or alive.
    """
    attention, kind, window = case.layer.attention, case.layer.memory, case.window
    assert isinstance(kind, ExpireSpanMemory), "the case is of Expire-Span"
    normed = case.layer.attention_norm(torch.cat([case.memory.hidden, case.hidden], 1))
    keys, values = (attention.split_heads(part) for part in attention.key_value(normed).chunk(2, dim=-1))
    queries = attention.split_heads(attention.query(normed[:, -window.num_queries :])) * attention.scale
    distance = window.time[:, :, None] - torch.cat([case.memory.time, window.time], 1)[:, None]
    reach = attention.positions.reach
    by_distance = queries @ torch.nn.functional.pad(attention.positions.embedding, (0, 0, 0, 1)).t()
    index = distance.clamp(0, reach)[:, None].expand(-1, attention.heads, -1, -1)
    logits = queries @ keys.transpose(2, 3) + by_distance.gather(3, index)
    weights = torch.softmax(logits.masked_fill((distance < 0)[:, None], -torch.inf), -1)
    mask = (1 + (kind.spans(normed)[:, None] - distance) / kind.ramp).clamp(0, 1)[:, None]
    weights = weights * mask
    weights = weights / weights.sum(-1, keepdim=True)
    contribution: Tensor = attention.output((weights @ values).transpose(1, 2).flatten(2))
    return contribution


def long_read(case: Case) -> Tensor:
    """What the queries read, in the way for long memories."""
    layer = case.layer
    reader = LongMemoryReader(layer.attention, layer.attention_norm, layer.memory)
    return reader.read(case.hidden, case.memory, case.window)[0]


def gradients(case: Case, read: Callable[[Case], Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """What is read, and the gradients of its product with the slope to the layer's weights and to the hidden states."""
    forget_gradients(case)
    output = read(case)
    output.backward(case.slope)
    named = {**dict(case.layer.named_parameters()), "hidden": case.hidden}
    return output.detach(), {name: tensor.grad for name, tensor in named.items() if tensor.grad is not None}


def forget_gradients(case: Case) -> None:
    """As before the first call of `gradients`."""
    case.layer.zero_grad(set_to_none=True)
    case.hidden.grad = None


def against_dense(options: AttentionBenchOptions) -> dict[str, Any]:
    """Processor time and extra memory of one attention, forward and backward, on the CPU.

    Both compute everything from the stored hidden states: norm, spans, projections, positions, the reading itself.

    Args:
        options: sizes. The two take turns, so that what else the machine does meets both.

    Returns:
        `cpu_seconds` and `extra_mib` of `dense` and `long`, and `times_faster` and `times_less_memory`.
    """
    case = make_case(options)
    reads = {"dense": dense_read, "long": long_read}
    for read in reads.values():
        gradients(case, read)
    times: dict[str, list[float]] = {name: [] for name in reads}
    for _ in range(options.repeats):
        for name, read in reads.items():
            start = time.process_time()
            gradients(case, read)
            times[name].append(time.process_time() - start)
    seconds = {name: statistics.median(values) for name, values in times.items()}
    memory = {}
    for name, read in reads.items():
        forget_gradients(case)
        memory[name] = extra_bytes(lambda read=read: gradients(case, read)) / 2**20  # type: ignore[misc]
    return {
        "cpu_seconds": seconds,
        "extra_mib": memory,
        "times_faster": seconds["dense"] / seconds["long"],
        "times_less_memory": memory["dense"] / memory["long"],
    }


def attention_bench(
    options: AttentionBenchOptions | None = None, lengths: LongContextOptions | None = None
) -> dict[str, Any]:
    """Both measurements with the sizes that they were made at.

    Args:
        options: of the comparison with dense attention; None: the defaults.
        lengths: of the table over L; None: the defaults.
    """
    options, lengths = options or AttentionBenchOptions(), lengths or LongContextOptions()
    return {
        "threads": torch.get_num_threads(),
        "against_dense": {"options": asdict(options), **against_dense(options)},
        "over_lengths": {"options": asdict(lengths), "lines": over_lengths(lengths)},
    }


def main() -> None:
    """Measure at the default sizes and print one JSON object."""
    keep_freed_memory()
    print(json.dumps(attention_bench(), indent=2))


if __name__ == "__main__":
    main()
