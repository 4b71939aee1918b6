"""A window read in blocks of queries against the same window read as a whole."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import Tensor

from rlmem import query_blocks
from rlmem.memory_state import MemoryState
from rlmem.model_config import RECURRENT_KINDS, MemoryKind, ModelConfig
from rlmem.query_blocks import overlapping
from rlmem.transformer import MemoryTransformer, plain_attention
from rlmem.window import Window

ROWS, STEPS, MODEL = 3, 12, 8
CONFIG = ModelConfig(
    num_layers=2, model=MODEL, heads=2, feedforward=8, position_reach=9, max_span=7, ramp=3, compression_rate=2
)
KINDS = [kind for kind in get_args(MemoryKind) if kind not in RECURRENT_KINDS]


def core_of(kind: MemoryKind) -> MemoryTransformer:
    torch.manual_seed(5)
    core = MemoryTransformer(replace(CONFIG, memory=kind)).double()
    with torch.no_grad():
        for layer in core.layer_list():
            for parameter in layer.memory.parameters():
                parameter.add_(torch.randn_like(parameter))
    return core


def window_of(core: MemoryTransformer) -> tuple[MemoryState, Window]:
    """A window after two others, in which episodes end at different steps of different rows."""
    is_first = torch.zeros(ROWS, STEPS, dtype=torch.bool)
    is_first[0, 5], is_first[1, 6:8] = True, True
    state = core.initial_state(ROWS)
    for begins in (torch.zeros_like(is_first), is_first):
        window = Window.following(state, begins)
        inputs = torch.randn(ROWS, STEPS, MODEL, dtype=torch.float64)
        state = core.carry(state, core(inputs, state, window).layer_inputs, window)
    return state, Window.following(state, is_first)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at_once", [1, 4, 5])
def test_blocks_read_what_the_whole_reads_with_its_gradients(
    kind: MemoryKind, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = core_of(kind)
    state, window = window_of(core)
    inputs = torch.randn(ROWS, STEPS, MODEL, dtype=torch.float64, requires_grad=True)
    monkeypatch.setitem(query_blocks._QUERIES_AT_ONCE, "cpu", at_once)

    def read() -> tuple[Tensor, ...]:
        hidden = core(inputs, state, window).hidden
        loss = (hidden * torch.linspace(-1, 1, hidden.numel(), dtype=torch.float64).view_as(hidden)).sum()
        return hidden, *torch.autograd.grad(loss, [inputs, *core.parameters()], allow_unused=True)

    blocks = read()
    with plain_attention(core):
        whole = read()
    for one, other in zip(blocks, whole, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_a_block_leaves_out_what_no_query_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Transformer-XL with L = 7 in one long episode: of a block from step s the first slot is of step s - 7."""
    core = core_of("transformer_xl")
    layer = core.layer_list()[0]
    monkeypatch.setitem(query_blocks._QUERIES_AT_ONCE, "cpu", 4)
    time = torch.arange(30, 30 + 20).expand(ROWS, -1)
    state = MemoryState(core.initial_state(ROWS).layers, time[:, 8], torch.zeros(ROWS, dtype=torch.int64))
    window = Window.following(state, torch.zeros(ROWS, STEPS, dtype=torch.bool))
    blocks = query_blocks.query_blocks(layer.memory, layer.attention.positions, time, None, window)
    assert [block.queries for block in blocks] == [slice(0, 4), slice(4, 8), slice(8, 12)]
    assert [block.slots for block in blocks] == [slice(1, 12), slice(5, 16), slice(9, 20)]


def test_gradients_of_overlapping_parts_add_up() -> None:
    slots = torch.randn(2, 6, 3, dtype=torch.float64, requires_grad=True)
    parts = [slice(0, 3), slice(2, 6), slice(1, 4)]
    assert torch.autograd.gradcheck(lambda x: overlapping(x, parts), (slots,))
