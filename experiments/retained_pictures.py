"""Pictures of a few steps of an episode that was played without any: its actions are taken once more.

Drawing every step while the agent plays takes ten times as long as the playing itself.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Collection
from typing import Any, SupportsFloat, TypeVar

import gymnasium as gym
import numpy as np

from rlmem.agents.trace_pictures import Frame
from rlmem.agents.trace_play import take_pictures
from rlmem.agents.tracing import EpisodeTrace
from rlmem.envs.workers import EnvironmentFailedError
from rlmem.errors import RlmemError
from rlmem.observation_leaves import leaves

Result = TypeVar("Result")


class UndrawnEnv(gym.Wrapper[Any, Any, Any, Any]):
    """An environment that is asked for no pictures, whatever it could draw."""

    render_mode: str | None = None


class NamedFailuresEnv(gym.Wrapper[Any, Any, Any, Any]):
    """An environment whose own errors are told from the program's: they come as `EnvironmentFailedError`."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode; see `gymnasium.Env.reset`."""
        return _named("reset", lambda: self.env.reset(seed=seed, options=options))

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take a step; see `gymnasium.Env.step`."""
        return _named("step", lambda: self.env.step(action))

    def render(self) -> Any:
        """Draw; see `gymnasium.Env.render`."""
        return _named("render", self.env.render)


def _named(where: str, call: Callable[[], Result]) -> Result:
    try:
        return call()
    except RlmemError:
        raise
    except Exception as error:  # whatever an environment raises
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(frame.filename)}, line {frame.lineno}"
        raise EnvironmentFailedError(
            f"the environment failed in {where}: {type(error).__name__}: {error} ({place})"
        ) from error


def picture_steps(
    env: gym.Env[Any, Any], space: gym.Space[Any], trace: EpisodeTrace, steps: Collection[int]
) -> dict[int, Frame] | None:
    """Pictures of some steps: what the agent sees, or where that is not drawn, the whole environment.

    Args:
        env: that the episode was played in; it draws, with render_mode "rgb_array".
        space: of the policy's observations.
        trace: of the episode.
        steps: which ones.

    Returns:
        (height, width, 3) by step; None if the environment did not show the same again.

    Raises:
        EnvironmentFailedError: the environment raised an error.
    """
    pictures: dict[int, Frame] = {}
    seen, _ = env.reset(seed=trace.seed)
    for step in range(max(steps, default=-1) + 1):
        shown = zip(leaves(space, seen), trace.observation, strict=True)
        if not all(np.array_equal(leaf, recorded[step]) for leaf, recorded in shown):
            return None
        if step in steps:
            frame, view = take_pictures(env)
            picture = frame if view is None else view
            if picture is not None and picture.ndim == 3:
                pictures[step] = picture
        seen, *_ = env.step(trace.action[step])
    return pictures
