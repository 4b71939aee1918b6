"""Multi-Room Portals being walked, a batch of them: the specification's functions over the arrays they are about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from minigrid.core.grid import Grid

from rlmem.envs.episodes import Episodes, Outcome
from rlmem.envs.grid_world import COLOURS, IntArray, Observations
from rlmem.envs.layout_options import read_layout_options, read_words
from rlmem.envs.portal_drawing import build_grid, draw_frame, draw_text, draw_view
from rlmem.envs.portal_specification import (
    Layouts,
    PortalRules,
    Progress,
    Room,
    draw_layouts,
    first_progress,
    observation_codes,
    observe,
    transition,
)
from rlmem.envs.word_drawing import Frame

_OPTIONS = {"west_colour": read_words(COLOURS), "right_colour": read_words(COLOURS)}


class PortalEpisodes(Episodes[Layouts]):
    """Sequences of rooms, each with its agent; what the methods do is said in `Episodes`."""

    def __init__(self, rules: PortalRules, num_envs: int) -> None:
        """Make `num_envs` sequences of rooms that are still to be drawn."""
        super().__init__(num_envs)
        self.rules: PortalRules = rules
        shape = (self.num_envs, rules.num_rooms)
        self.layouts = Layouts(np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64))
        self.progress = first_progress(rules, self.num_envs)

    def read_options(self, options: Mapping[str, Any] | None) -> dict[str, IntArray]:
        """``west_colour``, ``right_colour``: one word, one a room, or (envs, rooms) words."""
        shape = (self.num_envs, self.rules.num_rooms)
        axes = f"{self.num_envs} environments with {self.rules.num_rooms} rooms each"
        return read_layout_options(options, _OPTIONS, shape, axes)

    def draw_layouts(self, generator: np.random.Generator, count: int) -> Layouts:
        """Draw `count` sequences of rooms."""
        return draw_layouts(self.rules, generator, count)

    def start(self, rows: IntArray, layouts: Layouts) -> None:
        """Put the agents of `rows` into the centres of their new first rooms."""
        self.layouts[rows] = layouts
        self.progress[rows] = first_progress(self.rules, len(rows))
        self.steps[rows] = 0

    def step(self, actions: IntArray) -> Outcome:
        """Walk one step; reaching the last room is the success."""
        self.progress, rewards, terminations, successes = transition(self.progress, self.layouts, actions, self.rules)
        self.steps += 1
        return Outcome(rewards, terminations, successes)

    def observation_codes(self, rows: IntArray | None = None) -> IntArray:
        """Number what the agents see."""
        if rows is None:
            return observation_codes(self.progress, self.layouts, self.rules)
        return observation_codes(self.progress[rows], self.layouts[rows], self.rules)

    def observe(self, codes: IntArray) -> Observations:
        """Look observations up by their codes."""
        return observe(codes, self.rules)

    def facts(self) -> dict[str, IntArray]:
        """``rooms_visited``, the number of the furthest room entered so far, from 1."""
        return {"rooms_visited": self.progress.rooms_visited}

    def state_arrays(self) -> dict[str, Any]:
        """The fields of `Progress`, ``steps``, and those of `Layouts`."""
        return {**vars(self.progress), "steps": self.steps, **vars(self.layouts)}

    def room(self, row: int) -> Room:
        """The room that one row's agent is in."""
        return self.layouts.room(row, int(self.progress.room[row]))

    def replace_arrays(self, arrays: Mapping[str, Any]) -> None:
        """Play on with other arrays under the names of `state_arrays`."""
        self.progress = Progress(**{name: arrays[name] for name in vars(self.progress)})
        self.steps = arrays["steps"]
        self.layouts = Layouts(**{name: arrays[name] for name in vars(self.layouts)})

    def build_grid(self) -> Grid:
        """MiniGrid's grid of the room that the first row's agent is in."""
        return build_grid(self.room(0), None, self.rules.room_size)

    def agent_position(self) -> tuple[int, int]:
        """The room's north-west cell is the grid's (1, 1)."""
        column, row = self._agent(0)
        return column + 1, row + 1

    def _agent(self, row: int) -> tuple[int, int]:
        """The agent's column and row in its room."""
        y, x = divmod(int(self.progress.cell[row]), self.rules.room_size)
        return x, y

    def draw_frame(self, row: int, tile_pixels: int, highlight: bool) -> Frame:
        """Draw the room that the agent is in, and its number."""
        rules = self.rules
        return draw_frame(self.room(row), self._agent(row), rules.room_size, rules.num_rooms, tile_pixels, highlight)

    def draw_view(self, row: int, tile_pixels: int) -> Frame:
        """Draw what the agent sees."""
        return draw_view(self.room(row), self._agent(row), self.rules.room_size, tile_pixels)

    def draw_text(self, row: int) -> str:
        """Draw the room in letters."""
        return draw_text(self.room(row), self._agent(row), self.rules.room_size, self.rules.num_rooms)
