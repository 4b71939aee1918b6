"""Compiled steps of acting against PyTorch's in float64, for every kind of memory."""

from __future__ import annotations

import copy
import multiprocessing
from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import Tensor

from rlmem import acting
from rlmem.acting import ActingCache, _OpenCache
from rlmem.compiled_acting import CompiledCache, is_compiled
from rlmem.errors import UsageError
from rlmem.model_config import RECURRENT_KINDS, MemoryKind, ModelConfig
from rlmem.transformer import MemoryTransformer
from rlmem.window import Window

ROWS, STEPS, MODEL = 37, 30, 12
CONFIG = ModelConfig(
    num_layers=2, model=MODEL, heads=2, feedforward=10, position_reach=9, max_span=14, ramp=3, compression_rate=2
)
KINDS = [kind for kind in get_args(MemoryKind) if kind not in RECURRENT_KINDS]


def core_of(kind: MemoryKind, features: int = 0) -> MemoryTransformer:
    """One whose weights and spans are not all the same."""
    torch.manual_seed(5)
    core = MemoryTransformer(replace(CONFIG, memory=kind, span_features=features))
    with torch.no_grad():
        for parameter in core.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return core


def play(core: MemoryTransformer, windows: int = 2) -> list[Tensor]:
    """Outputs, sizes and peeks of some windows in which episodes end, and the memory after them."""
    generator = torch.Generator().manual_seed(1)
    state, seen = core.initial_state(ROWS), list[Tensor]()
    for _ in range(windows):
        cache = ActingCache(core, state, STEPS)
        inputs = torch.randn(STEPS + 1, ROWS, MODEL, generator=generator).to(core.norm.weight.dtype)
        is_first = torch.rand(STEPS, ROWS, generator=generator) < 0.05
        for step in range(STEPS):
            seen += cache.step(inputs[step], is_first[step])
            if step % 7 == 0:
                seen.append(cache.peek(inputs[step + 1]))
        seen.append(cache.peek(inputs[STEPS]))
        window = Window.following(state, is_first.t())
        state = core.carry(state, cache.layer_inputs(), window)
        seen += [layer.hidden for layer in state.layers]
    return seen


@pytest.mark.parametrize(("kind", "features"), [*((kind, 0) for kind in KINDS), ("expire_span", 6)])
def test_compiled_steps_are_pytorchs(kind: MemoryKind, features: int) -> None:
    core = core_of(kind, features)
    exact = copy.deepcopy(core).double()
    assert is_compiled(core)
    assert not is_compiled(exact)
    assert isinstance(ActingCache(core, core.initial_state(ROWS), STEPS)._part, CompiledCache)
    assert isinstance(ActingCache(exact, exact.initial_state(ROWS), STEPS)._part, _OpenCache)
    with torch.no_grad():
        for one, other in zip(play(core), play(exact), strict=True):
            assert one.dtype == (torch.int64 if other.dtype == torch.int64 else torch.float32)
            torch.testing.assert_close(one.double(), other.double(), rtol=1e-4, atol=1e-4)


def test_results_do_not_depend_on_threads() -> None:
    core, before = core_of("expire_span", 6), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = play(core)
        torch.set_num_threads(2)
        together = play(core)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=True))


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of several threads, and that is the point
def test_a_forked_process_goes_on_with_one_thread() -> None:
    """OpenMP's threads do not survive a fork: to use them there would end the process."""
    core, before = core_of("expire_span"), torch.get_num_threads()
    inputs, is_first = torch.ones(ROWS, MODEL), torch.zeros(ROWS, dtype=torch.bool)
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    try:
        torch.set_num_threads(2)
        cache = ActingCache(core, core.initial_state(ROWS), 3)
        cache.step(inputs, is_first)
        process = context.Process(target=lambda: sender.send(cache.step(inputs, is_first)[0].numpy()))
        process.start()
        assert receiver.poll(60), "the forked process gave nothing"
        there = receiver.recv()
        process.join(60)
        assert process.exitcode == 0
        assert (cache.step(inputs, is_first)[0].numpy() == there).all()
    finally:
        torch.set_num_threads(before)


def test_autocast_acts_in_pytorchs_operations() -> None:
    core = core_of("expire_span")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not is_compiled(core)


def test_steps_of_another_size_are_refused() -> None:
    """They would be read from beyond the arrays' ends."""
    core = core_of("expire_span")
    cache = ActingCache(core, core.initial_state(2), 3)
    is_first = torch.zeros(2, dtype=torch.bool)
    for inputs, firsts in (
        (torch.ones(3, MODEL), is_first),
        (torch.ones(2, MODEL + 1), is_first),
        (torch.ones(2, MODEL), is_first[:1]),
        (torch.ones(2, MODEL).double(), is_first),
    ):
        with pytest.raises(UsageError, match=r"but a step of this memory takes \(2, 12\) of torch.float32 and \(2,\)"):
            cache.step(inputs, firsts)


def test_many_memories_are_known_fewer_steps_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    core = core_of("expire_span", 6)
    expected = play(core)
    monkeypatch.setattr(acting, "_MOST_SEEN", 0)
    monkeypatch.setattr(acting, "_FEWEST_STEPS", 4)
    for one, other in zip(play(core), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
