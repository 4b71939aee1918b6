"""Every kind of action against torch.distributions, and on its way to the environment and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import Space, spaces
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, Normal

from rlmem.action_heads import ActionHead, GaussianHead, make_action_head
from rlmem.action_heads.gaussian_head import INITIAL_LOG_STD
from rlmem.errors import UsageError

SPACES: dict[str, Space[Any]] = {
    "discrete": spaces.Discrete(4),
    "discrete from 3": spaces.Discrete(3, start=3),
    "one action": spaces.Discrete(1),
    "multi-discrete": spaces.MultiDiscrete([2, 4, 3], start=[0, 5, -1]),
    "multi-discrete matrix": spaces.MultiDiscrete(np.array([[2, 3], [3, 1]]), dtype=np.uint8),
    "multi-binary": spaces.MultiBinary(3),
    "multi-binary matrix": spaces.MultiBinary([2, 2]),
    "box": spaces.Box(np.array([-1, 0, 10], np.float32), np.array([1, 5, 30], np.float32)),
    "matrix box": spaces.Box(-2, 2, (2, 3), np.float64),
    "scalar box": spaces.Box(-2, 2, ()),
    "unbounded box": spaces.Box(np.array([-np.inf, 3, -np.inf]), np.array([np.inf, np.inf, 0]), dtype=np.float64),
}
each_space = pytest.mark.parametrize("name", SPACES)


def make(name: str) -> tuple[ActionHead, Tensor]:
    """A head, and outputs (5, 2, num_outputs) that ask for a gradient."""
    head = make_action_head(SPACES[name])
    generator = torch.Generator().manual_seed(7)
    outputs = 1.5 * torch.randn(5, 2, head.num_outputs, generator=generator)
    if isinstance(head, GaussianHead):
        torch.nn.init.normal_(head.log_std, generator=generator)
    return head, outputs.requires_grad_()


def reference(name: str, head: ActionHead, outputs: Tensor) -> list[Distribution]:
    """One independent distribution for each element of an action."""
    space = SPACES[name]
    if isinstance(space, spaces.Discrete):
        return [Categorical(logits=outputs)]
    if isinstance(space, spaces.MultiDiscrete):
        return [Categorical(logits=part) for part in outputs.split(space.nvec.ravel().tolist(), -1)]
    if isinstance(space, spaces.MultiBinary):
        return [Bernoulli(logits=part) for part in outputs.unbind(-1)]
    assert isinstance(head, GaussianHead)
    return [Normal(mean, std) for mean, std in zip(outputs.unbind(-1), head.log_std.exp(), strict=True)]


def sample(head: ActionHead, outputs: Tensor) -> Tensor:
    return head.sample(outputs, head.noise(tuple(outputs.shape[:-1]), torch.Generator().manual_seed(3)))


@each_space
def test_log_prob_and_entropy_against_torch(name: str) -> None:
    head, outputs = make(name)
    action = sample(head, outputs)
    parts = action.unbind(-1) if head.action_shape else [action]
    distributions = reference(name, head, outputs)
    log_probs = [part.log_prob(chosen.float()) for part, chosen in zip(distributions, parts, strict=True)]
    torch.testing.assert_close(head.log_prob(outputs, action), torch.stack(log_probs).sum(0), rtol=1e-4, atol=1e-5)
    entropies = [part.entropy() for part in distributions]
    torch.testing.assert_close(head.entropy(outputs), torch.stack(entropies).sum(0), rtol=1e-4, atol=1e-5)


@each_space
def test_shapes_dtypes_and_gradients(name: str) -> None:
    head, outputs = make(name)
    noise = head.noise((5, 2), torch.Generator().manual_seed(0))
    assert noise.shape == outputs.shape
    for action in (head.sample(outputs, noise), head.mode(outputs)):
        assert action.shape == (5, 2, *head.action_shape)
        assert action.dtype == head.action_dtype
        assert not action.requires_grad
        assert torch.equal(head.sample(outputs, noise)[3], head.sample(outputs[3], noise[3])), "rows are independent"
        assert head.log_prob(outputs, action).shape == head.entropy(outputs).shape == (5, 2)
    (head.log_prob(outputs, head.sample(outputs, noise)) + head.entropy(outputs)).sum().backward()
    for tensor in (outputs, *head.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
        assert tensor.grad.any() or name == "one action"


@each_space
def test_the_mode_is_a_sample_without_noise_and_the_likeliest(name: str) -> None:
    head, outputs = make(name)
    assert torch.equal(head.mode(outputs), head.sample(outputs, torch.zeros_like(outputs)))
    best = head.log_prob(outputs, head.mode(outputs))
    assert (best >= head.log_prob(outputs, sample(head, outputs))).all()


@each_space
def test_actions_reach_the_space_and_come_back(name: str) -> None:
    head, outputs = make(name)
    space = SPACES[name]
    with torch.no_grad():
        action = sample(head, outputs.detach() * 0.1).numpy()
    sent = head.to_environment(action)
    assert sent.shape == (5, 2, *(space.shape or ()))
    assert sent.dtype == space.dtype
    assert all(space.contains(np.asarray(each)) for row in sent for each in row)
    np.testing.assert_array_equal(sent, head.to_environment(head.from_environment(sent)))
    back = head.from_environment(sent)
    assert back.shape == action.shape
    assert back.dtype == action.dtype
    if not isinstance(head, GaussianHead):
        np.testing.assert_array_equal(back, action)
    space.seed(0)
    chosen = np.asarray(space.sample())
    np.testing.assert_allclose(head.to_environment(head.from_environment(chosen)), chosen, rtol=1e-5)


@pytest.mark.parametrize("name", ["discrete", "multi-discrete", "multi-binary"])
def test_frequencies_match_probabilities(name: str) -> None:
    """A chi-square statistic of every part's counts; its bound is passed by chance once in 10 000."""
    head, outputs = make(name)
    number = 20_000
    repeated = outputs.detach()[0, 0].expand(number, -1)
    action = sample(head, repeated)
    parts = action.unbind(-1) if head.action_shape else [action]
    for distribution, chosen in zip(reference(name, head, outputs.detach()[0, 0]), parts, strict=True):
        p = distribution.probs if isinstance(distribution, Categorical) else None
        if p is None:
            assert isinstance(distribution, Bernoulli)
            p = torch.stack([1 - distribution.probs, distribution.probs])
        counts = chosen.long().bincount(minlength=len(p))
        chi_square = ((counts - number * p).square() / (number * p)).sum()
        assert chi_square < 22, (counts, p)  # 3 degrees of freedom: 21.1


def test_gaussian_samples_have_their_mean_and_deviation() -> None:
    head, outputs = make("box")
    mean = outputs.detach()[0, 0]
    action = sample(head, mean.expand(20_000, -1))
    std = next(head.parameters()).detach().exp()
    assert ((action.mean(0) - mean).abs() < 4 * std / 20_000**0.5).all()
    assert ((action.std(0) / std - 1).abs() < 0.02).all()


def test_discrete_is_what_it_was() -> None:
    """Bit for bit what the rollout and the losses computed before there were heads, so runs stay the same."""
    head, outputs = make("discrete")
    noise = head.noise((5, 2), torch.Generator().manual_seed(11))
    drawn = torch.empty((5, 2, 4)).exponential_(generator=torch.Generator().manual_seed(11))
    assert torch.equal(noise, -drawn.log())
    action = (outputs + noise).argmax(-1)
    assert torch.equal(head.sample(outputs, noise), action)
    log_probs = torch.log_softmax(outputs, dim=-1)
    assert torch.equal(head.log_prob(outputs, action), log_probs.gather(-1, action.unsqueeze(-1)).squeeze(-1))
    assert torch.equal(head.entropy(outputs), -(log_probs.exp() * log_probs).sum(-1))
    assert not list(head.state_dict())
    array = action.numpy()
    assert head.to_environment(array) is array


def test_gaussians_are_scaled_to_the_box_and_clipped() -> None:
    head = make_action_head(SPACES["box"])
    assert isinstance(head, GaussianHead)
    assert head.log_std.tolist() == pytest.approx([INITIAL_LOG_STD] * 3)
    sent = head.to_environment(np.array([[0, 0, 0], [1, -1, 0.5], [7, -7, 1.001]], np.float32))
    np.testing.assert_allclose(sent, np.array([[0, 2.5, 20], [1, 0, 25], [1, 0, 30]]))
    noise = head.noise((10_000,), torch.Generator().manual_seed(0))
    inside = (head.sample(torch.zeros(3), noise).abs() < 1).float().mean()
    assert 0.89 < inside < 0.91


def test_unbounded_elements_keep_their_units() -> None:
    head = make_action_head(SPACES["unbounded box"])
    sent = head.to_environment(np.array([[0, 0, 0], [100, 1, -7], [0, -5, 2]], np.float32))
    np.testing.assert_allclose(sent, [[0, 3, 0], [100, 4, -7], [0, 3, 0]])


def test_an_element_with_equal_bounds() -> None:
    head = make_action_head(spaces.Box(np.array([2, 0], np.float32), np.array([2, 1], np.float32)))
    np.testing.assert_allclose(head.to_environment(np.array([0.7, 0], np.float32)), [2, 0.5])
    assert head.from_environment(np.array([2, 0.5], np.float32)).tolist() == [0, 0]


def test_extreme_logits_stay_finite() -> None:
    for name in ("discrete", "multi-discrete", "multi-binary"):
        head, outputs = make(name)
        extreme = (1000 * outputs.detach()).requires_grad_()
        action = sample(head, extreme)
        total = head.log_prob(extreme, action).sum() + head.entropy(extreme).sum()
        total.backward()
        assert math.isfinite(total.item())
        assert extreme.grad is not None
        assert extreme.grad.isfinite().all()


@pytest.mark.parametrize(
    "space",
    [
        spaces.Text(5),
        spaces.Sequence(spaces.Discrete(2)),
        spaces.Graph(spaces.Box(-1, 1), None),
        spaces.Dict({"a": spaces.Discrete(2)}),
        spaces.Tuple([spaces.Discrete(2)]),
        spaces.Box(0, 5, (2,), np.int64),
        spaces.Box(0, 1, (0,)),
    ],
    ids=lambda space: type(space).__name__,
)
def test_what_has_no_head_is_named(space: Space[Any]) -> None:
    with pytest.raises(UsageError, match="supported are Discrete, MultiDiscrete, MultiBinary and Box") as raised:
        make_action_head(space)
    assert str(space) in str(raised.value)
