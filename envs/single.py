"""One environment from its id: any that Gymnasium knows, MiniGrid's as words."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, TypeAlias

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from rlmem.errors import RlmemError, UsageError

Env: TypeAlias = gym.Env[Any, Any]
EnvWrapper: TypeAlias = Callable[[Env], Env]

# Ids that need no module in front: the start of the id -> the module that registers it.
_MODULE_OF_IDS = {"rlmem/": "rlmem", "MiniGrid-": "minigrid", "BabyAI-": "minigrid"}


def find_spec(env_id: str) -> EnvSpec:
    """Find what Gymnasium knows about an environment.

    Args:
        env_id: an id such as "CartPole-v1", with the module that registers it in front where that is not imported yet:
            "mymodule:MyEnv-v0". Ids of MiniGrid, BabyAI and rlmem need none.

    Returns:
        The specification; it makes the environment in another process, too, where the id may not be registered.

    Raises:
        UsageError: no such id, or the module cannot be imported.
    """
    module, _, name = env_id.rpartition(":")
    module = module or next((found for start, found in _MODULE_OF_IDS.items() if name.startswith(start)), "")
    if module:
        try:
            import_module(module)
        except Exception as error:
            raise UsageError(
                f"the module {module!r} of the environment {env_id!r} cannot be imported "
                f"({type(error).__name__}: {error}): correct its name, install it, or add its folder to PYTHONPATH"
            ) from error
    if name not in gym.registry:
        near = difflib.get_close_matches(name, gym.registry, n=3)
        nearest = f" (near it: {', '.join(near)})" if near else ""
        raise UsageError(
            f"there is no environment {name!r}{nearest}: correct the id, or put the module that registers it in front, "
            f"as in 'mymodule:{name}'"
        )
    return gym.registry[name]


def make_single_env(env_id: str | EnvSpec, *, wrappers: Sequence[EnvWrapper] = (), **kwargs: Any) -> Env:
    """Make one environment.

    Args:
        env_id: as `find_spec` takes it, or a specification.
        wrappers: put around the environment, the first one innermost.
        kwargs: the environment's own keywords, and those of `gymnasium.make`.

    Returns:
        The environment; a MiniGrid or BabyAI environment in `MiniGridWords`, unless the wrappers have changed its
        observation to something else than MiniGrid's dictionary.

    Raises:
        UsageError: no such environment, or its keywords are refused.
    """
    spec = find_spec(env_id) if isinstance(env_id, str) else env_id
    try:
        env = gym.make(spec, **kwargs)
    except RlmemError:
        raise
    except Exception as error:
        raise UsageError(
            f"the environment {spec.id!r} cannot be made with the keywords {kwargs} ({type(error).__name__}: {error})"
        ) from error
    return wrap(lambda: env, wrappers)


def wrap(make: Callable[[], Env], wrappers: Sequence[EnvWrapper]) -> Env:
    """Make an environment with wrappers around it, and MiniGrid's words last: see `make_single_env`."""
    env = make()
    for wrapper in wrappers:
        env = wrapper(env)
    space = env.observation_space
    if not isinstance(space, gym.spaces.Dict) or "mission" not in space.spaces:
        return env
    # Loads pygame, which other environments can do without.
    from minigrid.minigrid_env import MiniGridEnv

    from rlmem.envs.minigrid_words import MiniGridWords, is_minigrid

    return MiniGridWords(env) if isinstance(env.unwrapped, MiniGridEnv) and is_minigrid(env) else env
