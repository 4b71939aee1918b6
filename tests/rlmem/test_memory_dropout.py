"""Structured dropout of old memories: the window's reach, and who draws it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rlmem.core import Core
from rlmem.make_core import make_core
from rlmem.memory_state import MemoryState
from rlmem.model_config import MemoryKind, ModelConfig
from rlmem.window import Window


def make(kind: MemoryKind = "transformer_xl", max_span: int = 8, *, dropout: bool = True) -> Core:
    torch.manual_seed(0)
    config = ModelConfig(
        model=8, heads=2, feedforward=8, position_reach=4, memory=kind, max_span=max_span, memory_dropout=dropout
    )
    return make_core(config).double()


def reached(core: Core) -> tuple[MemoryState, torch.Tensor, Window]:
    state = core.initial_state(2)
    inputs = torch.randn(2, 20, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    window = Window.following(state, torch.zeros(2, 10, dtype=torch.bool))
    state = core.carry(state, core(inputs[:, :10], state, window).layer_inputs, window)
    return state, inputs[:, 10:], Window.following(state, torch.zeros(2, 10, dtype=torch.bool))


def test_a_window_of_reach_l_sees_the_last_l_steps() -> None:
    state, inputs, window = reached(make())
    shortened = make()(inputs, state, replace(window, reach=3.7)).hidden
    torch.testing.assert_close(shortened, make(max_span=3)(inputs, state, window).hidden)
    assert (shortened - make()(inputs, state, window).hidden).abs().max() > 1e-3
    row = torch.tensor([1])
    alone = make()(inputs[row], state.rows(row), replace(window, reach=3.7).rows(row)).hidden
    torch.testing.assert_close(alone, shortened[row])


@pytest.mark.parametrize("kind", ["expire_span", "transformer_xl", "adaptive_span", "compressive"])
def test_a_reach_of_nothing_leaves_each_query_its_own_step(kind: MemoryKind) -> None:
    core = make(kind)
    state, inputs, window = reached(core)
    for trace in core(inputs, state, replace(window, reach=0.3)).traces:
        assert ((trace.log_mask > -torch.inf).any(1).sum(2) == 1).all()


def test_the_reach_is_drawn_from_the_callers_generator() -> None:
    core = make()
    _, _, window = reached(core)
    generator = torch.Generator().manual_seed(0)
    drawn = [core.with_memory_dropout(window, generator).reach for _ in range(300)]
    saved = generator.get_state()
    following = [core.with_memory_dropout(window, generator).reach for _ in range(3)]
    reaches = torch.tensor([reach for reach in drawn if reach is not None])
    assert len(reaches) == 300
    assert 0 <= reaches.min() < 0.2
    assert 7.8 < reaches.max() <= 8
    assert abs(float(reaches.mean()) - 4) < 0.4
    torch.manual_seed(5)  # the global generator has no part in it
    generator.set_state(saved)
    assert following == [core.with_memory_dropout(window, generator).reach for _ in range(3)]


@pytest.mark.parametrize("core", [make().eval(), make(dropout=False)])
def test_nothing_is_drawn_outside_training_or_by_default(core: Core) -> None:
    _, _, window = reached(core)
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert core.with_memory_dropout(window, generator) is window
    assert torch.equal(generator.get_state(), before)
    assert not ModelConfig().memory_dropout
