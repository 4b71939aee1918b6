"""Collecting: what was recorded while acting is what the policy says of whole episodes, run again from the start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from rlmem import acting as acting_module
from rlmem.action_heads.base import gumbel_noise
from rlmem.actor_critic import ActorCritic
from rlmem.agents.episode_statistics import EpisodeStatistics
from rlmem.agents.rollout import Collector, Rollout, successes
from rlmem.window import Window

NUM_STEPS, NUM_WINDOWS = 5, 5


def assert_close(actual: Tensor, expected: Tensor) -> None:
    """Equal but for float32 rounding."""
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)


class Played(NamedTuple):
    """Some windows under fixed weights, and their environments' own record of them."""

    policy: ActorCritic
    envs: Any
    collector: Collector
    rollouts: list[Rollout]
    next_observations: list[Tensor]  # after each window, (batch, rows, columns, words)


@pytest.fixture(params=["expire_span", "transformer_xl"])
def memory(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[("batch", 100), ("batch", 2), ("sync", 100)], ids=["batch", "batch-in-parts", "sync"])
def played(
    request: pytest.FixtureRequest,
    memory: str,
    make_policy: Callable[..., ActorCritic],
    make_corridors: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Played:
    kind, steps_between_deletions = request.param
    monkeypatch.setattr(acting_module, "_STEPS_BETWEEN_DELETIONS", steps_between_deletions)
    policy, envs = make_policy(memory=memory, head_scale=5), make_corridors(kind=kind)
    collector = Collector(envs, policy, NUM_STEPS, torch.Generator().manual_seed(3), 11)
    rollouts, next_observations = [], []
    for _ in range(NUM_WINDOWS):
        rollouts.append(collector.collect())
        next_observations.append(collector.observation[0])
        collector.carry(rollouts[-1])
    return Played(policy, envs, collector, rollouts, next_observations)


class Episode(NamedTuple):
    """Steps start to end (excluded) of one row; the last episode of a row may be unfinished."""

    row: int
    start: int
    end: int
    is_terminated: bool
    is_truncated: bool


def episodes(played: Played) -> Iterator[Episode]:
    """Cut the environments' record at its ends."""
    terminated = np.stack([step[2] for step in played.envs.steps])
    truncated = np.stack([step[3] for step in played.envs.steps])
    for row in range(terminated.shape[1]):
        ends: list[int] = np.flatnonzero(terminated[:, row] | truncated[:, row]).tolist()
        start = 0
        for end in ends:
            yield Episode(row, start, end + 1, bool(terminated[end, row]), bool(truncated[end, row]))
            start = end + 1
        if start < len(terminated):
            yield Episode(row, start, len(terminated), False, False)


def joined(played: Played, name: str) -> Tensor:
    """A rollout's tensor over all windows, (time, batch, ...)."""
    named = [getattr(rollout, name) for rollout in played.rollouts]
    return torch.cat([one[0] if isinstance(one, tuple) else one for one in named])


@torch.no_grad()
def run_fresh(policy: ActorCritic, observation: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and values (time, ...) of one whole episode (time, ...), forward in one window from an empty memory."""
    state = policy.core.initial_state(1)
    is_first = torch.arange(len(observation))[None] == 0
    output = policy((observation[None],), state, Window.following(state, is_first))
    return output.action_outputs[0], output.value[0]


def test_the_record_is_what_the_environments_gave(played: Played) -> None:
    steps = played.envs.steps
    assert len(steps) == NUM_STEPS * NUM_WINDOWS
    given = [played.envs.first_observation, *(step[0] for step in steps)]
    np.testing.assert_array_equal(joined(played, "observation"), np.stack(given[:-1]))
    np.testing.assert_array_equal(played.collector.observation[0], given[-1])
    np.testing.assert_array_equal(joined(played, "reward"), np.stack([step[1] for step in steps]))
    np.testing.assert_array_equal(joined(played, "is_last"), np.stack([step[2] | step[3] for step in steps]))
    ended = [episode for episode in episodes(played) if episode.is_terminated or episode.is_truncated]
    assert any(episode.is_truncated and not episode.is_terminated for episode in ended), "no episode was truncated"
    assert any(episode.is_terminated for episode in ended), "no episode terminated"
    assert any(episode.end % NUM_STEPS for episode in ended), "no episode ended inside a window"


def test_actions_are_the_likeliest_under_logits_and_noise(played: Played) -> None:
    noise = gumbel_noise((NUM_STEPS, 6, 4), torch.Generator().manual_seed(3))
    first = played.rollouts[0]
    assert torch.equal(first.action, (first.action_outputs + noise).argmax(-1))
    assert len(joined(played, "action").unique()) == 4


def test_what_acting_recorded_is_the_windowed_forward_from_the_rollouts_state(played: Played) -> None:
    for rollout in played.rollouts:
        with torch.no_grad():
            output = played.policy((rollout.observation[0].transpose(0, 1),), rollout.state, rollout.window)
        assert_close(output.action_outputs.transpose(0, 1), rollout.action_outputs)
        assert_close(output.value.t(), rollout.value)
        for inputs, recorded in zip(output.layer_inputs, rollout.layer_inputs, strict=True):
            assert_close(inputs, recorded)


def test_what_acting_recorded_is_what_a_fresh_run_over_each_episode_gives(played: Played) -> None:
    observation, logits, value = (joined(played, name) for name in ("observation", "action_outputs", "value"))
    for row, start, end, *_ in episodes(played):
        fresh_logits, fresh_value = run_fresh(played.policy, observation[start:end, row])
        assert_close(logits[start:end, row], fresh_logits)
        assert_close(value[start:end, row], fresh_value)


def test_final_values_continue_truncated_episodes_and_are_0_elsewhere(played: Played) -> None:
    observation, final_value = joined(played, "observation"), joined(played, "final_value")
    expected = torch.zeros_like(final_value)
    for row, start, end, is_terminated, is_truncated in episodes(played):
        if is_truncated and not is_terminated:
            final = torch.as_tensor(played.envs.steps[end - 1][4]["final_obs"][row])
            whole = torch.cat([observation[start:end, row], final[None]])
            expected[end - 1, row] = run_fresh(played.policy, whole)[1][-1]
    assert expected.any()
    assert_close(final_value, expected)


def test_next_values_continue_running_episodes(played: Played) -> None:
    observation, is_last = joined(played, "observation"), joined(played, "is_last")
    num_running = 0
    for number, (rollout, following) in enumerate(zip(played.rollouts, played.next_observations, strict=True)):
        end = (number + 1) * NUM_STEPS
        for row in (~rollout.is_last[-1]).nonzero().squeeze(1).tolist():
            start = max((t + 1 for t in range(end) if is_last[t, row]), default=0)
            whole = torch.cat([observation[start:end, row], following[None, row]])
            expected = run_fresh(played.policy, whole)[1][-1]
            assert_close(rollout.next_value[row], expected)
            num_running += 1
    assert num_running


def test_memory_holds_the_running_episodes_steps_and_never_a_final_observation(played: Played) -> None:
    running = {episode.row: episode for episode in episodes(played)}  # each row's last
    num_steps = NUM_STEPS * NUM_WINDOWS
    for layer, memory in enumerate(played.collector.state.layers):
        made = torch.cat([rollout.layer_inputs[layer] for rollout in played.rollouts], dim=1)  # (batch, time, model)
        for row, episode in running.items():
            live = memory.time[row][~memory.is_empty[row]].tolist()
            start = num_steps if episode.is_terminated or episode.is_truncated else episode.start
            assert set(live) <= set(range(start, num_steps))
            if played.policy.config.memory == "transformer_xl":  # its reach is longer than these episodes
                assert live == list(range(start, num_steps))
            assert_close(memory.hidden[row][~memory.is_empty[row]], made[row, live])
    assert played.collector.state.next_time.tolist() == [num_steps] * 6


def test_episode_statistics_count_each_episode_once(played: Played) -> None:
    reward = joined(played, "reward")
    ended = [episode for episode in episodes(played) if episode.is_terminated or episode.is_truncated]
    statistics = played.collector.statistics
    assert statistics.episodes == len(ended)
    assert sorted(statistics.lengths) == sorted(end - start for _, start, end, *_ in ended)
    returns = [float(reward[start:end, row].sum()) for row, start, end, *_ in ended]
    assert sorted(statistics.returns) == sorted(returns)
    assert sum(statistics.successes) == sum(returns)
    assert statistics.metrics()["rollout/success_rate"] == pytest.approx(sum(returns) / len(ended))


def test_statistics_forget_all_but_recent_episodes_and_survive_saving() -> None:
    statistics = EpisodeStatistics(2)
    assert statistics.success_rate() is None
    assert statistics.metrics() == {}
    always = np.ones(2, dtype=np.bool_)
    statistics.add(np.array([5.0, 7.0]), always, ~always)
    for _ in range(48):
        statistics.add(np.ones(2), always, always)
    assert statistics.success_rate() is None  # of 98 episodes: too few to say
    assert statistics.metrics()["rollout/success_rate"] == pytest.approx(96 / 98)
    for _ in range(250):
        statistics.add(np.array([1.0, 0.0]), always, np.array([True, False]))
    statistics.add(np.array([0.25, 0.0]), ~always, always)
    assert statistics.episodes == 598
    assert statistics.metrics()["rollout/ep_rew_mean"] == 0.5
    assert statistics.success_rate() == 0.5
    copy = EpisodeStatistics(2)
    copy.load_state_dict(statistics.state_dict())
    for one in (statistics, copy):
        one.add(np.array([0.5, 0.0]), np.array([True, False]), always)
    assert copy.state_dict() == statistics.state_dict()
    assert copy.returns[-1] == 0.75


def test_carry_says_how_many_memories_were_deleted(
    memory: str, make_policy: Callable[..., ActorCritic], make_corridors: Callable[..., Any]
) -> None:
    collector = Collector(make_corridors(), make_policy(memory=memory), NUM_STEPS, torch.Generator().manual_seed(0), 0)
    live, total = np.zeros(2, dtype=np.int64), 0
    for _ in range(4):
        evicted = collector.carry(collector.collect())
        after = np.array([int((layer.time >= 0).sum()) for layer in collector.state.layers])
        assert evicted == tuple(live + NUM_STEPS * 6 - after)
        live, total = after, total + sum(evicted)
    assert total > 0


def test_successes_are_what_the_environments_report_and_nothing_else() -> None:
    reported = {"final_info": {"is_success": np.array([False, True, False])}}
    found = successes(reported)
    assert found is not None
    assert found.tolist() == [False, True, False]
    assert successes({}) is None
    assert successes({"final_info": {"length": np.array([1, 2, 3])}}) is None


def test_statistics_of_environments_that_report_no_success_have_none() -> None:
    statistics = EpisodeStatistics(2, "rooms")
    always = np.ones(2, dtype=np.bool_)
    for _ in range(200):
        statistics.add(np.ones(2), always, None, np.array([1, 3]))
    assert statistics.success_rate() is None
    assert "rollout/success_rate" not in statistics.metrics()
    assert statistics.metrics()["rollout/rooms"] == 2
