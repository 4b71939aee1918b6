"""LSTM and GRU against PyTorch's, on whole episodes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from rlmem.errors import UsageError
from rlmem.make_core import make_core
from rlmem.memories import make_memory
from rlmem.memory_state import EMPTY_TIME, LayerMemory, MemoryState
from rlmem.model_config import RECURRENT_KINDS, MemoryKind, ModelConfig
from rlmem.recurrent import RecurrentCore
from rlmem.transformer import MemoryTransformer
from rlmem.window import Window

each_kind = pytest.mark.parametrize("kind", RECURRENT_KINDS)
EPISODES = (7, 1, 12)  # lengths


def make(kind: MemoryKind) -> tuple[RecurrentCore, nn.RNNBase]:
    """Our core, and PyTorch's module with the same weights."""
    torch.manual_seed(0)
    core = make_core(ModelConfig(model=6, heads=2, num_layers=2, memory=kind)).double()
    assert isinstance(core, RecurrentCore)
    theirs = (nn.LSTM if kind == "lstm" else nn.GRU)(6, 6, 2, batch_first=True).double()
    for number, layer in enumerate(core.recurrent_layers()):
        for name, weight in layer.cell.named_parameters():
            getattr(theirs, f"{name}_l{number}").data.copy_(weight.data)
    return core, theirs


def make_inputs() -> tuple[Tensor, Tensor]:
    inputs = torch.randn(2, sum(EPISODES), 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    is_first = torch.zeros(2, sum(EPISODES), dtype=torch.bool)
    is_first[:, [0, *torch.tensor(EPISODES).cumsum(0)[:-1].tolist()]] = True
    return inputs, is_first


@each_kind
def test_whole_episodes_as_pytorch_does(kind: MemoryKind) -> None:
    core, theirs = make(kind)
    inputs, is_first = make_inputs()
    state = core.initial_state(2)
    hidden = core(inputs, state, Window.following(state, is_first)).hidden
    expected = core.norm(torch.cat([theirs(episode)[0] for episode in inputs.split(EPISODES, dim=1)], dim=1))
    torch.testing.assert_close(hidden, expected, rtol=0, atol=1e-12)

    weight = torch.randn_like(hidden)
    (expected * weight).sum().backward()
    (hidden * weight).sum().backward()
    for number, layer in enumerate(core.recurrent_layers()):
        for name, parameter in layer.cell.named_parameters():
            torch.testing.assert_close(parameter.grad, getattr(theirs, f"{name}_l{number}").grad)


@each_kind
def test_the_state_is_one_slot_of_the_running_episode(kind: MemoryKind) -> None:
    core, theirs = make(kind)
    inputs, is_first = make_inputs()
    state = core.initial_state(2, time=400_000_000)
    is_last = torch.zeros_like(is_first)
    window = Window.following(state, is_first, is_last)
    carried = core.carry(state, core(inputs, state, window).layer_inputs, window)
    _, last = theirs(inputs[:, -EPISODES[-1] :])
    for number, layer in enumerate(carried.layers):
        assert layer.time.tolist() == [[400_000_019]] * 2
        vectors = [vector[number] for vector in last] if kind == "lstm" else [last[number]]
        torch.testing.assert_close(layer.hidden[:, 0], torch.cat(vectors, dim=1))

    is_last[1, -1] = True  # the episode of row 1 is over: nothing is left of it
    window = Window.following(state, is_first, is_last)
    carried = core.carry(state, core(inputs, state, window).layer_inputs, window)
    assert [layer.is_empty.tolist() for layer in carried.layers] == [[[False], [True]]] * 2


@each_kind
def test_an_empty_slot_is_no_state(kind: MemoryKind) -> None:
    core, _ = make(kind)
    inputs, _ = make_inputs()
    clean = core.initial_state(2)
    empty = LayerMemory(torch.full((2, 1, core.width), 7.0, dtype=torch.float64), torch.full((2, 1), EMPTY_TIME))
    dirty = replace(clean, layers=(empty,) * 2)
    window = Window.following(clean, torch.zeros(2, inputs.shape[1], dtype=torch.bool))
    assert torch.equal(core(inputs, clean, window).hidden, core(inputs, dirty, window).hidden)
    is_first = torch.zeros(2, dtype=torch.bool)
    acted = [core.open(state, 1).step(inputs[:, 0], is_first) for state in (clean, dirty)]
    assert torch.equal(acted[0][0], acted[1][0])
    assert acted[1][1].max() == 0


@each_kind
def test_a_cache_knows_its_room(kind: MemoryKind) -> None:
    core, _ = make(kind)
    state = core.initial_state(2)
    with pytest.raises(UsageError, match="at least 1"):
        core.open(state, 0)
    cache = core.open(state, 1)
    cache.step(torch.zeros(2, 6, dtype=torch.float64), torch.ones(2, dtype=torch.bool))
    with pytest.raises(UsageError, match="room for 1 steps"):
        cache.step(torch.zeros(2, 6, dtype=torch.float64), torch.ones(2, dtype=torch.bool))


@pytest.mark.parametrize(
    ("kind", "layer"), [("expire_span", 36_481), ("none", 36_416), ("lstm", 33_280), ("gru", 24_960)]
)
def test_parameter_counts_are_those_documented(kind: MemoryKind, layer: int) -> None:
    core = make_core(ModelConfig(memory=kind))
    assert sum(p.numel() for p in core.layers[0].parameters()) == layer
    assert f"{layer:,}" in (ModelConfig.__doc__ or "")


@each_kind
def test_a_recurrent_kind_is_no_memory_of_a_transformer(kind: MemoryKind) -> None:
    with pytest.raises(UsageError, match="no memory of a Transformer"):
        make_memory(ModelConfig(memory=kind), 0)
    with pytest.raises(UsageError, match="no memory of a Transformer"):
        MemoryTransformer(ModelConfig(memory=kind))


@each_kind
def test_no_cost_and_no_spans(kind: MemoryKind) -> None:
    core, _ = make(kind)
    inputs, is_first = make_inputs()
    state: MemoryState = core.initial_state(2)
    window = Window.following(state, is_first)
    output = core(inputs, state, window)
    assert float(core.auxiliary_loss(output.traces, window)) == 0
    assert core.spans(output.layer_inputs) is None
