"""An episode that an agent plays one step at a time, with what each layer sees of its past at the present step.

`rlmem.agents.tracing` records whole episodes; this is for who watches one as it is played. The numbers are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from rlmem.actor_critic import ActorCritic
from rlmem.agents.step_words import StepWords
from rlmem.agents.trace_play import choose_action, take_pictures
from rlmem.agents.tracing import LayerMemories, attention_weights
from rlmem.core import LayerTrace
from rlmem.errors import check
from rlmem.memory_state import LayerMemory
from rlmem.observation_leaves import leaves
from rlmem.window import Window


@dataclass(frozen=True)
class SeenMemories:
    """The slots of one layer that a step sees, its own among them, by birth, oldest first; steps count from 0.

    Args:
        birth: (slots,) int64, the step that made the slot; of a pooled slot, the last of the steps it stands for.
        covers: (slots,) int64, how many steps the slot stands for.
        mask: (slots,) float32 in (0, 1], the soft mask m_ti, largest over heads.
        attention: (slots,) float32, the share of attention, mean over heads.
    """

    birth: NDArray[np.int64]
    covers: NDArray[np.int64]
    mask: NDArray[np.float32]
    attention: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        birth: NDArray[np.int64],
        covers: NDArray[np.int64],
        mask: NDArray[np.float32],
        attention: NDArray[np.float32],
    ) -> SeenMemories:
        """Those of some slots (slots,), in any order, that are seen."""
        seen = np.flatnonzero(mask > 0)
        seen = seen[np.argsort(birth[seen], kind="stable")]
        return cls(birth[seen], covers[seen], mask[seen], attention[seen])

    @classmethod
    def at(cls, layer: LayerMemories, step: int) -> SeenMemories:
        """What one step of a traced episode sees."""
        return cls.of(layer.birth, layer.covers, layer.mask[step], layer.attention[step])

    @property
    def num_memories(self) -> int:
        """How many they are without the step's own, the paper's |C_t|."""
        return len(self.birth) - 1

    @property
    def first_step(self) -> int:
        """The earliest step that any of them stands for."""
        return int((self.birth - self.covers).min()) + 1


class LiveEpisode:
    """One episode, played a step at a time by whoever holds it.

    Args:
        policy: the actor-critic; its weights are not changed.
        env: one environment, which is reset; see `rlmem.agents.tracing.trace_episode`, which plays the same episode.
        seed: of the episode and of the actions.
        deterministic: take the likeliest action instead of a sample.

    Attributes:
        frame, view: the present pictures (height, width, 3) of the environment and of what the agent sees, or None.
        words: of the present observation, or None.
        labels: what is notable in each observation that the agent has answered, "-" for nothing.
        probabilities: (actions,) float32 where actions are Discrete, else None.
        value: of the observation.
        action: what the agent has chosen, as the environment takes it.
        memories: what each layer sees; none of a recurrent policy.
        oldest: the largest age, in steps, of anything that a layer has seen so far.
        rewards: of the steps taken.
        is_over: the episode has ended; probabilities, value, action and memories are then those of its last step.
        is_success: what the environment reported at the end, or None.
        is_truncated: the episode was cut off.
    """

    def __init__(self, policy: ActorCritic, env: gym.Env[Any, Any], seed: int, *, deterministic: bool = False) -> None:
        self.seed = seed
        self._policy, self._env = policy, env
        self._device = policy.heads.weight.device
        self._generator = None if deterministic else torch.Generator(self._device).manual_seed(seed)
        self._state = policy.core.initial_state(1)
        self.labels: list[str] = []
        self.rewards: list[float] = []
        self.is_over = self.is_truncated = False
        self.is_success: bool | None = None
        seen, _ = env.reset(seed=seed)
        self.frame, self.view = take_pictures(env)
        self.oldest = 0
        self._think(self._read(seen))

    @property
    def step(self) -> int:
        """The step that is shown: the one that the agent has chosen an action for, or the last one."""
        return len(self.labels) - 1

    def advance(self) -> None:
        """Do what the agent has chosen, and let it choose again unless the episode is over."""
        check(not self.is_over, "the episode is over; begin another one")
        seen, reward, terminated, truncated, info = self._env.step(self.action)
        self.rewards.append(float(reward))
        self.frame, self.view = take_pictures(self._env)
        self.is_over = bool(terminated or truncated)
        observation = self._read(seen)
        if not self.is_over:
            self._think(observation)
            return
        self.is_truncated = bool(truncated and not terminated)
        self.is_success = bool(info["is_success"]) if "is_success" in info else None

    def _read(self, seen: Any) -> tuple[NDArray[Any], ...]:
        """The observation's leaves, whose words become the present ones."""
        observation = tuple(np.array(leaf) for leaf in leaves(self._policy.observation_space, seen))
        self.words = StepWords.of(self._policy.observation_space, observation)
        return observation

    @torch.no_grad()
    def _think(self, observation: tuple[NDArray[Any], ...]) -> None:
        """Ask the policy: the step is a window of its own, which gives the same as acting with a cache."""
        policy, state = self._policy, self._state
        batch = tuple(torch.as_tensor(leaf, device=self._device)[None, None] for leaf in observation)
        window = Window.following(state, torch.tensor([[not self.labels]], device=self._device))
        with attention_weights(policy) as weights:
            output = policy(batch, state, window)
        layers = zip(state.layers, output.traces, weights, strict=False)  # a recurrent policy has no traces
        self.memories = tuple(_seen(*layer, policy.config.compression_rate) for layer in layers)
        self._state = policy.core.carry(state, output.layer_inputs, window)
        is_discrete = isinstance(policy.action_space, spaces.Discrete)
        outputs = output.action_outputs[:, 0]
        self.probabilities = torch.softmax(outputs[0], -1).cpu().numpy() if is_discrete else None
        self.value = float(output.value[0, 0])
        self.action = choose_action(policy, outputs, self._generator)
        self.labels.append("-" if self.words is None else self.words.label)
        self.oldest = max([self.oldest, *(self.step - layer.first_step for layer in self.memories)])


def _seen(memory: LayerMemory, trace: LayerTrace, weights: Tensor, rate: int) -> SeenMemories:
    """One layer's window of one step, whose slots are the stored ones, those pooled now, and the step's own.

    Args:
        memory: what was stored before the step.
        trace: of the window.
        weights: (1, heads, 1, slots) of attention.
        rate: how many steps a slot that is pooled now stands for.
    """
    birth = trace.slot_time[0]
    num_stored = memory.time.shape[1]
    covers = torch.full_like(birth, rate)
    covers[:num_stored] = 1 if memory.steps is None else memory.steps[0]
    covers[-1] = 1
    arrays = (birth, covers, trace.log_mask[0, :, 0].amax(0).exp().float(), weights[0, :, 0].mean(0).float())
    return SeenMemories.of(*(array.cpu().numpy() for array in arrays))
