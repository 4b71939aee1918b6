"""Corridors being walked, a batch of them: the specification's functions over the arrays that they are about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from minigrid.core.grid import Grid

from rlmem.envs.corridor_drawing import build_grid, choose_fold, draw_frame, draw_text, draw_view
from rlmem.envs.corridor_options import read_corridor_options
from rlmem.envs.corridor_specification import (
    CorridorRules,
    Layouts,
    draw_layouts,
    observation_codes,
    observe,
    transition,
)
from rlmem.envs.episodes import Episodes, Outcome
from rlmem.envs.grid_world import IntArray, Observations
from rlmem.envs.word_drawing import Frame


class CorridorEpisodes(Episodes[Layouts]):
    """Corridors, each with its agent; what the methods do is said in `Episodes`."""

    def __init__(self, rules: CorridorRules, num_envs: int) -> None:
        """Make `num_envs` corridors that are still to be drawn."""
        super().__init__(num_envs)
        self.rules: CorridorRules = rules
        self.fold = choose_fold(rules.max_length)
        self.layouts = Layouts(*(np.zeros(self.num_envs, dtype=np.int64) for _ in range(3)))
        self.columns: IntArray = np.zeros(self.num_envs, dtype=np.int64)

    def read_options(self, options: Mapping[str, Any] | None) -> dict[str, IntArray]:
        """``length``, ``object_colour``, ``red_door``: one value, or one for each environment."""
        return read_corridor_options(options, self.rules, self.num_envs)

    def draw_layouts(self, generator: np.random.Generator, count: int) -> Layouts:
        """Draw `count` corridors."""
        return draw_layouts(self.rules, generator, count)

    def start(self, rows: IntArray, layouts: Layouts) -> None:
        """Put the agents of `rows` into the first cells of their new corridors."""
        self.layouts[rows] = layouts
        self.columns[rows] = 0
        self.steps[rows] = 0

    def step(self, actions: IntArray) -> Outcome:
        """Walk one step; entering the right door is the success."""
        self.columns, rewards, entered = transition(self.columns, self.layouts, actions)
        self.steps += 1
        return Outcome(rewards, entered, rewards > 0)

    def observation_codes(self, rows: IntArray | None = None) -> IntArray:
        """Number what the agents see."""
        if rows is None:
            return observation_codes(self.columns, self.layouts)
        return observation_codes(self.columns[rows], self.layouts[rows])

    def observe(self, codes: IntArray) -> Observations:
        """Look observations up by their codes."""
        return observe(codes)

    def facts(self) -> dict[str, IntArray]:
        """``length``, in cells."""
        return {"length": self.layouts.length}

    def state_arrays(self) -> dict[str, Any]:
        """``columns``, ``steps``, ``length``, ``object_colour``, ``red_door``: (envs,) int64 each."""
        return {"columns": self.columns, "steps": self.steps, **vars(self.layouts)}

    def replace_arrays(self, arrays: Mapping[str, Any]) -> None:
        """Play on with other arrays under the names of `state_arrays`."""
        self.columns, self.steps = arrays["columns"], arrays["steps"]
        self.layouts = Layouts(**{name: arrays[name] for name in vars(self.layouts)})

    def build_grid(self) -> Grid:
        """MiniGrid's grid of the first corridor, as wide as the longest corridor needs."""
        return build_grid(self.layouts.in_words(0), None, self.fold.width)

    def agent_position(self) -> tuple[int, int]:
        """The corridor's first cell is the grid's (1, 1)."""
        return int(self.columns[0]) + 1, 1

    def draw_frame(self, row: int, tile_pixels: int, highlight: bool) -> Frame:
        """Draw the whole corridor, folded into lines."""
        return draw_frame(self.layouts.in_words(row), int(self.columns[row]), self.fold, tile_pixels, highlight)

    def draw_view(self, row: int, tile_pixels: int) -> Frame:
        """Draw what the agent sees."""
        return draw_view(self.layouts.in_words(row), int(self.columns[row]), tile_pixels)

    def draw_text(self, row: int) -> str:
        """Draw the corridor in letters."""
        return draw_text(self.layouts.in_words(row), int(self.columns[row]))
