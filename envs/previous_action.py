"""The previous action and reward as a part of the observation, for one environment and for a batch.

An agent with a memory can do without either where the observation tells what the action did. Where it does not, or
where the reward is news (bandits, a rule that changes), these wrappers show them.

The previous action of an episode's first step is "none": for a Discrete space one more action, the last; for a
MultiDiscrete space one more in each entry, the last; for a Box or MultiBinary space, zeros. The previous reward of an
episode's first step is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, SupportsFloat, TypeAlias

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from rlmem.envs.vector_inputs import Infos, read_reset_mask
from rlmem.errors import UsageError, check

State: TypeAlias = dict[str, Any]
StepResult: TypeAlias = tuple[
    dict[str, Any], npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], Infos
]


def with_none(space: spaces.Space[Any]) -> spaces.Space[Any]:
    """The space of previous actions: the actions, and "none".

    Args:
        space: of one environment's actions.

    Returns:
        Discrete and MultiDiscrete spaces with one more value, the last; Box and MultiBinary spaces with zeros in them.

    Raises:
        UsageError: another kind of space.
    """
    if isinstance(space, spaces.Discrete):
        return spaces.Discrete(int(space.n) + 1, start=int(space.start))
    if isinstance(space, spaces.MultiDiscrete):
        return spaces.MultiDiscrete(space.nvec + 1, dtype=space.dtype.type, start=space.start)
    if isinstance(space, spaces.Box):
        dtype = space.dtype.type
        return spaces.Box(np.minimum(space.low, 0).astype(dtype), np.maximum(space.high, 0).astype(dtype), dtype=dtype)
    if isinstance(space, spaces.MultiBinary):
        return spaces.MultiBinary(space.n)
    raise UsageError(
        f"the action space is {space}, whose previous action cannot be shown: it must be Discrete, MultiDiscrete, "
        "MultiBinary or Box"
    )


def none_action(space: spaces.Space[Any]) -> npt.NDArray[Any]:
    """The previous action of an episode's first step.

    Args:
        space: what `with_none` returned.

    Returns:
        An array of the space's shape and dtype.
    """
    if isinstance(space, spaces.Discrete):
        return np.array(space.start + space.n - 1, dtype=space.dtype)
    if isinstance(space, spaces.MultiDiscrete):
        return np.array(space.start + space.nvec - 1, dtype=space.dtype)
    return np.zeros(space.shape or (), dtype=space.dtype)


def _extend_space(
    observation: spaces.Space[Any], actions: spaces.Space[Any], *, action: bool, reward: bool
) -> spaces.Dict:
    check(
        action or reward,
        "neither the previous action nor the previous reward is to be shown: leave the wrapper out",
    )
    extended: dict[str, spaces.Space[Any]] = {"observation": observation}
    if action:
        extended["previous_action"] = with_none(actions)
    if reward:
        extended["previous_reward"] = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    return spaces.Dict(extended)


class PreviousActionReward(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Shows the previous action and reward in the observation of one environment.

    Observation: a dictionary of ``observation``, the environment's own, a dictionary or not; ``previous_action``, see
    `with_none`; ``previous_reward``, (1,) float32. Actions, rewards and ends are the environment's own.

    Args:
        env: the environment.
        action: whether to show the previous action.
        reward: whether to show the previous reward.

    Raises:
        UsageError: nothing is to be shown, or the action's space cannot be.
    """

    def __init__(self, env: gym.Env[Any, Any], action: bool = True, reward: bool = True) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, action=action, reward=reward)
        super().__init__(env)
        extended = _extend_space(env.observation_space, env.action_space, action=action, reward=reward)
        self.observation_space: spaces.Space[Any] = extended
        self._shown = extended.spaces

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[State, Infos]:
        """Start an episode; see `gymnasium.Env.reset`."""
        observation, info = self.env.reset(seed=seed, options=options)
        action = none_action(self._shown["previous_action"]) if "previous_action" in self._shown else None
        return self._extend(observation, action, 0.0), info

    def step(self, action: Any) -> tuple[State, SupportsFloat, bool, bool, Infos]:
        """Take a step; see `gymnasium.Env.step`."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._extend(observation, action, reward), reward, terminated, truncated, info

    def _extend(self, observation: Any, action: Any, reward: SupportsFloat) -> State:
        extended = {"observation": observation}
        if "previous_action" in self._shown:
            # A Discrete space wants a NumPy scalar, which [()] makes of an array without dimensions.
            extended["previous_action"] = np.array(action, dtype=self._shown["previous_action"].dtype)[()]
        if "previous_reward" in self._shown:
            extended["previous_reward"] = np.array([reward], dtype=np.float32)
        return extended


class VectorPreviousActionReward(VectorWrapper):  # without type arguments, which Gymnasium 1.1 refuses
    """Shows the previous action and reward in the observations of a vector environment with SAME_STEP autoreset.

    Observations: as those of `PreviousActionReward`, batched. After the last step of an episode the observation is the
    next episode's first, with "none" and 0; ``infos["final_obs"]``, an object array (num_envs,) of dictionaries, None
    outside its mask, shows the action and the reward that led to the final observation.

    It has `state_dict` and `load_state_dict` where the wrapped environment has them; nowhere else.

    Args:
        env: the vector environment.
        action: whether to show the previous action.
        reward: whether to show the previous reward.

    Raises:
        UsageError: nothing is to be shown, the action's space cannot be, or the autoreset is another.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], action: bool = True, reward: bool = True) -> None:
        super().__init__(env)
        mode = env.metadata.get("autoreset_mode")
        check(
            mode == AutoresetMode.SAME_STEP,
            f"the vector environment's autoreset mode is {mode}, but VectorPreviousActionReward needs SAME_STEP: "
            "make it with rlmem.envs.vectorise",
        )
        single = _extend_space(env.single_observation_space, env.single_action_space, action=action, reward=reward)
        self._shown = single.spaces
        self.single_observation_space = single
        self.observation_space = batch_space(single, env.num_envs)
        none = none_action(with_none(env.single_action_space)) if action else np.zeros(())
        self._none = np.repeat(none[np.newaxis], env.num_envs, axis=0)  # (num_envs, ...)
        self._actions = self._none.copy()
        self._rewards = np.zeros((env.num_envs, 1), dtype=np.float32)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[State, Infos]:
        """Start an episode in every environment, or where ``options["reset_mask"]`` says; see the wrapped `reset`."""
        starts = read_reset_mask((options or {}).get("reset_mask"), self.num_envs)
        observations, infos = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]  # takes lists, too
        self._forget(starts)
        return self._extend(observations), infos

    def step(self, actions: Any) -> StepResult:
        """Step every environment; see the wrapped `step`.

        Args:
            actions: a batch of the wrapped environment's actions.

        Returns:
            Extended observations, rewards, terminations, truncations and infos.
        """
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        if "previous_action" in self._shown:
            self._actions = np.array(actions, dtype=self._none.dtype)
        self._rewards = np.asarray(rewards, dtype=np.float32)[:, np.newaxis]
        if "final_obs" in infos:
            infos = infos | {"final_obs": self._extend_final(infos["final_obs"], infos["_final_obs"])}
        self._forget(terminations | truncations)
        return self._extend(observations), rewards, terminations, truncations, infos

    def _forget(self, starts: npt.NDArray[np.bool_]) -> None:
        """Set "none" and 0 where an episode starts; starts: (num_envs,)."""
        self._actions[starts] = self._none[starts]
        self._rewards[starts] = 0

    def _extend(self, observations: Any) -> State:
        shown = {"previous_action": self._actions, "previous_reward": self._rewards}
        return {"observation": observations} | {name: shown[name].copy() for name in shown if name in self._shown}

    def _extend_final(self, final_obs: Any, is_final: npt.NDArray[np.bool_]) -> npt.NDArray[np.object_]:
        """Extend final observations, which come as an object array or as a batch; is_final: (num_envs,)."""
        extended = np.full(self.num_envs, None, dtype=object)
        batch = self._extend(final_obs)
        for row in np.flatnonzero(is_final):
            extended[row] = take_row(batch, int(row))
        return extended

    @property
    def state_dict(self) -> Callable[[], State]:
        """Save everything that the coming steps depend on: `environments`, and the last actions and rewards.

        Raises:
            AttributeError: the wrapped environment cannot save its state.
        """
        save: Callable[[], State] = self.env.state_dict  # type: ignore[attr-defined]  # not every environment has it
        return lambda: {
            "environments": save(),
            "previous_action": self._actions.copy(),
            "previous_reward": self._rewards.copy(),
        }

    @property
    def load_state_dict(self) -> Callable[[Mapping[str, Any]], None]:
        """Continue from a state that `state_dict` gave; lists serve for arrays.

        Raises:
            AttributeError: the wrapped environment cannot restore a state.
        """
        restore: Callable[[Any], None] = self.env.load_state_dict  # type: ignore[attr-defined]  # as above

        def load(state: Mapping[str, Any]) -> None:
            check(
                {"environments", "previous_action", "previous_reward"} <= set(state),
                f"the saved state holds {sorted(state)}, but no previous action and reward: it was saved without "
                "VectorPreviousActionReward; make the environments as they were made then",
            )
            actions = np.array(state["previous_action"], dtype=self._none.dtype)
            rewards = np.array(state["previous_reward"], dtype=np.float32)
            check(
                actions.shape == self._none.shape and rewards.shape == self._rewards.shape,
                f"the saved previous actions have shape {actions.shape}, not {self._none.shape}: "
                "make the environments with the arguments that they were saved with",
            )
            restore(state["environments"])
            self._actions, self._rewards = actions, rewards

        return load


def take_row(batch: Any, row: int) -> Any:
    """One row of a batch of observations: arrays, and dictionaries and tuples of them."""
    if isinstance(batch, Mapping):
        return {name: take_row(value, row) for name, value in batch.items()}
    if isinstance(batch, tuple):
        return tuple(take_row(value, row) for value in batch)
    return batch[row]
