"""A batch environment whose episodes live on a device: the rules of the NumPy one, over tensors.

All that people ask seldom (seeds, options, saved states, drawing) is the NumPy environment's work, on a copy of the
tensors; steps stay on the device and wait for nothing, so that a GPU's steps can be recorded and played again.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import VectorEnv

from rlmem.envs.layout_queue import LayoutQueue
from rlmem.envs.vector_inputs import Infos
from rlmem.envs.word_drawing import Frame
from rlmem.envs.word_vector_env import VectorWordEnv
from rlmem.errors import UsageError

if TYPE_CHECKING:
    import torch

_TAKEN = "layouts_taken"
_DeviceStep = tuple["torch.Tensor", "torch.Tensor", "torch.Tensor", "torch.Tensor", Infos]


class DeviceWordEnv(VectorEnv[Any, Any, Any]):
    """The episodes of a `VectorWordEnv` on a device, for PyTorch; arrays are tensors there in all that it returns.

    Observations, rewards (float64) and ends are those of the NumPy environment for the same layouts and actions, and
    so are the infos of ended episodes, except that ``final_obs``, ``final_info`` and their masks are there in every
    step, for it would have to wait to learn whether any episode ended. First layouts are those of the NumPy environment
    with the same seed; later ones have the same distribution but come in another order, from a `LayoutQueue`: NumPy
    draws as many at once as episodes end in a step, which nobody knows here. Infos of running episodes are left out.

    Args:
        host: the NumPy environment, which is this one's from now on.
        device: where to play.
    """

    metadata = VectorWordEnv.metadata

    def __init__(self, host: VectorWordEnv[Any], device: torch.device | str) -> None:
        import torch

        self.host, self.device = host, torch.device(device)
        self.num_envs, self.render_mode = host.num_envs, host.render_mode
        self.single_action_space, self.action_space = host.single_action_space, host.action_space
        self.single_observation_space, self.observation_space = host.single_observation_space, host.observation_space
        rows = np.arange(host.num_envs)
        host.episodes.start(rows, host.episodes.draw_layouts(np.random.default_rng(0), len(rows)))
        self._episodes = copy.copy(host.episodes)
        self._layout_names = tuple(vars(host.episodes.layouts))
        self._arrays = {name: self._tensor(array) for name, array in host.episodes.state_arrays().items()}
        self._fresh = {name: array.clone() for name, array in self._arrays.items() if name not in self._layout_names}
        self._episodes.replace_arrays(self._arrays)
        self._step_limit = host.episodes.rules.step_limit
        self._queue = LayoutQueue(host.episodes.draw_layouts, self.device)

    def _tensor(self, array: Any) -> torch.Tensor:
        import torch

        return torch.tensor(array, device=self.device)  # a copy, also where the device is the CPU

    @property
    def step_limit(self) -> int:
        """Steps after which an episode is truncated."""
        return self._step_limit

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[torch.Tensor, Infos]:
        """Start an episode in every environment, or in some; see `VectorWordEnv.reset`.

        Returns:
            Observations (num_envs, 3, 3, vocabulary) uint8, and infos.
        """
        self._download()
        observations, infos = self.host.reset(seed=seed, options=options)
        self._upload()
        self._queue.restart(self.host.np_random)
        return self._tensor(observations), self._as_tensors(infos)

    def prepare(self, num_steps: int) -> None:
        """Draw layouts enough for so many calls of `advance`. Waits for the device.

        What `advance` reads stays in the same tensors, unless more steps are asked for than ever before.

        Raises:
            ResetNeeded: no reset yet.
        """
        if not self._queue.has_started:
            raise ResetNeeded("the environments were to step, but no episode is running: call reset() first")
        ends = 1 + max(num_steps - 1, 0) // self.host.episodes.rules.shortest_episode
        self._queue.fill(self.num_envs * ends)

    def step(self, actions: torch.Tensor) -> _DeviceStep:
        """Walk one step in every environment; where an episode ends, the next one starts.

        Args:
            actions: (num_envs,) int64 on the device: 0 north, 1 south, 2 west, 3 east.

        Returns:
            Observations (num_envs, 3, 3, vocabulary) uint8; rewards, float64, terminations and truncations, bool, all
            (num_envs,); infos, see the class. All are fresh tensors.

        Raises:
            ResetNeeded: no reset yet.
            UsageError: actions of a wrong shape or dtype, or elsewhere. Their values are not looked at.
        """
        self.prepare(1)
        if actions.shape != (self.num_envs,) or actions.dtype != self._arrays["steps"].dtype:
            raise UsageError(
                f"got actions of shape {tuple(actions.shape)} and dtype {actions.dtype}, but there is one action for "
                f"each of the {self.num_envs} environments: pass int64 of shape ({self.num_envs},)"
            )
        return self.advance(actions)

    def advance(self, actions: torch.Tensor) -> _DeviceStep:
        """`step` for who has called `prepare`: no checks, and nothing that a GPU would have to be waited for."""
        rewards, terminations, successes = self._episodes.step(actions)  # type: ignore[arg-type]  # typed as NumPy's
        truncations = self._episodes.steps >= self._step_limit
        ended = terminations | truncations
        final_obs = self._episodes.observe(self._episodes.observation_codes())
        facts = {name: values * ended for name, values in self._episodes.facts().items()}
        self._restart(ended)
        final_info: Infos = {"is_success": successes & ended, "_is_success": ended}
        for name, values in facts.items():
            final_info |= {name: values, f"_{name}": ended}
        infos = {"final_obs": final_obs, "_final_obs": ended, "final_info": final_info, "_final_info": ended}
        observations = self._episodes.observe(self._episodes.observation_codes())
        return observations, rewards, terminations, truncations, infos  # type: ignore[return-value]  # typed as NumPy's

    def _restart(self, ended: Any) -> None:
        """Begin the next episodes of ended rows, (num_envs,) bool; the tensors stay the same ones."""
        begun = {**self._queue.take(ended), **self._fresh}
        now = self._episodes.state_arrays()
        for name, array in self._arrays.items():
            mask = ended.view(-1, *[1] * (array.ndim - 1))
            array.copy_(begun[name].where(mask, now[name]))
        self._episodes.replace_arrays(self._arrays)

    def render(self) -> tuple[Frame, ...] | None:
        """Draw every environment; see `VectorWordEnv.render`."""
        self._download()
        return self.host.render()

    def state_dict(self) -> dict[str, Any]:
        """Save everything that the coming steps depend on, as `VectorWordEnv.state_dict`, in NumPy arrays.

        Returns:
            The same entries, with the generator as it was before the queue's oldest block, and ``layouts_taken``, how
            many layouts of that block are used up.
        """
        self._download()
        state = self.host.state_dict()
        if self._queue.has_started:
            state["generator"], state[_TAKEN] = self._queue.state()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved state, also one of a NumPy environment, whose running episodes go on as they were.

        Raises:
            UsageError: the state is of other environments, or incomplete.
        """
        self.host.load_state_dict(state)
        self._upload()
        self._queue.restart(self.host.np_random, int(state.get(_TAKEN, 0)))

    def _download(self) -> None:
        """Bring the NumPy environment to where the tensors are; waits for the device."""
        for name, array in self.host.episodes.state_arrays().items():
            array[...] = self._arrays[name].cpu().numpy()

    def _upload(self) -> None:
        """Bring the tensors to where the NumPy environment is."""
        for name, array in self.host.episodes.state_arrays().items():
            self._arrays[name].copy_(self._tensor(array))

    def _as_tensors(self, infos: Infos) -> Infos:
        return {
            name: self._as_tensors(value) if isinstance(value, dict) else self._tensor(value)
            for name, value in infos.items()
        }
