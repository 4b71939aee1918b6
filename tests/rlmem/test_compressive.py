"""The compressive memory's slots against the definition, and where they are kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from rlmem.acting import ActingCache, _OpenCache
from rlmem.core import LayerTrace
from rlmem.memories import CompressiveMemory
from rlmem.memory_state import EMPTY_TIME, LayerMemory
from rlmem.model_config import ModelConfig
from rlmem.transformer import MemoryTransformer
from rlmem.window import Window

SPAN, RATE, COMPRESSED = 5, 3, 2
Seen = set[tuple[int, int]]  # (time, steps) of the slots that a query sees


def make_core() -> MemoryTransformer:
    torch.manual_seed(0)
    config = ModelConfig(
        model=8, heads=2, feedforward=8, position_reach=4, memory="compressive", max_span=SPAN, compression_rate=RATE,
        num_compressed=COMPRESSED,
    )  # fmt: skip
    return MemoryTransformer(config).double()


def defined(time: int, start: int) -> Seen:
    ends = range(start + RATE - 1, time + 1, RATE)
    old = [end for end in ends if time - end > SPAN]
    raw = {(i, 1) for i in range(start, time + 1) if start + (i - start) // RATE * RATE + RATE - 1 not in old}
    return raw | {(end, RATE) for end in old[-COMPRESSED:]}


def seen(trace: LayerTrace, row: int, query: int) -> Seen:
    """Read off the mask; a slot that no step made alone is a pooled one, told from its description."""
    assert trace.described is not None
    visible = (trace.log_mask[row, 0, query] == 0).nonzero().flatten().tolist()
    steps = [RATE if trace.described[row, slot] < 0 else 1 for slot in visible]
    return {(int(trace.slot_time[row, slot]), step) for slot, step in zip(visible, steps, strict=True)}


@pytest.mark.parametrize("size", [1, 4, 7, 28])
@pytest.mark.parametrize("begins", [(0,), (0, 10), (0, 1, 14, 22)])
def test_a_query_sees_what_the_definition_says(size: int, begins: tuple[int, ...]) -> None:
    """Windows shorter and longer than L, resets in the middle of groups, more groups than are kept."""
    core = make_core()
    inputs = torch.randn(1, 28, 8, dtype=torch.float64)
    is_first = torch.tensor([[t in begins for t in range(28)]])
    state = core.initial_state(1, time=400_000_000)
    pooled = 0
    for start in range(0, 28, size):
        window = Window.following(state, is_first[:, start : start + size])
        output = core(inputs[:, start : start + size], state, window)
        for query in range(size):
            time, began = int(window.time[0, query]), int(window.episode_start[0, query])
            for trace in output.traces:
                assert seen(trace, 0, query) == defined(time, began)
            pooled = max(pooled, sum(steps > 1 for _, steps in defined(time, began)))
        state = core.carry(state, output.layer_inputs, window)
        for layer in state.layers:
            assert layer.steps is not None
            assert (layer.time.diff() > 0).all()
            assert (layer.steps == RATE).sum() <= COMPRESSED
            assert layer.time.shape[1] <= COMPRESSED + SPAN + RATE
    assert pooled == COMPRESSED


def test_a_pooled_slot_is_the_mean_of_what_was_stored() -> None:
    core = make_core()
    inputs = torch.randn(2, 12, 8, dtype=torch.float64)
    state = core.initial_state(2)
    window = Window.following(state, torch.zeros(2, 12, dtype=torch.bool))
    output = core(inputs, state, window)
    kept = core.carry(state, output.layer_inputs, window).layers[1]
    assert kept.steps is not None
    assert kept.time[0].tolist() == [2, 5, 6, 7, 8, 9, 10, 11]
    assert kept.steps[0].tolist() == [3, 3, 1, 1, 1, 1, 1, 1]
    torch.testing.assert_close(kept.hidden[:, 1], output.layer_inputs[1][:, 3:6].mean(1))
    torch.testing.assert_close(kept.hidden[:, 2:], output.layer_inputs[1][:, 6:])


def test_what_is_pooled_once_is_not_pooled_again() -> None:
    """A group counts from the first moment after `since`, so that no two slots stand for the same steps."""
    memory = CompressiveMemory(SPAN, RATE, COMPRESSED)
    time = torch.arange(12)[None]
    slots = LayerMemory(torch.randn(1, 12, 4), time)

    def ends(since: int, until: int) -> list[int]:
        pooled = memory.pool(slots, time, torch.tensor([since]), torch.tensor([until]))
        return pooled.time[pooled.time != EMPTY_TIME].tolist()

    assert ends(0, 7) == []
    assert ends(7, 8) == [2]
    assert ends(8, 17) == [5, 8, 11]
    assert [end for until in range(1, 40) for end in ends(until - 1, until)] == [2, 5, 8, 11]


def test_gradients_flow_through_the_mean_inside_a_window() -> None:
    core = make_core()
    inputs = torch.randn(1, 12, 8, dtype=torch.float64, requires_grad=True)
    state = core.initial_state(1)
    first = core.layer_list()[0]
    hidden, _, _ = first(inputs, state.layers[0], Window.following(state, torch.zeros(1, 12, dtype=torch.bool)))
    (gradient,) = torch.autograd.grad(hidden[0, 11].square().sum(), inputs)
    assert gradient[0, 3:6].abs().min() > 0
    torch.testing.assert_close(gradient[0, 3], gradient[0, 5])


def rows_of(memory: LayerMemory, index: Tensor) -> list[list[int]]:
    steps = memory.rows(index).steps
    assert steps is not None
    return [list(row) for row in steps.tolist()]


def test_rows_take_their_steps_along() -> None:
    time = torch.tensor([[EMPTY_TIME, 4, 5], [2, 5, 6]])
    memory = LayerMemory(torch.zeros(2, 3, 1), time, torch.tensor([[1, 1, 1], [3, 3, 1]]))
    assert rows_of(memory, torch.tensor([1, 0])) == [[3, 3, 1], [1, 1, 1]]
    assert rows_of(memory, torch.tensor([0])) == [[1, 1]]
    joined = replace(memory, steps=None).followed_by(memory)
    assert joined.steps is not None
    assert joined.steps.tolist() == [[1, 1, 1, 1, 1, 1], [1, 1, 1, 3, 3, 1]]


def test_acting_describes_its_steps_as_the_window_does() -> None:
    """The group that a step belongs to is known when it is taken, also after a reset in the middle of a group."""
    core = make_core()
    inputs = torch.randn(1, SPAN, 8, dtype=torch.float64)
    is_first = torch.tensor([[False, True, False, False, True]])
    state = core.initial_state(1)
    cache = ActingCache(core, state, SPAN)
    for time in range(SPAN):
        cache.step(inputs[:, time], is_first[:, time])
    part = cache._part
    assert isinstance(part, _OpenCache)  # in float64 steps are PyTorch's
    for layer, trace in zip(part._layers, core(inputs, state, Window.following(state, is_first)).traces, strict=True):
        assert layer.described is not None
        assert trace.described is not None
        assert layer.described[0, :SPAN].tolist() == trace.described[0].tolist() == [2, 2, 1, 0, 2]
