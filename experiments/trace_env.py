"""The single environment that an episode is traced in, with pictures where it can draw them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import EnumMeta
from typing import Any

import gymnasium as gym
from gymnasium import spaces

from rlmem.errors import UsageError
from rlmem.experiments.tasks import TASKS, GymnasiumOptions, TaskOptions


def make_traced_env(
    task: str, options: TaskOptions, render_mode: str = "rgb_array"
) -> tuple[gym.Env[Any, Any], str | None]:
    """One environment of a task.

    Args:
        task: a name of `TASKS`.
        options: the environment's keywords.
        render_mode: "rgb_array" for pictures, "ansi" for text.

    Returns:
        The environment, with the render mode if it can draw; and a clause that says so if it cannot, else None.

    Raises:
        UsageError: there is no such environment, or it cannot be made with these keywords.
    """
    env_id = options.env_id if isinstance(options, GymnasiumOptions) else str(TASKS[task].env_id)
    try:
        env = _make(env_id, options, render_mode=render_mode)
        env.reset(seed=0)
        if env.render_mode == render_mode and env.render() is not None:
            return env, None
        reason = f"it has no render mode {render_mode}"
    except Exception as error:  # whatever an environment raises that cannot draw
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    env = _make(env_id, options)
    return env, f"{env_id} draws no pictures ({reason})"


def _make(env_id: str, options: TaskOptions, render_mode: str | None = None) -> gym.Env[Any, Any]:
    import rlmem  # noqa: F401  (registers the ids)
    from rlmem.envs.previous_action import PreviousActionReward
    from rlmem.envs.single import make_single_env

    if render_mode is not None and render_mode not in _render_modes(env_id):
        raise UsageError(f"it has no render mode {render_mode}")
    keywords: dict[str, Any] = {} if render_mode is None else {"render_mode": render_mode}
    env = make_single_env(env_id, **options.keywords(), **keywords)
    if options.previous_action or options.previous_reward:
        env = PreviousActionReward(env, action=options.previous_action, reward=options.previous_reward)
    return env


def _render_modes(env_id: str) -> Sequence[str]:
    from gymnasium.envs.registration import load_env_creator

    from rlmem.envs.single import find_spec

    entry_point = find_spec(env_id).entry_point
    creator = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    modes: Sequence[str] = getattr(creator, "metadata", {}).get("render_modes", ())
    return modes


def action_names(env: gym.Env[Any, Any]) -> list[str] | None:
    """Names of discrete actions, numbers where nobody named them; None for other actions."""
    from rlmem.envs.grid_world import ACTIONS

    space = env.action_space
    if not isinstance(space, spaces.Discrete):
        return None
    named = getattr(env.unwrapped, "actions", None)  # MiniGrid's
    if env.spec is not None and env.spec.id.startswith("rlmem/"):
        return list(ACTIONS)
    if isinstance(named, EnumMeta) and len(named) == space.n:
        return list(named.__members__)
    return [str(number) for number in range(int(space.start), int(space.start + space.n))]
