"""One window of environments that live on a device: every step is the same work on the same tensors.

A policy and an environment take a step, and what they gave is written into the window's tensors at a counter's place.
Nothing in a step waits for the device, so that a GPU records it (`rlmem.captured_step`).

Values of truncated episodes' final observations would double the work of every step for the few that need them: the
observations are kept, and `final_values` asks for them after the window.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from rlmem.actor_critic import ActorCritic, Observation
from rlmem.captured_step import CapturedStep
from rlmem.memory_state import LayerMemory, MemoryState
from rlmem.static_acting import StaticActing


class DeviceEnvs(Protocol):
    """A vector environment on a device, whose every return is a tensor there; see `rlmem.envs.device_env`."""

    num_envs: int

    @property
    def device(self) -> torch.device:
        """Where it plays."""
        ...

    @property
    def step_limit(self) -> int:
        """Steps after which an episode is truncated."""
        ...

    def prepare(self, num_steps: int) -> None:
        """Make `advance` possible for so many steps."""
        ...

    def advance(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, dict[str, Any]]:
        """A step that waits for nothing; in `final_obs` and `final_info` what rows that ended with it left."""
        ...


class DeviceWindow:
    """The tensors of a window, filled step by step; used again for the next one.

    Args:
        policy: the actor-critic, whose weights stay in their tensors.
        envs: the environments, prepared.
        num_memories: room for so many memories from before a window.
        num_steps: T, steps a window.
        observation: leaves (batch, ...), like those to come.
        score: name of the number in `final_info` that tells how far an episode came, or None.
        is_captured: on CUDA, record a step and play it again; without, every step is Python's.

    Attributes:
        records: what each step gave, by name, (time, batch, ...).
        observations: leaves (time, batch, ...), what each step saw.
        observation, is_first: of the coming step.
    """

    def __init__(
        self,
        policy: ActorCritic,
        envs: DeviceEnvs,
        num_memories: int,
        num_steps: int,
        observation: Observation,
        score: str | None,
        *,
        is_captured: bool = True,
    ) -> None:
        batch, device = envs.num_envs, envs.device
        self._policy, self._envs, self._score, self.num_steps = policy, envs, score, num_steps
        self.acting = StaticActing(policy.core, batch, num_memories, num_steps)
        self.observation = tuple(leaf.clone() for leaf in observation)
        self.is_first = torch.zeros(batch, dtype=torch.bool, device=device)
        self.observations = tuple(leaf.new_zeros(num_steps, *leaf.shape) for leaf in observation)
        self.records: dict[str, Tensor] = {}
        self._noise = policy.heads.weight.new_zeros(num_steps, batch, policy.action_head.num_outputs)
        # A row is truncated so often in a window, at most: (cuts, batch)
        cuts = 1 + (num_steps - 1) // envs.step_limit
        self._num_cuts = torch.zeros(batch, dtype=torch.int64, device=device)
        self._cut_number = torch.arange(cuts, device=device)[:, None]
        self._cut_step = torch.zeros(cuts, batch, dtype=torch.int64, device=device)
        self._cut_start = torch.zeros_like(self._cut_step)
        self._cut_observation = tuple(leaf.new_zeros(cuts, *leaf.shape) for leaf in observation)
        self.step = CapturedStep(self._take_step, device if is_captured else torch.device("cpu"))

    def begin(
        self, state: MemoryState, memories: list[LayerMemory], observation: Observation, is_first: Tensor, noise: Tensor
    ) -> None:
        """Prepare for a window; then call `step` as often as it has steps.

        Args:
            state: memory from before it.
            memories: its slots, see `memories_for`.
            observation: leaves (batch, ...), what the first step sees.
            is_first: (batch,) bool, True where the first step begins an episode.
            noise: (time, batch, outputs), of the actions.
        """
        self.acting.load(state, memories)
        for mine, leaf in zip(self.observation, observation, strict=True):
            mine.copy_(leaf)
        self.is_first.copy_(is_first)
        self._noise.copy_(noise)
        self._num_cuts.zero_()

    @torch.no_grad()
    def _take_step(self) -> None:
        """One step of everything."""
        policy, time, start = self._policy, self.acting.taken.clone(), self.acting.start
        for kept, leaf in zip(self.observations, self.observation, strict=True):
            kept.index_copy_(0, time, leaf[None])
        hidden, memory_size = self.acting.step(policy.encoder(self.observation), self.is_first)
        action_outputs, value = policy.split(hidden)
        action = policy.action_head.sample(action_outputs, self._noise.index_select(0, time)[0])
        observation, reward, terminated, truncated, infos = self._envs.advance(action)
        is_last = terminated | truncated
        final_info = infos["final_info"]
        step = {
            "action": action,
            "reward": reward,
            "action_outputs": action_outputs,
            "value": value,
            "is_first": self.is_first,
            "is_last": is_last,
            "memory_size": memory_size,
            "is_success": final_info["is_success"],
        }
        if self._score in final_info:
            step["score"] = final_info[self._score]
        for name, values in step.items():
            if name not in self.records:  # the first step of all, which nobody records
                self.records[name] = values.new_zeros(self.num_steps, *values.shape)
            self.records[name].index_copy_(0, time, values[None])
        self._keep_cuts(truncated & ~terminated, infos["final_obs"], time, start)
        for leaf, after in zip(self.observation, (observation,), strict=True):
            leaf.copy_(after)
        self.is_first.copy_(is_last)

    def _keep_cuts(self, is_cut: Tensor, final_obs: Tensor, time: Tensor, start: Tensor) -> None:
        """Keep what truncated episodes, (batch,) bool, saw last."""
        is_here = (self._cut_number == self._num_cuts) & is_cut  # (cuts, batch)
        self._cut_step.copy_(time.where(is_here, self._cut_step))
        self._cut_start.copy_(start.where(is_here, self._cut_start))
        for kept, leaf in zip(self._cut_observation, (final_obs,), strict=True):
            kept.copy_(leaf.where(is_here.view(*is_here.shape, *[1] * (leaf.ndim - 1)), kept))
        self._num_cuts.add_(is_cut)

    @torch.no_grad()
    def final_values(self) -> Tensor:
        """The values of truncated episodes' final observations, (time, batch), 0 elsewhere; waits for the device."""
        final = torch.zeros_like(self.records["value"])
        step = torch.arange(self.num_steps, device=final.device)[:, None]
        for number in range(int(self._num_cuts.max())):
            time = self._cut_step[number]
            observation = tuple(leaf[number] for leaf in self._cut_observation)
            value = self._value(observation, time + 1, self._cut_start[number])
            final = value.where((step == time) & (number < self._num_cuts), final)
        return final

    def next_value(self) -> Tensor:
        """The value (batch,) of the observation after the window."""
        return self._value(self.observation, self.acting.taken.expand_as(self.acting.start), self.acting.start)

    @torch.no_grad()
    def _value(self, observation: Observation, time: Tensor, start: Tensor) -> Tensor:
        return self._policy.split(self.acting.peek(self._policy.encoder(observation), time, start))[1]
