"""Expire-Span's formulas: the mask, its gradient, the cost in closed form, and the span's precision."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rlmem.errors import UsageError
from rlmem.memories import ExpireSpanMemory, TransformerXLMemory
from rlmem.memories.expire_span import log_ramp, ramp_cost
from rlmem.memories.span_features import RandomFeatures
from rlmem.memory_state import EMPTY_TIME, MemoryState
from rlmem.model_config import ModelConfig
from rlmem.window import Window


def naive_log_ramp(span: Tensor, age: Tensor, ramp: float) -> Tensor:
    """The same through autograd, with the double where that keeps log's gradient finite."""
    mask = (1 + (span.unsqueeze(-2) - age) / ramp).clamp(0, 1)
    live = mask > 0
    return torch.where(live, torch.log(torch.where(live, mask, 1.0)), -torch.inf)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log_ramp_and_its_gradient(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    span = (torch.rand(3, 40, generator=generator) * 10).to(dtype)
    age = torch.randint(0, 16, (3, 7, 40), generator=generator).to(dtype)
    age[0, 2, 5] = torch.inf
    weight = torch.randn(3, 7, 40, generator=generator).to(dtype)
    results = []
    for function in (log_ramp, naive_log_ramp):
        leaf = span.clone().requires_grad_()
        value = function(leaf, age, 4)
        attention = torch.softmax(weight + value, -1)
        (attention * weight).sum().backward()
        assert leaf.grad is not None
        assert torch.isfinite(leaf.grad).all()
        results.append((value.detach(), leaf.grad))
    assert results[0][1].abs().max() > 1e-3
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow)


@pytest.mark.parametrize(
    ("span", "age", "expected"), [(5, 5, 0.0), (5, 6, 0.75), (5, 8, 0.25), (5, 9, None), (0, 0, 0.0), (0, 3, 0.25)]
)
def test_log_ramp_by_hand(span: float, age: float, expected: float | None) -> None:
    value = log_ramp(torch.tensor([[float(span)]]), torch.tensor([[[float(age)]]]), 4).exp()
    assert float(value) == pytest.approx({None: 0.0, 0.0: 1.0}.get(expected, expected))


def slow_cost(
    span: list[float], slot_time: list[int], start: int, episode: list[tuple[int, bool]], ramp: int, charge: bool
) -> float:
    """One row's cost by a double loop; `episode` gives for each query its episode's start and whether it ends there."""
    total = 0.0
    for query, (episode_start, is_last) in enumerate(episode):
        time = start + query
        for e, i in zip(span, slot_time, strict=True):
            if not episode_start <= i <= time:
                continue
            mask = min(max(1 + (e - (time - i)) / ramp, 0), 1)
            if 0 < mask < 1:
                total += (e - (time - i)) / ramp
            if charge and is_last and mask == 1:
                total += e - (time - i)
    return total / len(episode)


@st.composite
def windows(draw: st.DrawFn) -> tuple[int, int, list[bool], list[bool], list[int], list[float]]:
    start = draw(st.sampled_from([20, 400_000_000]))
    query = draw(st.integers(1, 12))
    is_last = draw(st.lists(st.booleans(), min_size=query, max_size=query))
    begins = draw(st.booleans())
    is_first = [begins, *is_last[:-1]]
    began = draw(st.integers(1, 15))
    ages = sorted(draw(st.sets(st.integers(1, 20), max_size=6)), reverse=True)
    whole = st.integers(0, 10).map(float)  # whole spans sit on the ramp's ends
    spans = draw(st.lists(st.one_of(whole, st.floats(0, 10)), min_size=len(ages) + query, max_size=len(ages) + query))
    return start, start - began, is_first, is_last, [start - age for age in ages], spans


@settings(max_examples=300, deadline=None, derandomize=True)
@given(windows(), st.integers(1, 5), st.booleans())
def test_closed_form_cost(
    case: tuple[int, int, list[bool], list[bool], list[int], list[float]], ramp: int, charge: bool
) -> None:
    start, episode_start, is_first, is_last, stored, spans = case
    query = len(is_first)
    slot_time = [EMPTY_TIME, *stored, *range(start, start + query)]
    spans = [3.0, *spans]
    state = MemoryState((), torch.tensor([start]), torch.tensor([episode_start]))
    window = Window.following(state, torch.tensor([is_first]), torch.tensor([is_last]))
    span = torch.tensor([spans], dtype=torch.float64, requires_grad=True)
    cost = ramp_cost(span, torch.tensor([slot_time]), window, ramp, is_charged_at_end=charge)

    episode, running = [], episode_start
    for index in range(query):
        running = start + index if is_first[index] else running
        episode.append((running, is_last[index]))
    expected = slow_cost(spans, slot_time, start, episode, ramp, charge)
    assert float(cost.detach()) == pytest.approx(expected, abs=1e-9)

    (gradient,) = torch.autograd.grad(cost.sum(), span)
    for index, value in enumerate(spans):  # the cost is piecewise linear: count instead of differencing
        visible = [
            (start + q - slot_time[index], last) for q, (began, last) in enumerate(episode)
            if began <= slot_time[index] <= start + q
        ]  # fmt: skip
        on_ramp = sum(value < age < value + ramp for age, _ in visible)
        outlived = sum(last and age <= value for age, last in visible)
        assert float(gradient[0, index]) == pytest.approx((on_ramp / ramp + charge * outlived) / query)


@pytest.mark.parametrize("pre_divisor", [0.5, 1.0, 64.0])
@pytest.mark.parametrize("fraction", [0.1, 0.9])
def test_initial_span(pre_divisor: float, fraction: float) -> None:
    memory = ExpireSpanMemory(8, 200, 16, initial_fraction=fraction, pre_divisor=pre_divisor)
    torch.testing.assert_close(memory.spans(torch.randn(2, 3, 8)), torch.full((2, 3), fraction * 200))


def test_spans_stay_float32_under_autocast() -> None:
    memory = ExpireSpanMemory(8, 16_384, 16, initial_fraction=0.5)
    memory.weight.data.normal_(generator=torch.Generator().manual_seed(0))
    normed = torch.randn(4, 9, 8, generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        span = memory.spans(normed)
        assert memory.spans(normed.bfloat16()).dtype == torch.float32
    assert span.dtype == torch.float32
    assert torch.equal(span, memory.spans(normed))


def by_kind() -> list[Callable[[], ExpireSpanMemory | TransformerXLMemory]]:
    return [lambda: ExpireSpanMemory(4, 10, 3, initial_fraction=0.3), lambda: TransformerXLMemory(6)]


@pytest.mark.parametrize("make", by_kind())
def test_retention_is_exactly_what_the_mask_shows(make: Callable[[], ExpireSpanMemory | TransformerXLMemory]) -> None:
    """A slot is kept for the next query if and only if that query sees it."""
    memory = make()
    normed = torch.zeros(1, 16, 4)
    age = torch.arange(16.0)[None]
    described = memory.spans(normed)
    seen = memory.log_mask(age[:, None], described)[:, 0, 0] > -torch.inf
    assert torch.equal(memory.is_kept(age, described), seen)
    assert seen.sum() == (6 if isinstance(memory, ExpireSpanMemory) else 7)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"ramp": 0}, "--ramp is 0"),
        ({"max_span": 0}, "--max-span is 0"),
        ({"model": 64, "heads": 3}, "--heads 3 does not divide"),
        ({"memory": "expire_spam"}, "expire_span, transformer_xl"),
        ({"num_compressed": 0}, "--num-compressed is 0"),
        ({"compression_rate": 1}, "--compression-rate is 1, but it must be at least 2"),
        ({"memory": "gru", "memory_dropout": True}, "--memory gru keeps none"),
        ({"memory": "none", "memory_dropout": True}, "--memory none keeps none"),
        ({"initial_span_fraction": (1.0,)}, "strictly between 0 and 1"),
        ({"initial_span_fraction": (0.5, 0.5, 0.5)}, "3 values, but the model has 2 layers"),
        ({"span_pre_divisor": 0.0}, "must be positive"),
        ({"num_layers": 0}, "--num-layers is 0"),
    ],
)
def test_bad_configurations_are_refused(keywords: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ModelConfig(**keywords)  # type: ignore[arg-type]


def test_random_features_are_a_gaussian_kernel() -> None:
    torch.manual_seed(0)
    features = RandomFeatures(64, 20_000)
    states = torch.nn.functional.layer_norm(torch.randn(5, 64) * 3 + torch.randn(64) * 5, (64,))
    products = features.scale**2 * features(states) @ features(states).t()
    torch.testing.assert_close(products, torch.exp(-(torch.cdist(states, states) ** 2) / 8), rtol=0, atol=0.04)


def test_random_features_have_the_gradient_of_their_formula() -> None:
    torch.manual_seed(1)
    features = RandomFeatures(5, 7).double()
    states = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(features, (states,))
    angles = states @ features.get_buffer("projection").t() + features.get_buffer("phase")
    torch.testing.assert_close(features(states), torch.cos(angles), rtol=0, atol=1e-12)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("states", "model", "width"), [((3, 70), 64, 128), ((2, 450), 16, 32), ((1, 5), 5, 7), ((0, 4), 8, 8)]
)
def test_compiled_sums_of_random_features_are_those_of_float64(
    states: tuple[int, int], model: int, width: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    torch.manual_seed(2)
    features = RandomFeatures(model, width)
    normed, weight = torch.randn(*states, model, requires_grad=True), torch.randn(width, requires_grad=True)
    sums = features.weighted(normed, weight)
    to_sums = torch.randn_like(sums)
    gradients = torch.autograd.grad(sums, (normed, weight), to_sums)
    inputs = normed.double(), weight.double()
    expected = deepcopy(features).double().weighted(*inputs)
    expected_gradients = torch.autograd.grad(expected, inputs, to_sums.double())
    torch.testing.assert_close(sums.double(), expected, rtol=0, atol=1e-4)
    for gradient, exact in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient.double(), exact, rtol=1e-4, atol=3e-4)


def span_of(memory: ExpireSpanMemory, state: Tensor) -> float:
    return float(memory.spans(state[None, None]).detach())


def test_a_cost_on_familiar_states_leaves_unlike_ones_with_random_features() -> None:
    torch.manual_seed(0)
    common = torch.randn(64)
    familiar, rare = (torch.nn.functional.layer_norm(common + 0.6 * torch.randn(64), (64,)) for _ in range(2))
    assert torch.nn.functional.cosine_similarity(familiar, rare, dim=0) > 0.6
    spans = {}
    for num_features in (0, 128):
        memory = ExpireSpanMemory(64, 200, 16, initial_fraction=0.9, num_features=num_features)
        assert span_of(memory, rare) == pytest.approx(180, rel=1e-5)
        optimizer = torch.optim.SGD([p for p in memory.parameters() if p.requires_grad], lr=1e-3)
        while span_of(memory, familiar) > 20:
            optimizer.zero_grad()
            memory.spans(familiar[None, None]).sum().backward()
            optimizer.step()
        spans[num_features] = span_of(memory, rare)
    assert spans[0] < 80
    assert spans[128] > 150
    assert not memory.bias.requires_grad
