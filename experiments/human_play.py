"""An episode that a person plays, key by key."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from rlmem.agents.step_words import StepWords
from rlmem.agents.trace_play import take_pictures
from rlmem.experiments.play_keys import QUIT_KEYS, RESTART_KEY, Keys
from rlmem.observation_leaves import leaf_spaces, leaves

Answer = Literal["moved", "restarted", "quit", "ignored"]

_MOST_NUMBERS = 12  # of an observation without words, that are shown of each part
_MOST_FACTS = 3


class HumanEpisode:
    """What a person sees and does.

    Args:
        env: one environment with Discrete actions.
        keys: of the environment.
        seed: of the first episode; later ones go on with the environment's generator.

    Attributes:
        frame, view: pictures (height, width, 3) of the environment and of what an agent would see, or None.
        words: what an agent would see, or None.
        mission: MiniGrid's, what is to be done; "" elsewhere.
        step: steps taken.
        action: name of the last one; "" before it.
        reward: of the last step.
        total: of all rewards.
        facts: numbers that the environment tells at the side, by name.
        outcome: "success", "failure", "truncated", "over", or None while the episode runs.
    """

    def __init__(self, env: gym.Env[Any, Any], keys: Keys, seed: int) -> None:
        self.env, self.keys = env, keys
        self.restart(seed)

    def restart(self, seed: int | None = None) -> None:
        """Begin a new episode; seed: of it, or None to go on with the environment's generator."""
        seen, info = self.env.reset(seed=seed)
        self.step, self.action, self.reward, self.total = 0, "", 0.0, 0.0
        self.outcome: str | None = None
        self._look(seen, info)

    def press(self, key: str) -> Answer:
        """Do what a key means; `key` is a name of pygame's, or of an action."""
        if key in QUIT_KEYS:
            return "quit"
        if key == RESTART_KEY:
            self.restart()
            return "restarted"
        action = self.keys.action_of_key.get(key)
        if action is None or self.outcome is not None:
            return "ignored"
        self.act(action)
        return "moved"

    def act(self, action: int) -> None:
        """Take an action of the environment's."""
        space: Any = self.env.action_space
        seen, reward, terminated, truncated, info = self.env.step(space.dtype.type(action))
        self.step += 1
        self.action, self.reward = self.keys.name_of_action[action], float(reward)
        self.total += self.reward
        if terminated or truncated:
            self.outcome = _outcome(info, bool(truncated and not terminated))
        self._look(seen, info)

    def _look(self, seen: Any, info: Mapping[str, Any]) -> None:
        space = self.env.observation_space
        self.frame, self.view = take_pictures(self.env)
        self._observation = tuple(np.asarray(leaf) for leaf in leaves(space, seen))
        self.words = StepWords.of(space, self._observation)
        self.mission = str(getattr(self.env.unwrapped, "mission", ""))
        self.facts = {
            name.replace("_", " "): f"{float(value):.4g}"
            for name, value in info.items()
            if isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
        }
        self.facts = dict(list(self.facts.items())[:_MOST_FACTS])

    def observation_text(self) -> str:
        """The observation as numbers, for an environment without words."""
        names = leaf_spaces(self.env.observation_space)
        return "\n".join(_numbers(name, leaf) for name, leaf in zip(names, self._observation, strict=True))


def _outcome(info: Mapping[str, Any], is_truncated: bool) -> str:
    if info.get("is_success"):
        return "success"
    if is_truncated:
        return "truncated"
    return "failure" if "is_success" in info else "over"


def _numbers(name: str, leaf: NDArray[Any]) -> str:
    if leaf.size > _MOST_NUMBERS:
        return f"{name}: {' × '.join(map(str, leaf.shape))} numbers, {leaf.min():.4g} to {leaf.max():.4g}"
    return f"{name}: {' '.join(f'{float(number):.4g}' for number in leaf.ravel())}"
