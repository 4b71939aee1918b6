"""The way for long memories against the plain one: equal outputs and gradients, whatever the memory holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

import rlmem.long_memory
from rlmem.core import Core, LayerTrace
from rlmem.live_slots import group_rows
from rlmem.make_core import make_core
from rlmem.memories import Memory
from rlmem.memories.limited import LimitedMemory
from rlmem.memory_state import EMPTY_TIME, LayerMemory, MemoryState
from rlmem.model_config import MemoryKind, ModelConfig
from rlmem.transformer import MemoryTransformer, plain_attention
from rlmem.window import Window

KINDS: tuple[MemoryKind, ...] = ("expire_span", "transformer_xl", "adaptive_span", "compressive", "none")
BATCH, BLOCK, START = 6, 12, 400_000_000
each_kind = pytest.mark.parametrize("kind", KINDS)


def make(kind: MemoryKind, **changes: object) -> MemoryTransformer:
    """A core whose spans differ, from a few steps to L."""
    torch.manual_seed(0)
    config = ModelConfig(
        model=12, heads=3, feedforward=10, position_reach=9, memory=kind, max_span=90, ramp=14,
        initial_span_fraction=(0.6,), compression_rate=3, num_compressed=10, fused=True,
    )  # fmt: skip
    core = make_core(replace(config, **changes)).double()  # type: ignore[arg-type]
    for name, parameter in core.named_parameters():
        if name.endswith(("memory.weight", "memory.logit", "embedding", "norm.weight")):
            parameter.data += 0.5 * torch.randn_like(parameter)
    assert isinstance(core, MemoryTransformer)
    return core


def lived(core: Core, *, steps: int = 130) -> tuple[MemoryState, Tensor, Tensor]:
    """A state after some windows; rows of very different lengths, dead slots among the live, garbage in empty ones."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(BATCH, steps + BLOCK, 12, generator=generator, dtype=torch.float64)
    is_first = torch.zeros(BATCH, steps + BLOCK, dtype=torch.bool)
    is_first[1, steps - 2], is_first[2, steps - 40] = True, True  # short memories
    is_first[3, steps], is_first[4, steps + 5] = True, True  # a start with the window and one in its middle
    state = core.initial_state(BATCH, time=START)
    with torch.no_grad(), plain_attention(core):
        window = Window.following(state, is_first[:, :steps])
        delete = core.config.memory == "compressive"  # whose slots change into others
        state = core.carry(state, core(inputs[:, :steps], state, window).layer_inputs, window, delete=delete)
    layers = []
    for layer in state.layers:
        if not delete:  # an empty slot in front, as a shorter row has them
            layer = LayerMemory(torch.nn.functional.pad(layer.hidden, (0, 0, 1, 0)), pad(layer.time))
        assert layer.is_empty.any()
        hidden = torch.where(layer.is_empty[:, :, None], 1e6, layer.hidden)
        layers.append(LayerMemory(hidden, layer.time, layer.steps))
    return replace(state, layers=tuple(layers)), inputs[:, steps:], is_first[:, steps:]


def pad(time: Tensor) -> Tensor:
    return torch.nn.functional.pad(time, (1, 0), value=EMPTY_TIME)


Result = tuple[Tensor, Tensor, dict[str, Tensor], tuple[LayerTrace, ...]]


def results(core: Core, state: MemoryState, inputs: Tensor, window: Window, alpha: float) -> Result:
    """Hidden states, the auxiliary loss, every gradient, and the traces."""
    core.zero_grad(set_to_none=True)
    inputs = inputs.clone().requires_grad_()
    output = core(inputs, state, window)
    slope = torch.randn(output.hidden.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    cost = core.auxiliary_loss(output.traces, window)
    ((output.hidden * slope).sum() + alpha * cost).backward()
    gradients = {name: parameter.grad for name, parameter in core.named_parameters() if parameter.grad is not None}
    assert inputs.grad is not None
    return output.hidden.detach(), alpha * cost.detach(), {**gradients, "inputs": inputs.grad}, output.traces


def largest_difference(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max().clamp(min=1e-3))


def assert_equal_results(core: Core, state: MemoryState, inputs: Tensor, window: Window, *, alpha: float = 3.0) -> None:
    hidden, cost, gradients, _ = results(core, state, inputs, window, alpha)
    with plain_attention(core):
        plain_hidden, plain_cost, plain_gradients, _ = results(core, state, inputs, window, alpha)
    assert largest_difference(hidden, plain_hidden) < 1e-10
    assert abs(float(cost - plain_cost)) < 1e-10
    assert set(gradients) == set(plain_gradients)
    for name, gradient in gradients.items():
        assert largest_difference(gradient, plain_gradients[name]) < 1e-10, name


@each_kind
@pytest.mark.parametrize("reach", [None, 4.3, 40.0])
@pytest.mark.parametrize("chunk", [2**20, 1])  # all at once; rows alone, in chunks of 32 slots
def test_equals_the_plain_way(
    kind: MemoryKind, reach: float | None, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rlmem.long_memory, "_WEIGHTS_AT_ONCE", {"cpu": chunk})
    core = make(kind)
    state, inputs, is_first = lived(core)
    assert_equal_results(core, state, inputs, replace(Window.following(state, is_first), reach=reach))


@each_kind
def test_equals_the_plain_way_without_any_memory(kind: MemoryKind) -> None:
    core = make(kind)
    state, inputs, is_first = core.initial_state(BATCH), *lived(core)[1:]
    assert_equal_results(core, state, inputs, Window.following(state, is_first))


def test_equals_the_plain_way_for_a_long_window_of_pooled_slots() -> None:
    core = make("compressive", max_span=5, position_reach=30)  # the window's own steps are pooled while it passes
    state, inputs, is_first = lived(core)
    assert_equal_results(core, state, inputs, Window.following(state, is_first))


@each_kind
def test_equals_the_plain_way_where_the_memory_is_cut_off(kind: MemoryKind) -> None:
    core = make(kind)
    for layer in core.layer_list():
        layer.memory = LimitedMemory(layer.memory, 25)
    state, inputs, is_first = lived(core)  # with slots beyond the limit, which acting would not have and cost nothing
    assert_equal_results(core, state, inputs, Window.following(state, is_first), alpha=0.0)


def groups_of(core: MemoryTransformer, state: MemoryState, window: Window) -> list[Sequence[int]]:
    layer = core.layer_list()[0]
    groups = group_rows(layer.memory, layer.attention_norm, state.layers[0], window, 9, rows_at_once=BATCH)
    return [list(range(BATCH)) if group.rows is None else group.rows.tolist() for group in groups]


def test_rows_of_different_lengths_are_in_different_groups() -> None:
    core = make("transformer_xl")
    state, _, is_first = lived(core)
    short, long = {1, 3}, {0, 4, 5}
    groups = groups_of(core, state, Window.following(state, is_first))
    assert len(groups) == 3
    assert sorted(row for group in groups for row in group) == list(range(BATCH))
    assert not any(short & set(group) and long & set(group) for group in groups)


def test_only_live_slots_are_projected() -> None:
    core = make("expire_span")
    state, inputs, is_first = lived(core)
    window = Window.following(state, is_first)
    projected: list[int] = []
    for layer in core.layer_list():
        layer.attention.key_value.register_forward_pre_hook(lambda _, given: projected.append(given[0][..., 0].numel()))
    traces = core(inputs, state, window).traces
    for trace in traces:
        some_query_sees = (trace.log_mask > -torch.inf).any(2).any(1)
        assert len(set(some_query_sees.sum(1).tolist())) > 2
        assert torch.equal(trace.slot_time != EMPTY_TIME, some_query_sees)
    num_stored = state.layers[0].time.shape[1] + BLOCK
    needed = sum(int((trace.log_mask > -torch.inf).any((1, 2)).sum()) for trace in traces)
    assert sum(projected) < 1.2 * needed  # the rest is padding
    assert needed < 0.6 * len(traces) * BATCH * num_stored


@pytest.mark.parametrize("kind", ["expire_span", "transformer_xl", "adaptive_span"])
def test_nothing_as_large_as_the_weights_is_kept(kind: MemoryKind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rlmem.long_memory, "_WEIGHTS_AT_ONCE", {"cpu": 1})
    core = make(kind)
    state, inputs, is_first = lived(core)
    window = Window.following(state, is_first)

    def largest_kept() -> int:
        kept = [0]

        def keep(tensor: Tensor) -> Tensor:
            kept.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            core(inputs, state, window)
        return max(kept)

    num_slots = max(trace.slot_time.shape[1] for trace in core(inputs, state, window).traces)
    weights = BATCH * 3 * BLOCK * num_slots
    assert largest_kept() < weights / 2
    with plain_attention(core):
        assert largest_kept() >= weights


@each_kind
@pytest.mark.parametrize("limit", [None, 20])
@pytest.mark.parametrize("reach", [None, 7.4])
def test_memory_size_is_what_the_dense_mask_counts(kind: MemoryKind, limit: int | None, reach: float | None) -> None:
    core = make(kind, fused=False)
    if limit is not None:
        for layer in core.layer_list():
            layer.memory = LimitedMemory(layer.memory, limit)
    state, inputs, is_first = lived(core)
    window = replace(Window.following(state, is_first), reach=reach)
    traces = core(inputs, state, window).traces
    counted = [((trace.log_mask > -torch.inf).any(1).sum(2) - 1).double().mean(1) for trace in traces]
    dense = torch.stack(counted, 1).float()
    assert (dense.max() > 3) == (kind != "none")
    torch.testing.assert_close(core.memory_sizes(traces, window), dense)
    for layer in core.layer_list():
        layer.is_fused = True
    torch.testing.assert_close(core.memory_sizes(core(inputs, state, window).traces, window), dense)


@each_kind
def test_acting_equals_the_windowed_forward(kind: MemoryKind) -> None:
    core = make(kind)
    state, inputs, is_first = lived(core)
    hidden = core(inputs, state, Window.following(state, is_first)).hidden
    cache = core.open(state, BLOCK)
    acted = torch.stack([cache.step(inputs[:, t], is_first[:, t])[0] for t in range(BLOCK)], 1)
    assert largest_difference(acted, hidden.detach()) < 1e-10


class HalfSeen(Memory):
    """A kind of someone else's, which says nothing of ages and sees every slot half."""

    def log_mask(self, age: Tensor, described: Tensor | None) -> Tensor:
        return torch.full_like(age, -0.7).masked_fill(torch.isinf(age), -torch.inf).masked_fill(age == 0, 0)[:, None]

    def is_kept(self, age: Tensor, described: Tensor | None) -> Tensor:
        return age < 60


def test_a_kind_that_says_nothing_of_ages() -> None:
    core = make("transformer_xl")
    state, inputs, is_first = lived(core)
    for layer in core.layer_list():
        layer.memory = HalfSeen()
    assert_equal_results(core, state, inputs, replace(Window.following(state, is_first), reach=40.0))


def test_autocast_keeps_spans_in_float32() -> None:
    core = make("expire_span").float()
    state, inputs, is_first = lived(make("expire_span"))
    state = replace(state, layers=tuple(replace(layer, hidden=layer.hidden.float()) for layer in state.layers))
    window = Window.following(state, is_first)
    exact = core(inputs.float(), state, window).hidden
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = core(inputs.float(), state, window)
    output.hidden.float().square().sum().backward()
    assert {trace.described.dtype for trace in output.traces} == {torch.float32}
    assert 1e-4 < (output.hidden - exact).abs().max() < 0.1  # bfloat16 has 8 bits
    assert all(torch.isfinite(p.grad).all() for p in core.parameters() if p.grad is not None)
