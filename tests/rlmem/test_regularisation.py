"""Dropout and Glorot's initialisation: where they are, and that nothing of them is there by default."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import pytest
import torch
from torch import Tensor

from rlmem.core import Core
from rlmem.errors import UsageError
from rlmem.make_core import make_core
from rlmem.model_config import MemoryKind, ModelConfig
from rlmem.transformer import MemoryTransformer
from rlmem.window import Window

CONFIG = ModelConfig(model=16, heads=2, feedforward=32, position_reach=8, max_span=20, ramp=4)


def with_field(config: ModelConfig, name: str, value: object) -> ModelConfig:
    return ModelConfig(**{**asdict(config), name: value})


def make(config: ModelConfig) -> MemoryTransformer:
    torch.manual_seed(0)
    core = make_core(config)
    assert isinstance(core, MemoryTransformer)
    return core


def run(core: Core, seed: int = 1) -> Tensor:
    state = core.initial_state(3)
    inputs = torch.randn(3, 10, 16, generator=torch.Generator().manual_seed(2))
    torch.manual_seed(seed)
    hidden: Tensor = core(inputs, state, Window.following(state, torch.zeros(3, 10, dtype=torch.bool))).hidden
    return hidden


@pytest.mark.parametrize("fused", [False, True])
def test_nothing_is_drawn_by_default(fused: bool) -> None:
    core = make(replace(CONFIG, fused=fused)).train()
    run(core, 7)
    after = torch.get_rng_state()
    torch.manual_seed(7)
    assert torch.equal(torch.get_rng_state(), after)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", ["dropout", "attention_dropout"])
def test_dropout_is_for_training_and_from_the_global_generator(name: str, fused: bool) -> None:
    without = run(make(replace(CONFIG, fused=fused)))
    core = make(with_field(replace(CONFIG, fused=fused), name, 0.3))
    dropped = run(core.train())
    assert (dropped - without).abs().max() > 0.01
    assert torch.equal(dropped, run(core))
    assert (dropped - run(core, seed=8)).abs().max() > 0.01
    assert torch.equal(run(core.eval()), without)


def test_dropout_is_of_relu_activations() -> None:
    layer = make(replace(CONFIG, dropout=0.25)).layer_list()[0]
    entered: list[Tensor] = []
    layer.contract.register_forward_pre_hook(lambda _, given: entered.append(given[0]))
    hidden = torch.randn(400, 16)
    layer.feed_forward(hidden)
    layer.feed_forward(hidden, 0.25)
    whole, dropped = entered
    is_active = whole > 0
    is_dropped = is_active & (dropped == 0)
    assert abs(float(is_dropped.sum() / is_active.sum()) - 0.25) < 0.02
    torch.testing.assert_close(dropped[~is_dropped], whole[~is_dropped] / 0.75)


def test_attention_dropout_is_of_the_weights() -> None:
    """With equal values, what is left of the weights is what is read: multiples of 1 / (number seen · 0.75)."""
    attention = make(replace(CONFIG, attention_dropout=0.25)).layer_list()[0].attention.double()
    with torch.no_grad():
        attention.query.weight.zero_()  # equal weights
        attention.key_value.weight.zero_()
        attention.key_value.weight[16:, 0] = 1  # each value is the first input
        attention.output.weight.copy_(torch.eye(16))
    normed = torch.ones(50, 6, 16, dtype=torch.float64)
    columns = attention.positions.columns(torch.arange(4, 0, -1).expand(50, -1))
    log_mask = torch.zeros(50, 1, 2, 6, dtype=torch.float64)
    torch.manual_seed(0)
    kept = attention(normed, log_mask, columns).detach() * 6 * 0.75
    torch.testing.assert_close(kept, kept.round())
    assert set(kept.round().flatten().int().tolist()) >= {2, 3, 4, 5, 6}
    assert abs(float(kept.mean()) - 6 * 0.75) < 0.2


def test_acting_never_drops() -> None:
    core = make(replace(CONFIG, dropout=0.5, attention_dropout=0.5)).train()
    state = core.initial_state(2)
    torch.manual_seed(9)
    core.open(state, 2).step(torch.randn(2, 16), torch.ones(2, dtype=torch.bool))
    after = torch.get_rng_state()
    torch.manual_seed(9)
    torch.randn(2, 16)
    assert torch.equal(torch.get_rng_state(), after)


@pytest.mark.parametrize("kind", ["expire_span", "adaptive_span"])
def test_glorot(kind: MemoryKind) -> None:
    config = replace(CONFIG, memory=kind, model=64, feedforward=200, initial_span_fraction=(0.3,))
    core, default = make(replace(config, glorot=True)), make(config)
    for layer, usual in zip(core.layer_list(), default.layer_list(), strict=True):
        keys, values = layer.attention.key_value.weight.chunk(2)
        matrices = [layer.attention.query.weight, keys, values, layer.attention.output.weight]
        matrices += [layer.expand.weight, layer.contract.weight, layer.attention.positions.embedding]
        for matrix in matrices:
            bound = math.sqrt(6 / sum(matrix.shape))
            assert 0.9 * bound < matrix.abs().max() <= bound
            assert abs(float(matrix.detach().std()) - bound / math.sqrt(3)) < 0.1 * bound
        assert not layer.expand.bias.any()
        assert not layer.contract.bias.any()
        for name, parameter in layer.memory.named_parameters():
            assert torch.equal(parameter, dict(usual.memory.named_parameters())[name])
        assert torch.equal(layer.attention_norm.weight, torch.ones(64))


@pytest.mark.parametrize("name", ["dropout", "attention_dropout"])
@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_that_cannot_be(name: str, share: float) -> None:
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} is {share}, but"):
        with_field(CONFIG, name, share)


@pytest.mark.parametrize(
    ("name", "value"), [("dropout", 0.1), ("attention_dropout", 0.1), ("glorot", True), ("fused", True)]
)
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_recurrent_core_has_none_of_it(kind: MemoryKind, name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} is a Transformer's, but --memory {kind}"):
        with_field(replace(CONFIG, memory=kind), name, value)
