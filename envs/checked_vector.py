"""A vector environment whose failures are found at once, named and survivable: no NaN in a policy, no wait for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.vector import VectorEnv, VectorWrapper

from rlmem.envs.guarded import FAILURE, TRACEBACK
from rlmem.envs.vector_inputs import Infos, read_reset_mask, read_seeds
from rlmem.envs.workers import EnvironmentFailedError, WorkerVectorEnv
from rlmem.errors import UsageError

Result = TypeVar("Result")

_ADVICE = "the last checkpoint stands: resume from it once the environment is mended"


class CheckedVectorEnv(VectorWrapper):  # without type arguments, which Gymnasium 1.1 refuses
    """Checks what goes into a vector environment of `GuardedEnv`s and what comes out.

    Actions outside the action space raise UsageError and change nothing. An environment that raised, died, or returned
    NaN or infinity in an observation or a reward raises EnvironmentFailedError, and all environments are closed.
    Observations, actions, rewards and ends are those of the wrapped environment.

    Args:
        env: a SyncVectorEnv or WorkerVectorEnv of guarded environments, with SAME_STEP autoreset.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(env)
        self._float_leaves = tuple(_float_leaves(env.single_observation_space))
        self._steps = 0
        self._has_started = False
        self._is_answering = False  # a call began and did not come back: its workers' answers may wait in the pipes

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, Infos]:
        """Start an episode in every environment, or in some.

        Args:
            seed: a number s gives environment i the seed s + i; a sequence gives each its own, None there a random one.
            options: passed on to the environments, but for ``reset_mask``, (num_envs,) bool, True where an episode is
                to start; all others run on.

        Returns:
            Observations and infos.

        Raises:
            UsageError: seeds or a mask that cannot be.
            ResetNeeded: the first reset leaves some environments out.
            EnvironmentFailedError: an environment failed.
        """
        options = None if options is None else dict(options)  # Gymnasium takes the mask out of it
        mask = read_reset_mask((options or {}).get("reset_mask"), self.num_envs)
        if not self._has_started and not mask.all():
            raise ResetNeeded("options['reset_mask'] leaves out environments that never started: reset all first")
        seeds = None if seed is None else read_seeds(seed, self.num_envs)
        observations, infos = self._call(lambda: self.env.reset(seed=seeds, options=options))  # type: ignore[arg-type]
        self._has_started = True
        self._check_failures(infos)
        self._check_finite(observations, "in reset")
        return observations, infos

    def step(
        self, actions: Any
    ) -> tuple[Any, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], Infos]:
        """Step every environment; where an episode ends, the next one starts.

        Args:
            actions: a batch of actions; lists serve for arrays.

        Returns:
            Observations, rewards, terminations, truncations and infos, with ``final_obs`` and ``final_info`` of ended
            episodes.

        Raises:
            ResetNeeded: no reset yet.
            UsageError: actions outside the action space.
            EnvironmentFailedError: an environment failed.
        """
        if not self._has_started:
            raise ResetNeeded("step was called, but no episode is running: call reset() first")
        actions = read_batch_actions(actions, self)
        self._steps += 1
        result = self._call(lambda: self.env.step(actions))
        observations, rewards, _, _, infos = result
        self._check_failures(infos)
        when = f"in step {self._steps}"
        self._check_rows(np.isfinite(rewards), "reward", when)
        self._check_finite(observations, when)
        if self._float_leaves and "final_obs" in infos:
            self._check_final(infos["final_obs"], infos["_final_obs"], when)
        return result

    def close(self, **kwargs: Any) -> None:
        """Close every environment, and end the worker processes for sure."""
        if self.closed:
            return
        workers = self.env if isinstance(self.env, WorkerVectorEnv) else None
        try:
            # Gymnasium would wait for answers that a call which broke off has already read.
            if workers is None or not self._is_answering:
                self.env.close(**kwargs)
        except (EOFError, OSError):
            pass  # a worker died before it was asked to end
        finally:
            if workers is not None:
                workers.stop()

    def _call(self, function: Callable[[], Result]) -> Result:
        """Call the wrapped environment; whatever it raises closes it and becomes an EnvironmentFailedError."""
        if self.closed:
            raise ClosedEnvironmentError("the environments are closed: make new ones")
        self._is_answering = True
        try:
            result = function()
        except Exception as error:
            is_death = isinstance(error, (EOFError, OSError)) and isinstance(self.env, WorkerVectorEnv)
            what = self.env.describe_death() if is_death else f"{type(error).__name__}: {error}"  # type: ignore[attr-defined]
            self.close()
            raise EnvironmentFailedError(f"{what} in step {self._steps}; {_ADVICE}") from error
        self._is_answering = False
        return result

    def _check_failures(self, infos: Infos) -> None:
        """Raise what a guarded environment reported."""
        if FAILURE in infos:
            row = int(np.flatnonzero(infos[f"_{FAILURE}"])[0])
            self.close()
            cause = RuntimeError(f"in the environment:\n{infos[TRACEBACK][row]}")
            raise EnvironmentFailedError(f"{infos[FAILURE][row]}; {_ADVICE}") from cause

    def _check_finite(self, observations: Any, when: str) -> None:
        for path in self._float_leaves:
            self._check_rows(np.isfinite(_leaf(observations, path)), _name(path), when)

    def _check_final(self, final_obs: npt.NDArray[np.object_], is_final: npt.NDArray[np.bool_], when: str) -> None:
        for path in self._float_leaves:
            is_finite = np.ones(self.num_envs, dtype=bool)
            for row in np.flatnonzero(is_final):
                is_finite[row] = np.isfinite(_leaf(final_obs[row], path)).all()
            self._check_rows(is_finite, f"final {_name(path)}", when)

    def _check_rows(self, is_finite: npt.NDArray[np.bool_], name: str, when: str) -> None:
        """Raise unless all is finite; is_finite: (num_envs, ...)."""
        if not is_finite.all():
            row = int(np.argwhere(~is_finite)[0][0])
            self.close()
            raise EnvironmentFailedError(
                f"environment {row} returned NaN or infinity in its {name} {when}, from which nothing can be learned; "
                f"{_ADVICE}"
            )


def read_batch_actions(actions: Any, envs: VectorEnv[Any, Any, Any]) -> Any:
    """Check a batch of actions.

    Args:
        actions: one action for each environment; lists serve for arrays.
        envs: the vector environment.

    Returns:
        The actions; arrays have the space's dtype.

    Raises:
        UsageError: they are outside the action space.
    """
    space = envs.action_space
    is_castable = True
    if space.shape is not None and space.dtype is not None:
        actions = np.asarray(actions)
        is_castable = np.can_cast(actions.dtype, space.dtype, "same_kind")
        if is_castable:
            actions = actions.astype(space.dtype, copy=False)
    if not is_castable or not space.contains(actions):
        kind = f" (shape {actions.shape}, dtype {actions.dtype})" if isinstance(actions, np.ndarray) else ""
        raise UsageError(
            f"got the actions {actions!r:.200}{kind}, but each of the {envs.num_envs} environments takes one action of "
            f"{envs.single_action_space}: pass a member of {space}"
        )
    return actions


def _float_leaves(space: spaces.Space[Any], path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the floating-point arrays of an observation are: keys and indices, outermost first."""
    if isinstance(space, spaces.Dict):
        for key, part in space.spaces.items():
            yield from _float_leaves(part, (*path, key))
    elif isinstance(space, spaces.Tuple):
        for index, part in enumerate(space.spaces):
            yield from _float_leaves(part, (*path, index))
    elif isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating):
        yield path


def _leaf(observation: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        observation = observation[key]
    return observation


def _name(path: tuple[Any, ...]) -> str:
    return "observation" + "".join(f"[{key!r}]" for key in path)
