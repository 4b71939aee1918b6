"""Running episodes of one environment, a batch of them: what the single and the batch environment both play.

A specification says what happens in pure functions; `Episodes` holds the arrays that they are called with. Single
environments play a batch of one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from minigrid.core.grid import Grid

from rlmem.envs.grid_world import ArrayBatch, BoolArray, EpisodeRules, FloatArray, IntArray, Observations
from rlmem.envs.word_drawing import Frame
from rlmem.errors import UsageError

LayoutsT = TypeVar("LayoutsT", bound=ArrayBatch)


class Outcome(NamedTuple):
    """What one step did in every row."""

    rewards: FloatArray
    """(envs,)"""
    terminations: BoolArray
    """(envs,), whether the step ended the episode by itself, step limit aside"""
    successes: BoolArray
    """(envs,), whether the step solved the task"""


class Episodes(ABC, Generic[LayoutsT]):
    """A batch of episodes: their layouts, where the agents are, and how many steps they took.

    All arrays lead with the axis `envs`, a row an episode.
    """

    rules: EpisodeRules
    layouts: LayoutsT
    steps: IntArray
    """(envs,), steps taken so far"""

    def __init__(self, num_envs: int) -> None:
        """Make rows whose episodes are still to be started.

        Args:
            num_envs: how many, at least 1.

        Raises:
            UsageError: fewer than one.
        """
        if num_envs < 1:
            raise UsageError(f"num_envs is {num_envs}, but a batch has at least one environment: pass 1 or more")
        self.num_envs = int(num_envs)
        self.steps = np.zeros(self.num_envs, dtype=np.int64)

    @abstractmethod
    def read_options(self, options: Mapping[str, Any] | None) -> dict[str, IntArray]:
        """Check the options of a reset that force layouts: an array (envs, ...) for each field that is forced."""

    @abstractmethod
    def draw_layouts(self, generator: np.random.Generator, count: int) -> LayoutsT:
        """Draw `count` layouts."""

    @abstractmethod
    def start(self, rows: IntArray, layouts: LayoutsT) -> None:
        """Start an episode in each of `rows`, (count,), in `layouts`, as many."""

    @abstractmethod
    def step(self, actions: IntArray) -> Outcome:
        """Walk one step in every row and count it; `actions` is (envs,), indices into `ACTIONS`."""

    @abstractmethod
    def observation_codes(self, rows: IntArray | None = None) -> IntArray:
        """Number what the agents see, in all rows or in some, (rows,): an index into the distinct observations."""

    @abstractmethod
    def observe(self, codes: IntArray) -> Observations:
        """Look observations up by their codes: (rows,) to a fresh array (rows, 3, 3, vocabulary)."""

    @abstractmethod
    def facts(self) -> dict[str, IntArray]:
        """Name what infos tell about the running episodes beside ``is_success``: arrays (envs,), not copied."""

    @abstractmethod
    def state_arrays(self) -> dict[str, Any]:
        """Name the arrays (envs, ...) that the coming steps depend on, not copied."""

    @abstractmethod
    def replace_arrays(self, arrays: Mapping[str, Any]) -> None:
        """Play on with other arrays, or tensors, under the names of `state_arrays`, all of them; not copied."""

    @abstractmethod
    def build_grid(self) -> Grid:
        """Build MiniGrid's grid around the first row's agent, without the agent."""

    @abstractmethod
    def agent_position(self) -> tuple[int, int]:
        """The first row's agent in that grid, (x, y)."""

    @abstractmethod
    def draw_frame(self, row: int, tile_pixels: int, highlight: bool) -> Frame:
        """Draw one row, (height, width, 3); `highlight` brightens the 3 x 3 cells that the agent sees."""

    @abstractmethod
    def draw_view(self, row: int, tile_pixels: int) -> Frame:
        """Draw only the 3 x 3 cells that one row's agent sees, (3 tile_pixels, 3 tile_pixels, 3)."""

    @abstractmethod
    def draw_text(self, row: int) -> str:
        """Draw one row in letters."""
