"""Acting in environments that live on the policy's device: a window passes without a look at what happened in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium as gym
import torch
from torch import Tensor

from rlmem.acting_memories import memories_for
from rlmem.actor_critic import ActorCritic
from rlmem.agents.device_window import DeviceWindow
from rlmem.agents.rollout import Collector, Rollout
from rlmem.memory_state import LayerMemory
from rlmem.static_acting import has_static_form
from rlmem.window import Window

_SLOTS = 64  # room for memories comes in multiples of so many: a window with other room is recorded anew


def collector_for(envs: gym.vector.VectorEnv[Any, Any, Any], policy: ActorCritic, num_steps: int) -> type[Collector]:
    """The collector for some environments.

    Args:
        envs: on a device if they have `prepare` and `advance`, see `DeviceEnvs`.
        policy: that acts.
        num_steps: T, steps a window.
    """
    if not hasattr(envs, "advance"):
        return Collector
    assert has_static_form(policy.core, num_steps), "environments on a device are made for policies that act there"
    return DeviceCollector


class DeviceCollector(Collector):
    """A `Collector` whose environments are `DeviceEnvs` on the policy's device; gives the same rollouts.

    Episodes are counted once a window, from its rewards and ends.
    """

    _is_captured = True
    _window: DeviceWindow | None = None

    def act_by(self, *, is_captured: bool) -> None:
        """From the next window on take steps by a CUDA graph (the default) or, to see what it gains, by Python."""
        self._is_captured, self._window = is_captured, None

    def collect(self) -> Rollout:
        """As `Collector.collect`."""
        noise = self.policy.action_head.noise((self.num_steps, self.envs.num_envs), self.generator)
        with undetermined_order():
            return self._played(noise)

    def _played(self, noise: Tensor) -> Rollout:
        envs: Any = self.envs
        envs.prepare(self.num_steps)
        memories, _ = memories_for(self.policy.core, self.state, self.num_steps)
        window = self._fitting_window(memories)
        window.begin(self.state, memories, self.observation, self.is_first, noise)
        for _ in range(self.num_steps):
            window.step()
        records = {name: values.clone() for name, values in window.records.items()}
        self._count_episodes(records)
        rollout = Rollout(
            state=self.state,
            window=Window.following(self.state, records.pop("is_first").t(), records["is_last"].t()),
            observation=tuple(leaf.clone() for leaf in window.observations),
            reward=records.pop("reward").to(records["value"].dtype),
            final_value=window.final_values(),
            next_value=window.next_value(),
            layer_inputs=window.acting.layer_inputs(),
            **records,
        )
        self.observation = tuple(leaf.clone() for leaf in window.observation)
        self.is_first = window.is_first.clone()
        return rollout

    def _fitting_window(self, memories: list[LayerMemory]) -> DeviceWindow:
        """The window in use, or a new one where it is too small or more than twice too large."""
        widest = max(memory.time.shape[1] for memory in memories)
        room = max(-(-widest // _SLOTS), 1) * _SLOTS
        if self._window is None or not room <= self._window.acting.num_memories <= 2 * room:
            self._window = None  # its memory is free for the next one
            envs: Any = self.envs
            self._window = DeviceWindow(
                self.policy,
                envs,
                room,
                self.num_steps,
                self.observation,
                self.statistics.score,
                is_captured=self._is_captured,
            )
        return self._window

    def _count_episodes(self, records: dict[str, Tensor]) -> None:
        """Add a window's steps to the statistics, and take what they alone read out of the records."""
        reward, is_last = records["reward"].cpu().numpy(), records["is_last"].cpu().numpy()
        success, score = records.pop("is_success").cpu().numpy(), records.pop("score", None)
        scores = [None] * len(reward) if score is None else score.cpu().numpy()
        for step in zip(reward, is_last, success, scores, strict=True):
            self.statistics.add(*step)


@contextmanager
def undetermined_order() -> Iterator[None]:
    """Inside, writes by index need no order, whatever PyTorch was told: no index comes twice here.

    Under `torch.use_deterministic_algorithms` a GPU would sort the indices of every write.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
