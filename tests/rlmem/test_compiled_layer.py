"""Windows in compiled loops against PyTorch's operations in float64, for every kind of memory."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import Tensor

from rlmem import transformer
from rlmem.compiled_layer import is_compiled, run_window
from rlmem.core import Core
from rlmem.memory_state import MemoryState
from rlmem.model_config import RECURRENT_KINDS, MemoryKind, ModelConfig
from rlmem.transformer import MemoryTransformer
from rlmem.window import Window

ROWS = 5
CONFIG = ModelConfig(
    num_layers=2, model=12, heads=2, feedforward=10, position_reach=9, max_span=14, ramp=3, compression_rate=2
)
TILES = replace(CONFIG, model=64, heads=2, feedforward=96)  # whose products are made of whole tiles
KINDS = [kind for kind in get_args(MemoryKind) if kind not in RECURRENT_KINDS]


def core_of(config: ModelConfig) -> MemoryTransformer:
    """One whose weights and spans are not all the same."""
    torch.manual_seed(5)
    core = MemoryTransformer(config)
    with torch.no_grad():
        for parameter in core.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.2)
    return core


def read(core: Core, steps: int, reach: float | None = None, scale: float = 1.0) -> list[Tensor]:
    """What the third of three windows gives, in which episodes end, and the gradients of a loss of it."""
    generator, dtype = torch.Generator().manual_seed(1), core.norm.weight.dtype
    state, model = core.initial_state(ROWS), core.config.model
    window, inputs = _next(state, steps, model, generator)
    for _ in range(2):
        with torch.no_grad():
            state = core.carry(state, core(scale * inputs.to(dtype), state, window).layer_inputs, window)
        window, inputs = _next(state, steps, model, generator)
    window = replace(window, reach=reach)
    inputs = (scale * inputs.to(dtype)).requires_grad_()
    output = core(inputs, state, window)
    loss = (output.hidden * torch.linspace(-1, 1, output.hidden.numel()).view_as(output.hidden).to(dtype)).sum()
    parameters = [parameter for parameter in core.parameters() if parameter.requires_grad]
    grads = torch.autograd.grad(loss, [inputs, *parameters], allow_unused=True)
    return [output.hidden.detach(), *(torch.zeros(()) if grad is None else grad for grad in grads)]


def _next(state: MemoryState, steps: int, model: int, generator: torch.Generator) -> tuple[Window, Tensor]:
    is_first = torch.rand(ROWS, steps, generator=generator) < 0.05
    return Window.following(state, is_first), torch.randn(ROWS, steps, model, generator=generator)


def assert_close(ours: list[Tensor], exact: list[Tensor]) -> None:
    """The same but for rounding in float32, each tensor measured by its largest number."""
    for one, other in zip(ours, exact, strict=True):
        torch.testing.assert_close(one.double(), other.double(), rtol=0, atol=3e-5 * max(1.0, other.abs().max().item()))


@pytest.fixture
def compiled_calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The queries of every compiled window."""
    calls = list[int]()

    def counted(*arguments: object) -> Tensor:
        window = arguments[-1]
        assert isinstance(window, Window)
        calls.append(window.num_queries)
        return run_window(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(transformer, "run_window", counted)
    return calls


@pytest.mark.parametrize("config", [CONFIG, TILES], ids=["odd", "tiles"])
@pytest.mark.parametrize("steps", [1, 13, 24])
@pytest.mark.parametrize("kind", KINDS)
def test_windows_and_gradients_are_pytorchs(
    kind: MemoryKind, steps: int, config: ModelConfig, compiled_calls: list[int]
) -> None:
    core = core_of(replace(config, memory=kind))
    exact = copy.deepcopy(core).double()
    ours = read(core, steps)
    assert compiled_calls == [steps] * 6
    assert_close(ours, read(exact, steps))
    assert compiled_calls == [steps] * 6, "float64 is read by PyTorch's operations"


@pytest.mark.parametrize("reach", [0.0, 4.0])
def test_a_window_that_forgets_more_than_its_memory(reach: float) -> None:
    core = core_of(replace(CONFIG, memory="expire_span", span_features=6))
    assert_close(read(core, 13, reach), read(copy.deepcopy(core).double(), 13, reach))


def test_a_hidden_slot_may_score_far_above_all_that_is_seen() -> None:
    """Its logit is beyond what the exponent of a float32 spans from theirs."""
    core = core_of(replace(TILES, memory="expire_span"))
    with torch.no_grad():
        for layer in core.layer_list():
            layer.attention.query.weight.mul_(12)
            layer.attention.key_value.weight[:64].mul_(12)
    ours, exact = read(core, 24), read(copy.deepcopy(core).double(), 24)
    assert all(tensor.isfinite().all() for tensor in ours)
    torch.testing.assert_close(ours[0].double(), exact[0], rtol=0, atol=2e-2 * exact[0].abs().max().item())


def test_what_is_not_a_number_is_not_hidden() -> None:
    core = core_of(replace(TILES, memory="expire_span"))
    with torch.no_grad():
        core.layer_list()[0].attention.query.weight[0, 0] = torch.nan
    assert read(core, 13)[0].isnan().any()


def test_threads_change_the_rounding_only_and_runs_repeat_bit_for_bit() -> None:
    core, before = core_of(replace(TILES, memory="expire_span")), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = read(core, 24)
        torch.set_num_threads(2)
        together, again = read(core, 24), read(core, 24)
    finally:
        torch.set_num_threads(before)
    assert_close(alone, together)
    assert all(torch.equal(one, other) for one, other in zip(together, again, strict=True))


def test_dropout_and_autocast_are_pytorchs() -> None:
    layer = core_of(replace(CONFIG, dropout=0.1)).layer_list()[0]
    tensor = torch.zeros(1)
    assert not is_compiled(layer.train(), tensor)
    assert is_compiled(layer.eval(), tensor)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not is_compiled(layer, tensor)


@pytest.mark.parametrize("kind", KINDS)
def test_ramps_are_the_masks(kind: MemoryKind) -> None:
    core = core_of(replace(CONFIG, memory=kind)).double()
    memory, generator = core.layer_list()[1].memory, torch.Generator().manual_seed(2)
    normed = torch.randn(3, 20, CONFIG.model, generator=generator, dtype=torch.float64)
    age = torch.arange(20).flip(0).expand(3, 1, 20) + torch.arange(3)[:, None, None]  # (batch, query, slots)
    steps = 1 + torch.arange(20).expand(3, -1) % 2 if kind == "compressive" else None
    described = memory.describe(normed, torch.arange(20).expand(3, -1), steps)
    ramp = memory.as_ramp(described)
    assert ramp is not None
    mask = (1 + (ramp.span[:, :, None] - age[:, None]) / ramp.length).clamp(0, 1)
    mask = mask * (age >= torch.as_tensor(ramp.lowest).expand(3, 20)[:, None])[:, None]
    expected = memory.log_mask(age.double(), described).exp()
    torch.testing.assert_close(mask.expand_as(expected).double(), expected, rtol=0, atol=1e-12)
