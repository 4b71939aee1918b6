"""Gymnasium's side of every batch environment: seeds, resets, autoreset, infos, saved states; `Episodes` play."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Generic

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from rlmem.envs.episodes import Episodes, LayoutsT
from rlmem.envs.grid_world import (
    ACTIONS,
    BoolArray,
    FloatArray,
    IntArray,
    Observations,
    concatenate_layouts,
    force_layouts,
    make_observation_space,
)
from rlmem.envs.vector_inputs import Infos, read_actions, read_reset_mask, read_seeds, with_masks
from rlmem.envs.vocabulary import OBSERVATION_SHAPE
from rlmem.envs.word_drawing import Frame
from rlmem.errors import UsageError


class VectorWordEnv(VectorEnv[Observations, IntArray, npt.NDArray[Any]], Generic[LayoutsT]):
    """A batch of episodes stepped together. Derived classes make the `Episodes` and say what they are about.

    Observations: (num_envs, 3, 3, vocabulary) uint8. Actions: (num_envs,) integers 0 to 3.

    Autoreset is SAME_STEP: an episode's last step returns its reward and its end, and the next episode's first
    observation. What belongs to the ended episode is in the infos, as in Gymnasium's SyncVectorEnv: ``final_obs``
    (num_envs, 3, 3, vocabulary) with mask ``_final_obs``, and ``final_info`` with ``is_success``, the environment's own
    infos and their masks, with mask ``_final_info``; rows outside the masks are zero. The four are there only in steps
    where some episode ended. Always there: ``is_success`` and the environment's own infos of the running episodes, and
    their masks.

    Layouts: after ``reset(seed=s)`` row i starts in the layout of a single environment's ``reset(seed=s + i)``; all
    later layouts come from one generator, which the seeds determine too.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10, "autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(self, episodes: Episodes[LayoutsT], render_mode: str | None, tile_pixels: int) -> None:
        """Make the environments.

        Args:
            episodes: what is played, a row an environment.
            render_mode: None, or "rgb_array" for one frame an environment.
            tile_pixels: a tile's side in the frames.

        Raises:
            UsageError: an argument that cannot be.
        """
        if render_mode not in (None, "rgb_array"):
            raise UsageError(
                f"render_mode is {render_mode!r}, which a batch cannot draw: pass None or 'rgb_array', or make one "
                "environment with gym.make"
            )
        self.episodes = episodes
        self.num_envs = episodes.num_envs
        self.render_mode = render_mode
        self.single_action_space = spaces.Discrete(len(ACTIONS))
        self.single_observation_space = make_observation_space()
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self._step_limit = episodes.rules.step_limit
        self._tile_pixels = tile_pixels
        self._all_rows: BoolArray = np.ones(self.num_envs, dtype=bool)  # a mask that nobody writes to
        self._has_started = False

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, Infos]:
        """Start an episode in every environment, or in some.

        Args:
            seed: a number s gives row i the seed s + i; a sequence gives each row its own, None there a random one.
                Without any, layouts come from the common generator, which runs on.
            options: forced parts of the layouts, as the single environment's ``reset`` knows them (one value, or
                num_envs values), and ``reset_mask``, (num_envs,) bool, True where an episode is to start; all others
                run on.

        Returns:
            Observations (num_envs, 3, 3, vocabulary), and infos with masks that are True where an episode started.

        Raises:
            UsageError: seeds or options that cannot be.
            ResetNeeded: the first reset leaves some environments out.
        """
        options = dict(options or {})
        starts = read_reset_mask(options.pop("reset_mask", None), self.num_envs)
        if not self._has_started and not starts.all():
            raise ResetNeeded("options['reset_mask'] leaves out environments that never started: reset all first")
        rows = np.flatnonzero(starts)
        forced = self.episodes.read_options(options)
        layouts = self._draw_first_layouts(rows, seed)
        force_layouts(layouts, {name: values[rows] for name, values in forced.items()})
        self.episodes.start(rows, layouts)
        self._has_started = True
        infos = self._infos_where(starts, np.zeros(self.num_envs, dtype=bool))
        return self.episodes.observe(self.episodes.observation_codes()), infos

    def _draw_first_layouts(self, rows: IntArray, seed: int | Sequence[int | None] | None) -> LayoutsT:
        """Draw a layout for each of `rows`: by the row's own seed where there are seeds. Seeds the common generator."""
        if seed is None:
            return self._draw_layouts(rows)
        seeds = read_seeds(seed, self.num_envs)
        layouts = [self.episodes.draw_layouts(seeding.np_random(seeds[row])[0], count=1) for row in rows]
        # The spawn key keeps the common generator apart from row 0's own, which has the same seed.
        self.np_random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seeds, spawn_key=(0,))))
        return concatenate_layouts(layouts)

    def _draw_layouts(self, rows: IntArray) -> LayoutsT:
        """Draw the next layout of some rows, (len(rows),), from the common generator; override to choose them."""
        return self.episodes.draw_layouts(self.np_random, count=len(rows))

    def step(self, actions: IntArray) -> tuple[Observations, FloatArray, BoolArray, BoolArray, Infos]:
        """Walk one step in every environment; where an episode ends, the next one starts.

        Args:
            actions: (num_envs,) integers: 0 north, 1 south, 2 west, 3 east.

        Returns:
            Observations (num_envs, 3, 3, vocabulary) uint8; rewards, float64, terminations and truncations, bool, all
            (num_envs,); infos, see the class. All arrays are fresh.

        Raises:
            ResetNeeded: no reset yet.
            UsageError: actions of a wrong shape, kind or value.
        """
        if not self._has_started:
            raise ResetNeeded("step was called, but no episode is running: call reset() first")
        episodes = self.episodes
        rewards, terminations, successes = episodes.step(read_actions(actions, self.num_envs, ACTIONS))
        truncations = episodes.steps >= self._step_limit
        codes = episodes.observation_codes()
        infos: Infos = {}
        ended = terminations | truncations
        if ended.any():
            rows = np.flatnonzero(ended)
            infos = self._final_infos(codes, successes, ended, rows)
            episodes.start(rows, self._draw_layouts(rows))
            codes[rows] = episodes.observation_codes(rows)
        running: Infos = {"is_success": np.zeros(self.num_envs, dtype=bool)}
        for name, values in episodes.facts().items():
            running[name] = values.copy()
        infos.update(with_masks(running, self._all_rows))
        return episodes.observe(codes), rewards, terminations, truncations, infos

    def _final_infos(self, codes: IntArray, successes: BoolArray, ended: BoolArray, rows: IntArray) -> Infos:
        """Collect what ended episodes leave behind, before the next ones start."""
        final_obs = np.zeros((self.num_envs, *OBSERVATION_SHAPE), dtype=np.uint8)
        final_obs[rows] = self.episodes.observe(codes[rows])
        return with_masks({"final_obs": final_obs, "final_info": self._infos_where(ended, successes)}, ended)

    def _infos_where(self, mask: BoolArray, successes: BoolArray) -> Infos:
        """Make the infos of the rows in a mask, (num_envs,); zero elsewhere."""
        facts = {name: np.where(mask, values, 0) for name, values in self.episodes.facts().items()}
        return with_masks({"is_success": successes, **facts}, mask)

    def render(self) -> tuple[Frame, ...] | None:
        """Draw every environment.

        Returns:
            With render_mode "rgb_array" one frame (height, width, 3) for each environment, otherwise None.

        Raises:
            ResetNeeded: there is nothing to draw yet.
        """
        if self.render_mode is None:
            return None
        if not self._has_started:
            raise ResetNeeded("render was called, but there is nothing to draw yet: call reset() first")
        return tuple(self.episodes.draw_frame(row, self._tile_pixels, highlight=True) for row in range(self.num_envs))

    def state_dict(self) -> dict[str, Any]:
        """Save everything that the coming steps depend on.

        Returns:
            ``num_envs`` and ``rules`` (to be compared on loading), ``has_started``, ``generator`` (JSON-able), and the
            arrays (num_envs, ...) of the running episodes, each under its name. All copies.
        """
        return {
            "num_envs": self.num_envs,
            "rules": self._rules_as_dict(),
            "has_started": self._has_started,
            "generator": copy.deepcopy(self.np_random.bit_generator.state),
            **{name: array.copy() for name, array in self.episodes.state_arrays().items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved state: the coming steps are those that the saved environment would have made.

        Args:
            state: what `state_dict` returned, on an environment with the same arguments; lists serve for arrays.

        Raises:
            UsageError: the state is of other environments, or incomplete.
        """
        expected = {"num_envs": self.num_envs, "rules": self._rules_as_dict()}
        arrays = self.episodes.state_arrays()
        missing = {*expected, "has_started", "generator", *arrays} - set(state)
        if missing:
            raise UsageError(
                f"the saved state lacks {sorted(missing)}: pass what {type(self).__name__}.state_dict returned"
            )
        for name, value in expected.items():
            if state[name] != value:
                raise UsageError(
                    f"the saved state has {name} {state[name]}, but this environment has {value}: "
                    "make the environment with the arguments that it was saved with"
                )
        loaded = {name: np.array(state[name], dtype=array.dtype) for name, array in arrays.items()}
        for name, array in loaded.items():
            if array.shape != arrays[name].shape:
                raise UsageError(
                    f"the saved {name} has shape {array.shape}, not {arrays[name].shape}: the state is damaged"
                )
        generator = np.random.Generator(np.random.PCG64())
        generator.bit_generator.state = copy.deepcopy(state["generator"])
        self.np_random = generator
        self._has_started = bool(state["has_started"])
        for name, array in loaded.items():
            arrays[name][:] = array

    def _rules_as_dict(self) -> dict[str, Any]:
        return asdict(self.episodes.rules)  # type: ignore[call-overload,no-any-return]  # a dataclass in every case
