"""Vector environments of everything: a batch version where there is a fitting one, else single ones side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec, load_env_creator
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from rlmem.envs.checked_vector import CheckedVectorEnv
from rlmem.envs.guarded import GuardedMaker
from rlmem.envs.single import Env, EnvWrapper, find_spec, make_single_env, wrap
from rlmem.envs.workers import WorkerVectorEnv
from rlmem.errors import UsageError, check

Mode: TypeAlias = Literal["sync", "async"]


def make_vector_env(
    env_id: str, num_envs: int, *, vectorization: Mode = "sync", wrappers: Sequence[EnvWrapper] = (), **kwargs: Any
) -> VectorEnv[Any, Any, Any]:
    """Make a vector environment with SAME_STEP autoreset.

    Args:
        env_id: an id such as "CartPole-v1", with the module that registers it in front where that is not imported yet:
            "mymodule:MyEnv-v0".
        num_envs: how many environments, at least 1.
        vectorization: as for `vectorise`, where there is no batch version.
        wrappers: as for `make_single_env`; with any, single environments are used.
        kwargs: the environment's own keywords.

    Returns:
        The environment's batch version, if it has one and that resets in the same step (Gymnasium's own, such as
        CartPole's, do not); otherwise what `vectorise` makes.

    Raises:
        UsageError: no such environment, or its keywords are refused.
    """
    spec = find_spec(env_id)
    if wrappers or not _has_fitting_batch(spec):
        return vectorise(env_id, num_envs, vectorization=vectorization, wrappers=wrappers, **kwargs)
    try:
        return gym.make_vec(spec, num_envs, vectorization_mode="vector_entry_point", **kwargs)
    except TypeError as error:
        raise UsageError(f"the environment {env_id!r} cannot be made with the keywords {kwargs} ({error})") from error


def vectorise(
    env: str | Callable[[], Env],
    num_envs: int,
    *,
    vectorization: Mode = "sync",
    wrappers: Sequence[EnvWrapper] = (),
    **kwargs: Any,
) -> CheckedVectorEnv:
    """Put single environments side by side, with SAME_STEP autoreset and checks.

    Args:
        env: an id, see `make_vector_env`, or a function that makes an environment.
        num_envs: how many environments, at least 1.
        vectorization: "sync": one after the other; "async": each in a process of its own, which pays where a step takes
            longer than the way to another process and back, about 0.1 ms. Functions and wrappers travel there by
            cloudpickle: those of the main script whole, others by name, so that their modules must be found there.
        wrappers: as for `make_single_env`; MiniGrid's words come last here, too.
        kwargs: the environment's own keywords; with an id only.

    Returns:
        The vector environment; close it, and its processes end.

    Raises:
        UsageError: no such environment, refused keywords, or spaces that cannot be batched.
        EnvironmentFailedError: a worker process died at its start.
    """
    check(num_envs >= 1, f"num_envs is {num_envs}, but a batch has at least one environment: pass 1 or more")
    check(vectorization in ("sync", "async"), f"vectorization is {vectorization!r}: pass 'sync' or 'async'")
    if isinstance(env, str):
        make: Callable[[], Env] = partial(make_single_env, find_spec(env), wrappers=tuple(wrappers), **kwargs)
    else:
        check(not kwargs, f"got the keywords {sorted(kwargs)} beside a function, which takes none: put them into it")
        make = partial(wrap, env, tuple(wrappers))
    makers = [GuardedMaker(make, index) for index in range(num_envs)]
    try:
        if vectorization == "async":
            return CheckedVectorEnv(WorkerVectorEnv(makers))
        return CheckedVectorEnv(SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP))
    except UsageError:
        raise
    except (AssertionError, TypeError, ValueError, RuntimeError) as error:  # Gymnasium's, not the environments' own
        raise UsageError(
            f"these environments cannot be stepped side by side ({type(error).__name__}: {error}): give all of them "
            "the same spaces, of Box, Discrete, MultiDiscrete, MultiBinary, Dict and Tuple"
        ) from error


def _has_fitting_batch(spec: EnvSpec) -> bool:
    """Whether the environment has a batch version with SAME_STEP autoreset."""
    entry_point = spec.vector_entry_point
    creator = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    return getattr(creator, "metadata", {}).get("autoreset_mode") == AutoresetMode.SAME_STEP
