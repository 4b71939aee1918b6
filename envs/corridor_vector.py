"""Many Corridors at once, in array code; ``gym.make_vec("rlmem/Corridor-v0", num_envs=64)`` makes them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from rlmem.envs.corridor_drawing import Frame, choose_fold, draw_frame
from rlmem.envs.corridor_options import force_layouts, read_layout_options
from rlmem.envs.corridor_specification import (
    ACTIONS,
    BoolArray,
    CorridorRules,
    FloatArray,
    IntArray,
    Layouts,
    Observations,
    concatenate_layouts,
    draw_layouts,
    observation_codes,
    observe,
    transition,
)
from rlmem.envs.vector_inputs import Infos, read_actions, read_reset_mask, read_seeds, with_masks
from rlmem.envs.vocabulary import OBSERVATION_SHAPE
from rlmem.errors import UsageError


class VectorCorridorEnv(VectorEnv[Observations, IntArray, npt.NDArray[Any]]):
    """`num_envs` Corridors, each as `rlmem.envs.corridor.CorridorEnv` says, stepped together.

    Observations: (num_envs, 3, 3, vocabulary) uint8. Actions: (num_envs,) integers 0 to 3.

    Autoreset is SAME_STEP: an episode's last step returns its reward and its end, and the next episode's first
    observation. What belongs to the ended episode is in the infos, as in Gymnasium's SyncVectorEnv: ``final_obs``
    (num_envs, 3, 3, vocabulary) with mask ``_final_obs``, and ``final_info`` with ``is_success``, ``length`` and their
    masks, with mask ``_final_info``; rows outside the masks are zero. The four are there only in steps where some
    episode ended. Always there: ``is_success`` and ``length`` of the running episodes, and their masks.

    Layouts: after ``reset(seed=s)`` row i starts in the layout of a single environment's ``reset(seed=s + i)``; all
    later layouts come from one generator, which the seeds determine too.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10, "autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(
        self,
        num_envs: int,
        min_length: int = 3,
        max_length: int = 200,
        max_episode_steps: int | None = 1000,
        render_mode: str | None = None,
    ) -> None:
        """Make the environments.

        Args:
            num_envs: how many, at least 1.
            min_length: shortest corridor, in cells, at least 3.
            max_length: longest corridor, in cells.
            max_episode_steps: steps after which an episode is truncated; None: no limit.
            render_mode: None, or "rgb_array" for one frame an environment.

        Raises:
            UsageError: an argument that cannot be.
        """
        if num_envs < 1:
            raise UsageError(f"num_envs is {num_envs}, but a batch has at least one environment: pass 1 or more")
        if render_mode not in (None, "rgb_array"):
            raise UsageError(
                f"render_mode is {render_mode!r}, which a batch cannot draw: pass None or 'rgb_array', or make one "
                "environment with gym.make"
            )
        self.rules = CorridorRules(min_length, max_length, max_episode_steps)
        self.num_envs = int(num_envs)
        self.render_mode = render_mode
        self.single_action_space = spaces.Discrete(len(ACTIONS))
        self.single_observation_space = spaces.Box(0, 1, OBSERVATION_SHAPE, np.uint8)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self._has_started = False
        self._layouts = Layouts(*(np.zeros(self.num_envs, dtype=np.int64) for _ in range(3)))
        self._columns: IntArray = np.zeros(self.num_envs, dtype=np.int64)
        self._steps: IntArray = np.zeros(self.num_envs, dtype=np.int64)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, Infos]:
        """Start an episode in every environment, or in some.

        Args:
            seed: a number s gives row i the seed s + i; a sequence gives each row its own, None there a random one.
                Without any, layouts come from the common generator, which runs on.
            options: forced parts of the layouts (``length``, ``object_colour``, ``red_door``: one value, or num_envs
                values), and ``reset_mask``, (num_envs,) bool, True where an episode is to start; all others run on.

        Returns:
            Observations (num_envs, 3, 3, vocabulary), and infos ``is_success`` and ``length`` with masks that are True
            where an episode started.

        Raises:
            UsageError: seeds or options that cannot be.
            ResetNeeded: the first reset leaves some environments out.
        """
        options = dict(options or {})
        starts = read_reset_mask(options.pop("reset_mask", None), self.num_envs)
        if not self._has_started and not starts.all():
            raise ResetNeeded("options['reset_mask'] leaves out environments that never started: reset all first")
        rows = np.flatnonzero(starts)
        forced = read_layout_options(options, self.rules, self.num_envs)
        layouts = self._draw_first_layouts(rows, seed)
        force_layouts(layouts, {name: values[rows] for name, values in forced.items()})
        self._start_episodes(rows, layouts)
        self._has_started = True
        lengths = np.where(starts, self._layouts.length, 0)
        infos = with_masks({"is_success": np.zeros(self.num_envs, dtype=bool), "length": lengths}, starts)
        return observe(observation_codes(self._columns, self._layouts)), infos

    def _draw_first_layouts(self, rows: IntArray, seed: int | Sequence[int | None] | None) -> Layouts:
        """Draw a layout for each of `rows`: by the row's own seed where there are seeds. Seeds the common generator."""
        if seed is None:
            return self._draw_layouts(rows)
        seeds = read_seeds(seed, self.num_envs)
        layouts = [draw_layouts(self.rules, seeding.np_random(seeds[row])[0], count=1) for row in rows]
        # The spawn key keeps the common generator apart from row 0's own, which has the same seed.
        self.np_random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seeds, spawn_key=(0,))))
        return concatenate_layouts(layouts)

    def _draw_layouts(self, rows: IntArray) -> Layouts:
        """Draw the next layout of some rows, (len(rows),), from the common generator; override to choose them."""
        return draw_layouts(self.rules, self.np_random, count=len(rows))

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
        actions = read_actions(actions, self.num_envs, ACTIONS)
        self._columns, rewards, terminations = transition(self._columns, self._layouts, actions)
        self._steps += 1
        truncations = self._steps >= self.rules.step_limit
        codes = observation_codes(self._columns, self._layouts)
        infos: Infos = {}
        ended = terminations | truncations
        if ended.any():
            rows = np.flatnonzero(ended)
            infos = self._final_infos(codes, rewards, ended, rows)
            self._start_episodes(rows, self._draw_layouts(rows))
            codes[rows] = observation_codes(self._columns[rows], self._layouts[rows])
        running = {"is_success": np.zeros(self.num_envs, dtype=bool), "length": self._layouts.length.copy()}
        infos.update(with_masks(running, np.ones(self.num_envs, dtype=bool)))
        return observe(codes), rewards, terminations, truncations, infos

    def _start_episodes(self, rows: IntArray, layouts: Layouts) -> None:
        self._layouts[rows] = layouts
        self._columns[rows] = 0
        self._steps[rows] = 0

    def _final_infos(self, codes: IntArray, rewards: FloatArray, ended: BoolArray, rows: IntArray) -> Infos:
        """Collect what ended episodes leave behind, before the next ones start."""
        final_obs = np.zeros((self.num_envs, *OBSERVATION_SHAPE), dtype=np.uint8)
        final_obs[rows] = observe(codes[rows])
        final_info = {"is_success": rewards > 0, "length": np.where(ended, self._layouts.length, 0)}
        return with_masks({"final_obs": final_obs, "final_info": with_masks(final_info, ended)}, ended)

    def render(self) -> tuple[Frame, ...] | None:
        """Draw every corridor.

        Returns:
            With render_mode "rgb_array" one frame (height, width, 3) for each environment, otherwise None.

        Raises:
            ResetNeeded: there are no corridors yet.
        """
        if self.render_mode is None:
            return None
        if not self._has_started:
            raise ResetNeeded("render was called, but there are no corridors yet: call reset() first")
        fold = choose_fold(self.rules.max_length)
        return tuple(
            draw_frame(self._layouts.in_words(row), int(self._columns[row]), fold, fold.tile_pixels, highlight=True)
            for row in range(self.num_envs)
        )

    def state_dict(self) -> dict[str, Any]:
        """Save everything that the coming steps depend on.

        Returns:
            ``num_envs`` and ``rules`` (to be compared on loading), ``has_started``, ``generator`` (JSON-able), and
            int64 arrays (num_envs,): ``columns``, ``steps``, ``length``, ``object_colour``, ``red_door``. All copies.
        """
        return {
            "num_envs": self.num_envs,
            "rules": asdict(self.rules),
            "has_started": self._has_started,
            "generator": copy.deepcopy(self.np_random.bit_generator.state),
            **{name: array.copy() for name, array in self._state_arrays().items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved state: the coming steps are those that the saved environment would have made.

        Args:
            state: what `state_dict` returned, on an environment with the same arguments; lists serve for arrays.

        Raises:
            UsageError: the state is of other environments, or incomplete.
        """
        expected = {"num_envs": self.num_envs, "rules": asdict(self.rules)}
        arrays = self._state_arrays()
        missing = {*expected, "has_started", "generator", *arrays} - set(state)
        if missing:
            raise UsageError(
                f"the saved state lacks {sorted(missing)}: pass what VectorCorridorEnv.state_dict returned"
            )
        for name, value in expected.items():
            if state[name] != value:
                raise UsageError(
                    f"the saved state has {name} {state[name]}, but this environment has {value}: "
                    "make the environment with the arguments that it was saved with"
                )
        loaded = {name: np.array(state[name], dtype=np.int64) for name in arrays}
        for name, array in loaded.items():
            if array.shape != (self.num_envs,):
                raise UsageError(
                    f"the saved {name} has shape {array.shape}, not ({self.num_envs},): the state is damaged"
                )
        generator = np.random.Generator(np.random.PCG64())
        generator.bit_generator.state = copy.deepcopy(state["generator"])
        self.np_random = generator
        self._has_started = bool(state["has_started"])
        for name, array in loaded.items():
            arrays[name][:] = array

    def _state_arrays(self) -> dict[str, IntArray]:
        """Name the arrays of the state, not copied."""
        return {"columns": self._columns, "steps": self._steps, **vars(self._layouts)}
