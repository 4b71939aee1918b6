"""Acting: a window of steps in every environment, with memory carried from window to window.

Tensors of a rollout lead with time: (time, batch, ...), batch being the environments.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from torch import Tensor

from rlmem.actor_critic import ActorCritic, Observation, PolicyCache
from rlmem.agents.episode_statistics import EpisodeStatistics
from rlmem.agents.ranks import ALONE, Ranks
from rlmem.errors import check
from rlmem.memory_state import MemoryState
from rlmem.observation_leaves import leaves, stack_leaves
from rlmem.window import Window

_FEW_ENVIRONMENTS = 128  # a step of so few is faster on one thread: its operations are too small to share


@dataclass(frozen=True)
class Rollout:
    """One window of every environment, and what the acting weights thought of it.

    Args:
        state: memory from before the window.
        window: the queries' times and episodes, (batch, time).
        observation: leaves (time, batch, ...) as the environment gives them.
        action: (time, batch, ...), as the action head gives it.
        reward: (time, batch).
        action_outputs: (time, batch, outputs).
        value: (time, batch).
        is_last: (time, batch) bool, the episode ended with the step.
        final_value: (time, batch), value of the final observation where an episode was truncated, else 0.
        next_value: (batch,), value of the observation after the window.
        layer_inputs: per layer (batch, time, width), what the memory will store.
        memory_size: (time, batch, layers) int64, how many memories each query saw beside its own step.
    """

    state: MemoryState
    window: Window
    observation: Observation
    action: Tensor
    reward: Tensor
    action_outputs: Tensor
    value: Tensor
    is_last: Tensor
    final_value: Tensor
    next_value: Tensor
    layer_inputs: tuple[Tensor, ...]
    memory_size: Tensor

    @property
    def num_rows(self) -> int:
        """Environments."""
        return self.reward.shape[1]


class Collector:
    """Plays the environments and keeps what must survive from one window to the next.

    Args:
        envs: vector environment with SAME_STEP autoreset.
        policy: the actor-critic.
        num_steps: T, steps a window.
        generator: source of the actions' randomness, on the policy's device.
        seed: of the environments' first reset.
        score: name of the number in `info` that tells how far an episode came, or None.
        ranks: that play environments of their own beside these.
    """

    def __init__(
        self,
        envs: gym.vector.VectorEnv[Any, Any, Any],
        policy: ActorCritic,
        num_steps: int,
        generator: torch.Generator,
        seed: int,
        score: str | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        mode = envs.metadata.get("autoreset_mode")
        check(
            mode == AutoresetMode.SAME_STEP,
            f"the vector environment's autoreset mode is {mode}, which would put steps that never happened into "
            "memory; make it with vector_kwargs={'autoreset_mode': AutoresetMode.SAME_STEP}",
        )
        self.envs, self.policy, self.num_steps, self.generator = envs, policy, num_steps, generator
        self.device = generator.device
        observation, _ = envs.reset(seed=seed)
        self.observation = self.observed(observation)
        self.is_first = torch.ones(envs.num_envs, dtype=torch.bool, device=self.device)
        self.state = policy.core.initial_state(envs.num_envs)
        self.statistics = EpisodeStatistics(envs.num_envs, score, ranks)

    def collect(self) -> Rollout:
        """Take `num_steps` steps in every environment under fixed weights."""
        cache = self.policy.open(self.state, self.num_steps)  # with all threads, which compiled steps keep
        with threads(1 if self.envs.num_envs <= _FEW_ENVIRONMENTS else torch.get_num_threads()):
            return self._collected(cache)

    def _collected(self, cache: PolicyCache) -> Rollout:
        noise = self.policy.action_head.noise((self.num_steps, self.envs.num_envs), self.generator)
        steps, observations = [], []
        for step_noise in noise:
            observations.append(self.observation)
            steps.append(self._step(cache, step_noise))
        named = {name: stack(steps, name) for name in steps[0]}
        is_first = named.pop("is_first")
        return Rollout(
            state=self.state,
            window=Window.following(self.state, is_first.t(), named["is_last"].t()),
            observation=tuple(torch.stack(leaf) for leaf in zip(*observations, strict=True)),
            next_value=cache.peek(self.observation),
            layer_inputs=cache.layer_inputs(),
            **named,
        )

    def carry(self, rollout: Rollout) -> tuple[int, ...]:
        """Take the window into memory, deleting what is dead under the current weights; call after the update.

        Returns:
            Per layer, how many memories were deleted, over all rows.
        """
        self.state = self.policy.core.carry(rollout.state, rollout.layer_inputs, rollout.window)
        return tuple(
            int((~before.is_empty).sum()) + rollout.reward.numel() - int((~after.is_empty).sum())
            for before, after in zip(rollout.state.layers, self.state.layers, strict=True)
        )

    def _step(self, cache: PolicyCache, noise: Tensor) -> dict[str, Tensor]:
        head = self.policy.action_head
        action_outputs, value, memory_size = cache.step(self.observation, self.is_first)
        action = head.sample(action_outputs, noise)
        observation, reward, terminated, truncated, infos = self.envs.step(head.to_environment(action.cpu().numpy()))
        is_last = terminated | truncated
        score = infos.get("final_info", {}).get(self.statistics.score)
        self.statistics.add(reward, is_last, successes(infos), score)
        final_value = torch.zeros_like(value)
        is_cut = truncated & ~terminated
        if is_cut.any():
            final = self._final_observation(infos, is_cut)
            final_value = torch.where(self._tensor(is_cut), cache.peek(final), final_value)
        step = {
            "action": action,
            "reward": self._tensor(reward).to(value.dtype),
            "action_outputs": action_outputs,
            "value": value,
            "is_first": self.is_first,
            "is_last": self._tensor(is_last),
            "final_value": final_value,
            "memory_size": memory_size,
        }
        self.observation, self.is_first = self.observed(observation), step["is_last"]
        return step

    def observed(self, observation: Any) -> Observation:
        """The leaves of a batch of observations, on the policy's device."""
        return tuple(self._tensor(leaf) for leaf in leaves(self.policy.observation_space, observation))

    def _final_observation(self, infos: dict[str, Any], is_cut: NDArray[np.bool_]) -> Observation:
        """Leaves whose rows `is_cut` hold the final observations of the episodes cut there; the others are unread."""
        final = stack_leaves(self.policy.observation_space, list(infos["final_obs"][is_cut]))
        batch = tuple(leaf.clone() for leaf in self.observation)
        for leaf, rows in zip(batch, final, strict=True):
            leaf[self._tensor(is_cut)] = self._tensor(rows)
        return batch

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.as_tensor(array, device=self.device)


@contextmanager
def threads(number: int) -> Iterator[None]:
    """PyTorch's CPU threads set to `number` inside, and back to what they were after."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def stack(steps: list[dict[str, Tensor]], name: str) -> Tensor:
    """One named tensor (batch, ...) of every step, as (time, batch, ...)."""
    return torch.stack([step[name] for step in steps])


def successes(infos: dict[str, Any]) -> NDArray[np.bool_] | None:
    """Which episodes that ended with a vector step succeeded, (batch,), read where one ended; None: nobody says.

    Args:
        infos: of the step; environments report `is_success` in the info of an episode's last step, as for SB3.
    """
    reported = infos.get("final_info", {}).get("is_success")
    return None if reported is None else np.asarray(reported, dtype=np.bool_)
