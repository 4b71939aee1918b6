"""MiniGrid's side of every single environment: one episode, pictures, human play; `Episodes` of one row play."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, SupportsFloat

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from minigrid.core.mission import MissionSpace
from minigrid.minigrid_env import MiniGridEnv

from rlmem.envs.episodes import Episodes, LayoutsT
from rlmem.envs.grid_world import ACTIONS, IntArray, Observations, force_layouts, make_observation_space
from rlmem.envs.vocabulary import describe
from rlmem.envs.word_drawing import Frame, pad_to_square
from rlmem.errors import UsageError

_FIRST_ROW: IntArray = np.zeros(1, dtype=np.int64)


class WordEnv(MiniGridEnv, Generic[LayoutsT]):
    """One episode at a time. Derived classes make the `Episodes` and say what they are about.

    Observation: the words of the 3 x 3 cells around the agent, (3, 3, vocabulary) uint8 of zeros and ones, north-west
    cell first (`rlmem.envs.vocabulary`). Action: 0 north, 1 south, 2 west, 3 east; the agent has no heading.
    """

    metadata = {"render_modes": ["human", "rgb_array", "ansi"], "render_fps": 10}

    def __init__(
        self,
        episodes: Episodes[LayoutsT],
        mission: Callable[[], str],
        size: tuple[int, int],
        tile_pixels: int,
        render_mode: str | None,
    ) -> None:
        """Make the environment.

        Args:
            episodes: what is played, of one row.
            mission: says what is to be done.
            size: width and height of the grid, in tiles.
            tile_pixels: a tile's side in frames.
            render_mode: None, "human", "rgb_array" or "ansi".

        Raises:
            UsageError: an argument that cannot be.
        """
        modes = self.metadata["render_modes"]
        if render_mode is not None and render_mode not in modes:
            raise UsageError(f"render_mode is {render_mode!r}, which cannot be drawn: pass None or one of {modes}")
        super().__init__(
            MissionSpace(mission),
            width=size[0],
            height=size[1],
            max_steps=episodes.rules.step_limit,
            agent_view_size=3,
            see_through_walls=True,
            render_mode=render_mode,
            tile_size=tile_pixels,
        )
        self.action_space = spaces.Discrete(len(ACTIONS))
        self.observation_space = make_observation_space()
        self.episodes = episodes
        self._forced: dict[str, IntArray] = {}
        self._has_started = False
        self._has_ended = False

    def reset(  # type: ignore[override]  # MiniGrid declares an observation type that no subclass can be
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: seeds the environment's generator; None: the generator runs on.
            options: forced parts of the layout, see the class.

        Returns:
            The first observation, (3, 3, vocabulary), and info.

        Raises:
            UsageError: an option that cannot be.
        """
        self._forced = self.episodes.read_options(options)
        self._has_started, self._has_ended = True, False
        observation, _ = super().reset(seed=seed)  # seeds, then calls _gen_grid and gen_obs
        return observation, self._info(is_success=False)

    def _gen_grid(self, width: int, height: int) -> None:
        """Draw the layout and build MiniGrid's grid, `width` by `height` tiles, agent not included."""
        layouts = self.episodes.draw_layouts(self.np_random, count=1)
        force_layouts(layouts, self._forced)
        self.episodes.start(_FIRST_ROW, layouts)
        self.grid = self.episodes.build_grid()
        self._place_agent()

    def _place_agent(self) -> None:
        self.agent_pos = self.episodes.agent_position()
        self.agent_dir = 0  # MiniGrid wants a number; nothing here reads it

    def step(  # type: ignore[override]  # as for reset
        self, action: Any
    ) -> tuple[Observations, SupportsFloat, bool, bool, dict[str, Any]]:
        """Walk one step.

        Args:
            action: 0 north, 1 south, 2 west, 3 east.

        Returns:
            Observation (3, 3, vocabulary), reward, terminated, truncated, info.

        Raises:
            ResetNeeded: no episode is running.
            UsageError: the action is none of the four.
        """
        if not self._has_started or self._has_ended:
            raise ResetNeeded("step was called, but no episode is running: call reset() first, and after every end")
        if not self.action_space.contains(action):
            raise UsageError(
                f"got the action {action!r}, but the actions are {dict(enumerate(ACTIONS))}: pass an int 0-3"
            )
        rewards, terminations, successes = self.episodes.step(np.array([action]))
        self._place_agent()
        self.step_count += 1
        terminated, truncated = bool(terminations[0]), self.step_count >= self.max_steps
        self._has_ended = terminated or truncated
        if self.render_mode == "human":
            self.render()
        return self.gen_obs(), float(rewards[0]), terminated, truncated, self._info(is_success=bool(successes[0]))

    def gen_obs(self) -> Observations:
        """Observe, (3, 3, vocabulary): a fresh array."""
        observation: Observations = self.episodes.observe(self.episodes.observation_codes())[0]
        return observation

    def _info(self, is_success: bool) -> dict[str, Any]:
        return {"is_success": is_success, **{name: int(values[0]) for name, values in self.episodes.facts().items()}}

    def render(self) -> Any:
        """Draw the environment; MiniGrid draws "rgb_array" and "human" through `get_full_render`.

        Returns:
            "rgb_array": a frame (height, width, 3) uint8; "ansi": text, the picture and the words that the agent sees;
            "human" and None: None.

        Raises:
            ResetNeeded: there is nothing to draw yet.
        """
        if not self._has_started:
            raise ResetNeeded("render was called, but there is nothing to draw yet: call reset() first")
        if self.render_mode == "ansi":
            return f"{self.episodes.draw_text(0)}\n\n{describe(self.gen_obs())}\n"
        return super().render()  # type: ignore[no-untyped-call]

    def get_full_render(self, highlight: bool, tile_size: int) -> Frame:
        """Draw the whole picture; on a square for the window."""
        frame = self.episodes.draw_frame(0, tile_size, highlight)
        return pad_to_square(frame) if self.render_mode == "human" else frame

    def get_pov_render(self, tile_size: int) -> Frame:
        """Draw the 3 x 3 cells that the agent sees."""
        return self.episodes.draw_view(0, tile_size)
