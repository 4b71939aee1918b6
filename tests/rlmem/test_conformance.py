"""`check_memory` on policies that are right: ours of every kind, and users' own; and how it reports."""

from __future__ import annotations

import json
from typing import Any, get_args

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor, nn

from rlmem.actor_critic import ActorCritic
from rlmem.errors import UsageError
from rlmem.model_config import MemoryKind, ModelConfig
from rlmem.testing import check_memory
from rlmem.testing.observations import sample_observations
from rlmem.testing.trial import PolicyError
from rlmem.word_space import WordSpace

OBSERVATIONS = spaces.Box(-1, 1, (3,))


def make_policy(kind: MemoryKind = "expire_span", *, space: spaces.Space[Any] = OBSERVATIONS) -> ActorCritic:
    """A small policy whose values and spans are not all the same; its memories live for up to 10 steps."""
    torch.manual_seed(0)
    config = ModelConfig(model=16, heads=2, feedforward=16, position_reach=5, memory=kind, max_span=7, ramp=3)
    policy = ActorCritic(config, space, spaces.Discrete(3))
    for parameter in policy.parameters():
        parameter.data.add_(torch.randn(parameter.shape), alpha=0.2)
    return policy


class GRUPolicy(nn.Module):
    """The example of `rlmem.testing`, typed."""

    def __init__(self, observation_space: spaces.Box, num_actions: int, width: int = 32) -> None:
        super().__init__()
        self.observation_space = observation_space
        self.encoder = nn.Linear(observation_space.shape[0], width)
        self.memory = nn.GRUCell(width, width)
        self.heads = nn.Linear(width, num_actions + 1)

    def initial_state(self, batch: int) -> Tensor:
        return torch.zeros(batch, self.memory.hidden_size)

    def act(self, observation: Tensor, state: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        state = self.memory(torch.tanh(self.encoder(observation)), state * ~is_first[:, None])
        scores = self.heads(state)
        return scores[:, :-1], scores[:, -1], state

    def window(self, observation: Tensor, state: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        steps = []
        for time in range(is_first.shape[1]):
            *step, state = self.act(observation[:, time], state, is_first[:, time])
            steps.append(step)
        outputs, values = (torch.stack(part, dim=1) for part in zip(*steps, strict=True))
        return outputs, values, state.detach()

    def bootstrap(self, observation: Tensor, state: Tensor) -> Tensor:
        return self.act(observation, state, torch.zeros(len(state), dtype=torch.bool))[1]


class ForgetfulResetPolicy(GRUPolicy):
    """The common mistake: the window runs a fast GRU over all its steps, reset at the window's first step alone."""

    def window(self, observation: Tensor, state: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        inside = torch.zeros_like(is_first)
        inside[:, 0] = is_first[:, 0]
        return super().window(observation, state, inside)


def gru_policy(kind: type[GRUPolicy] = GRUPolicy) -> GRUPolicy:
    torch.manual_seed(0)
    return kind(OBSERVATIONS, 3, width=8)


@pytest.mark.parametrize("kind", get_args(MemoryKind))
def test_our_policies_pass(kind: MemoryKind) -> None:
    report = check_memory(make_policy(kind), steps=40)
    assert report.passed, report
    assert set(report.not_checked) <= {"empty_slots", "deletion"}, report
    if kind in ("expire_span", "transformer_xl", "adaptive_span"):
        assert report.not_checked == (), report
        assert report["deletion"].note == ""  # memories of the running episode were deleted, too


def test_float32() -> None:
    report = check_memory(make_policy(), steps=40, dtype=torch.float32)
    assert report.passed, report
    assert report.not_checked == ("gradients",)
    assert "float64" in report["gradients"].note
    assert report["acting"].tolerance == 1e-5
    assert 1e-9 < (report["acting"].difference or 0) < 1e-5


def test_a_users_policy_passes() -> None:
    report = check_memory(gru_policy(), steps=40)
    assert report.passed, report
    assert report.not_checked == ("empty_slots", "deletion", "absolute_time", "saved_state")
    assert "with_garbage" in report["empty_slots"].note


def test_the_docstring_holds_the_example() -> None:
    import rlmem.testing

    text = rlmem.testing.__doc__ or ""
    code = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))
    source = code[code.index("class GRUPolicy") :]
    names: dict[str, Any] = {"torch": torch, "nn": nn}
    exec(source, names)
    assert check_memory(names["GRUPolicy"](OBSERVATIONS, 3), steps=20).passed


def test_a_reset_forgotten_inside_windows() -> None:
    report = check_memory(gru_policy(ForgetfulResetPolicy), steps=40)
    assert report.failed == ("acting", "window_size", "boundary_outputs", "boundary_gradients")
    first = report["acting"].first or report["acting"].where
    assert first is not None
    assert first.row is not None
    assert first.row >= 1  # row 0 is one long episode
    outputs = report["boundary_outputs"]
    place = outputs.first or outputs.where
    assert place is not None
    assert place.step == 25  # the reset
    assert "windows of 40" in str(outputs.where)
    assert "reset" in report["window_size"].note


def test_the_policy_and_random_state_stay_as_they_are() -> None:
    policy, space = make_policy(), spaces.Discrete(5, seed=3)
    expected = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    random = torch.get_rng_state()
    numpy_state = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    policy.train()
    check_memory(policy, steps=8, weight_noise=0.1)
    assert torch.equal(torch.get_rng_state(), random)
    assert (np.random.get_state()[1] == numpy_state).all()  # type: ignore[index]  # noqa: NPY002
    assert torch.get_default_dtype() == torch.float32
    assert policy.training
    assert all(p.dtype == torch.float32 for p in policy.parameters())
    assert all(torch.equal(tensor, expected[name]) for name, tensor in policy.state_dict().items())
    sample_observations(space, 2, 3, torch.Generator())
    assert space.sample() == spaces.Discrete(5, seed=3).sample()


def test_fresh_weights_are_not_passed() -> None:
    """A new policy's value head is 0: its bootstrap could not be wrong."""
    config = ModelConfig(model=8, heads=1, feedforward=8)
    policy = ActorCritic(config, OBSERVATIONS, spaces.Discrete(3))
    report = check_memory(policy, steps=8)
    assert "every value is the same" in report["bootstrap"].note
    assert report["bootstrap"].status == "not checked"
    assert check_memory(policy, steps=8, weight_noise=0.1)["bootstrap"].status == "passed"


def test_one_row() -> None:
    report = check_memory(make_policy(), batch=1, steps=16)
    assert report.passed, report
    assert "a single row" in report["rows"].note


@pytest.mark.parametrize(
    "space",
    [
        WordSpace(3, 3, ("a", "b")),
        spaces.Discrete(4, start=2),
        spaces.Dict({"b": spaces.Box(-np.inf, np.inf, (2,)), "a": spaces.Tuple((spaces.MultiBinary(3), OBSERVATIONS))}),
        spaces.Box(-3.4e38, 3.4e38, (2,)),
        spaces.Box(0, 255, (8, 8, 1), np.uint8),
        spaces.MultiDiscrete([3, 2]),
    ],
)
def test_observation_spaces(space: spaces.Space[Any]) -> None:
    report = check_memory(make_policy(space=space), steps=8, batch=2)
    assert report.passed, report
    assert report["bootstrap"].status == "passed"


def test_a_policy_may_draw_its_observations() -> None:
    class OwnObservations(GRUPolicy):
        def __init__(self) -> None:
            super().__init__(OBSERVATIONS, 3)
            del self.observation_space

        def sample_observations(self, batch: int, steps: int, generator: torch.Generator) -> Tensor:
            return torch.randn(batch, steps, 3, generator=generator)

    assert check_memory(OwnObservations(), steps=8).passed


def test_report_as_text_and_json() -> None:
    report = check_memory(gru_policy(ForgetfulResetPolicy), steps=8)
    text = str(report)
    assert text.splitlines()[0].split() == ["property", "result", "difference", "where"]
    assert "acting failed: Acting step by step" in text
    assert "deletion was not checked: the policy has no method window_keeping_all" in text
    found = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert found["passed"] is False
    acting = found["properties"][0]
    assert acting["name"] == "acting"
    assert acting["status"] == "failed"
    assert acting["where"]["quantity"]


def test_an_error_in_one_property_is_a_failure_of_that_property() -> None:
    class NoSingleRows(GRUPolicy):
        def act(self, observation: Tensor, state: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            if len(is_first) == 1:
                raise IndexError("a batch of one")
            return super().act(observation, state, is_first)

    report = check_memory(NoSingleRows(OBSERVATIONS, 3), steps=8)
    assert report.failed == ("rows",)
    assert "IndexError: a batch of one" in report["rows"].note
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["properties"][2]["difference"] is None


class NotAModule:
    """A policy around a module: no copy in float64 is made and no gradient is known."""

    observation_space = OBSERVATIONS

    def __init__(self) -> None:
        policy = gru_policy()
        self.initial_state, self.window = policy.initial_state, policy.window
        self.act, self.bootstrap = policy.act, policy.bootstrap


def test_a_policy_that_is_no_module() -> None:
    report = check_memory(NotAModule(), steps=8)
    assert report.passed, report
    assert "no torch.nn.Module" in report["boundary_gradients"].note


class Rounded(GRUPolicy):
    def act(self, observation: Tensor, state: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return super().act(observation.float(), state, is_first)


class WrongShape(GRUPolicy):
    def bootstrap(self, observation: Tensor, state: Tensor) -> Tensor:
        return super().bootstrap(observation, state)[:, None]


class NoState(GRUPolicy):
    def window(self, observation: Tensor, state: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return super().window(observation, state, is_first)[:2]  # type: ignore[return-value]


class HoldsAGenerator(GRUPolicy):
    def __init__(self, observation_space: spaces.Box, num_actions: int, width: int = 8) -> None:
        super().__init__(observation_space, num_actions, width)
        self.file = (number for number in range(3))


class NaNValues(GRUPolicy):
    def window(self, observation: Tensor, state: Tensor, is_first: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        outputs, value, state = super().window(observation, state, is_first)
        return outputs, value / 0 * 0, state


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Rounded, r"raised RuntimeError: .*no \.float\(\)"),
        (WrongShape, r"bootstrap\(\) gave value of shape \(4, 1\), but it must be \(4,\)"),
        (NoState, r"window\(\) returned tuple, not \(outputs, value, state\)"),
        (HoldsAGenerator, "HoldsAGenerator cannot be copied"),
        (NaNValues, "no finite numbers"),
    ],
)
def test_policies_that_do_not_follow_the_protocol(kind: type[GRUPolicy], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        check_memory(gru_policy(kind), steps=8)


def test_missing_methods() -> None:
    with pytest.raises(PolicyError, match="Linear has no method initial_state, window, act, bootstrap"):
        check_memory(nn.Linear(1, 1))  # type: ignore[arg-type]
    policy = gru_policy()
    del policy.observation_space
    with pytest.raises(PolicyError, match="no observation_space"):
        check_memory(policy)


@pytest.mark.parametrize(
    "keywords", [{"batch": 0}, {"steps": 7}, {"tolerance": 0}, {"dtype": torch.int64}, {"weight_noise": -1}]
)
def test_arguments_that_cannot_be(keywords: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(keywords))):
        check_memory(gru_policy(), **keywords)


def test_results_are_found_by_name_and_made_by_the_seed() -> None:
    report, same, other = (check_memory(gru_policy(), steps=8, seed=seed) for seed in (1, 1, 2))
    assert report == same != other
    assert [result.number for result in report.results] == [1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 10]
    assert report["gradients"].number == 8
