"""Adaptive-Span's mask, retention and penalty, head by head."""

from __future__ import annotations

import pytest
import torch

from rlmem.memories import AdaptiveSpanMemory
from rlmem.memory_state import MemoryState
from rlmem.model_config import ModelConfig
from rlmem.transformer import MemoryTransformer
from rlmem.window import Window


def memory_with(*spans: float) -> AdaptiveSpanMemory:
    memory = AdaptiveSpanMemory(len(spans), 20, 4).double()
    memory.logit.data = torch.logit(torch.tensor(spans, dtype=torch.float64) / 20)
    return memory


def test_each_head_fades_after_its_own_span() -> None:
    ages = torch.tensor([[[0.0, 5.0, 6.0, 8.0, 9.0, 10.0, 13.0, torch.inf]]], dtype=torch.float64)
    mask = memory_with(5, 10).log_mask(ages, None).exp()
    assert mask.shape == (1, 2, 1, 8)
    expected = [[1, 1, 0.75, 0.25, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 0.25, 0]]
    torch.testing.assert_close(mask[0, :, 0], torch.tensor(expected, dtype=torch.float64))


def test_a_slot_is_kept_while_any_head_sees_it() -> None:
    memory = memory_with(3.5, 7.25)
    age = torch.arange(20.0, dtype=torch.float64)[None]
    seen = (memory.log_mask(age[:, None], None) > -torch.inf).any(1)[:, 0]
    assert torch.equal(memory.is_kept(age, None), seen)
    assert seen.sum() == 12


def test_the_penalty_is_the_mean_span() -> None:
    memory = memory_with(4, 10)
    state = MemoryState((), torch.zeros(3, dtype=torch.int64), torch.zeros(3, dtype=torch.int64))
    window = Window.following(state, torch.zeros(3, 6, dtype=torch.bool))
    cost = memory.auxiliary_loss(window.time, None, window)
    torch.testing.assert_close(cost, torch.full((3,), 7.0, dtype=torch.float64))
    cost.mean().backward()
    assert memory.logit.grad is not None
    torch.testing.assert_close(memory.logit.grad, torch.tensor([4 * 0.8 / 2, 10 * 0.5 / 2], dtype=torch.float64))
    torch.testing.assert_close(memory.spans(torch.zeros(2, 5, 8)), torch.full((2, 5), 7.0, dtype=torch.float64))


@pytest.mark.parametrize("fractions", [(0.3,), (0.1, 0.9)])
def test_initial_spans_by_layer(fractions: tuple[float, ...]) -> None:
    config = ModelConfig(memory="adaptive_span", max_span=50, initial_span_fraction=fractions)
    for number, layer in enumerate(MemoryTransformer(config).layer_list()):
        assert isinstance(layer.memory, AdaptiveSpanMemory)
        torch.testing.assert_close(layer.memory.head_spans(), torch.full((2,), 50 * fractions[number % len(fractions)]))
