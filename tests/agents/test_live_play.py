"""Episodes that are watched as they are played: the same as traced ones, step by step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rlmem.actor_critic import ActorCritic
from rlmem.agents.live_play import LiveEpisode, SeenMemories
from rlmem.agents.step_words import StepWords
from rlmem.agents.tracing import trace_episode
from rlmem.envs.corridor import CorridorEnv
from rlmem.errors import UsageError

TRANSFORMERS = ["expire_span", "transformer_xl", "adaptive_span", "compressive", "none"]
STEPS = 40

Make = Callable[..., ActorCritic]


@pytest.mark.parametrize("memory", [*TRANSFORMERS, "lstm", "gru"])
@pytest.mark.parametrize("deterministic", [False, True])
def test_the_same_episode_as_a_trace(make_policy: Make, memory: str, deterministic: bool) -> None:
    policy = make_policy(3, memory=memory, num_compressed=2)
    trace = trace_episode(policy, CorridorEnv(40, 44, STEPS), 4, deterministic=deterministic)
    episode = LiveEpisode(policy, CorridorEnv(40, 44, STEPS), 4, deterministic=deterministic)
    assert trace.probabilities is not None
    for step in range(STEPS):
        assert not episode.is_over
        assert episode.step == step
        assert episode.action == trace.action[step]
        assert episode.value == pytest.approx(trace.value[step], abs=1e-5)
        assert episode.probabilities is not None
        np.testing.assert_allclose(episode.probabilities, trace.probabilities[step], atol=1e-5)
        assert len(episode.memories) == len(trace.layers)
        for seen, layer in zip(episode.memories, trace.layers, strict=True):
            expected = SeenMemories.at(layer, step)
            np.testing.assert_array_equal(seen.birth, expected.birth)
            np.testing.assert_array_equal(seen.covers, expected.covers)
            np.testing.assert_allclose(seen.mask, expected.mask, atol=1e-5)
            np.testing.assert_allclose(seen.attention, expected.attention, atol=1e-5)
        episode.advance()
    assert episode.labels == trace.labels.tolist()
    assert episode.rewards == trace.reward.tolist()
    assert episode.is_over
    assert episode.is_truncated
    assert episode.is_success is trace.is_success
    oldest = [int((layer.kept_steps + layer.covers).max()) - 1 for layer in trace.layers]
    assert episode.oldest == max(oldest, default=0)
    with pytest.raises(UsageError, match="the episode is over"):
        episode.advance()


def test_pooled_slots_are_among_what_compressive_memory_sees(make_policy: Make) -> None:
    policy = make_policy(3, memory="compressive", num_compressed=2)
    episode = LiveEpisode(policy, CorridorEnv(40, 44, STEPS), 4)
    while episode.step < 30:
        episode.advance()
    for seen in episode.memories:
        assert seen.covers.max() == 4
        assert seen.first_step == seen.birth[0] - 3
        assert seen.num_memories == len(seen.mask) - 1


def test_seen_memories_leave_out_what_is_not_seen_and_stand_by_birth() -> None:
    birth, covers = np.array([0, 1, 2, 3, 1]), np.array([1, 1, 1, 1, 2])
    mask = np.array([0, 0, 0.5, 1, 0.25], np.float32)
    attention = np.array([0, 0, 0.25, 0.5, 0.25], np.float32)
    seen = SeenMemories.of(birth, covers, mask, attention)
    assert seen.birth.tolist() == [1, 2, 3]
    assert seen.covers.tolist() == [2, 1, 1]
    assert seen.mask.tolist() == [0.25, 0.5, 1]
    assert seen.num_memories == 2
    assert seen.first_step == 0


def test_pictures_and_words_are_the_present_ones(make_policy: Make) -> None:
    env = CorridorEnv(3, 3, 6, render_mode="rgb_array")
    episode = LiveEpisode(make_policy(3), env, 1)
    while not episode.is_over:
        assert episode.frame is not None
        assert episode.view is not None
        np.testing.assert_array_equal(episode.frame, env.render())
        assert episode.words == StepWords.of(env.observation_space, (env.gen_obs(),))
        assert episode.words is not None
        assert episode.labels[-1] == episode.words.label
        episode.advance()
    np.testing.assert_array_equal(episode.frame, env.render())
    assert episode.words == StepWords.of(env.observation_space, (env.gen_obs(),))
    assert len(episode.labels) == len(episode.rewards)
