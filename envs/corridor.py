"""The Corridor as a MiniGrid environment: one corridor, pictures, human play, ``gym.make``."""

from __future__ import annotations

from typing import Any, SupportsFloat

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from minigrid.core.mission import MissionSpace
from minigrid.minigrid_env import MiniGridEnv

from rlmem.envs.corridor_drawing import Frame, build_grid, choose_fold, draw_frame, draw_text, draw_view, pad_to_square
from rlmem.envs.corridor_options import force_layouts, read_layout_options
from rlmem.envs.corridor_specification import (
    ACTIONS,
    CorridorRules,
    IntArray,
    Layouts,
    Observations,
    draw_layouts,
    observation_codes,
    observe,
    transition,
)
from rlmem.envs.vocabulary import OBSERVATION_SHAPE, describe
from rlmem.errors import UsageError


def _mission() -> str:
    return "take the door of the object's colour"


class CorridorEnv(MiniGridEnv):
    """A corridor with a coloured object at its start and two doors at its end: take the door of the object's colour.

    Observation: the words of the 3 x 3 cells around the agent, (3, 3, vocabulary) uint8 of zeros and ones, north-west
    cell first (`rlmem.envs.vocabulary`). Cells that are neither corridor, object nor door are blocks. The object, red
    or blue, is north of the first cell and seen from the first two cells only; one red and one blue door are north and
    south of the last cell.

    Action: 0 north, 1 south, 2 west, 3 east. The agent has no heading. A block leaves it where it is.

    Start: the agent in the first cell; the length, the object's colour and the doors' sides drawn uniformly. ``reset``
    takes ``options`` that force any of them: ``length`` (cells), ``object_colour`` ("red", "blue"), ``red_door``
    ("north", "south").

    Reward: 1 for entering the door of the object's colour, otherwise 0.

    Termination: a door was entered. The final observation is what the agent saw in front of it.

    Truncation: after `max_episode_steps` steps. As with Gymnasium's TimeLimit, a step that enters a door and is the
    last one allowed is terminated and truncated.

    Info: ``is_success`` (bool, whether this step entered the right door), ``length`` (int, cells).
    """

    metadata = {"render_modes": ["human", "rgb_array", "ansi"], "render_fps": 10}

    def __init__(
        self,
        min_length: int = 3,
        max_length: int = 200,
        max_episode_steps: int | None = 1000,
        render_mode: str | None = None,
    ) -> None:
        """Make the environment.

        Args:
            min_length: shortest corridor, in cells, at least 3.
            max_length: longest corridor, in cells.
            max_episode_steps: steps after which an episode is truncated; None: no limit.
            render_mode: None, "human", "rgb_array" or "ansi".

        Raises:
            UsageError: an argument that cannot be.
        """
        self.rules = CorridorRules(min_length, max_length, max_episode_steps)
        modes = self.metadata["render_modes"]
        if render_mode is not None and render_mode not in modes:
            raise UsageError(f"render_mode is {render_mode!r}, which cannot be drawn: pass None or one of {modes}")
        self._fold = choose_fold(max_length)
        super().__init__(
            MissionSpace(_mission),
            width=self._fold.width,
            height=3,
            max_steps=self.rules.step_limit,
            agent_view_size=3,
            see_through_walls=True,
            render_mode=render_mode,
            tile_size=self._fold.tile_pixels,
        )
        self.action_space = spaces.Discrete(len(ACTIONS))
        self.observation_space = spaces.Box(0, 1, OBSERVATION_SHAPE, np.uint8)
        self._layouts: Layouts | None = None  # a batch of one, as the specification takes it
        self._columns: IntArray = np.zeros(1, dtype=np.int64)
        self._forced: dict[str, IntArray] = {}
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
        self._forced = read_layout_options(options, self.rules, count=1)
        self._has_ended = False
        observation, _ = super().reset(seed=seed)  # seeds, then calls _gen_grid and gen_obs
        return observation, self._info(is_success=False)

    def _gen_grid(self, width: int, height: int) -> None:
        """Draw the layout and build MiniGrid's grid, `width` by `height` tiles, agent not included."""
        self._layouts = draw_layouts(self.rules, self.np_random, count=1)
        force_layouts(self._layouts, self._forced)
        self._columns = np.zeros(1, dtype=np.int64)
        self.grid = build_grid(self._layouts.in_words(0), None, width)
        self._place_agent()

    def _place_agent(self) -> None:
        self.agent_pos = (int(self._columns[0]) + 1, 1)
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
        if self._layouts is None or self._has_ended:
            raise ResetNeeded("step was called, but no episode is running: call reset() first, and after every end")
        if not self.action_space.contains(action):
            raise UsageError(
                f"got the action {action!r}, but the actions are {dict(enumerate(ACTIONS))}: pass an int 0-3"
            )
        self._columns, rewards, entered = transition(self._columns, self._layouts, np.array([action]))
        self._place_agent()
        self.step_count += 1
        reward, terminated, truncated = float(rewards[0]), bool(entered[0]), self.step_count >= self.max_steps
        self._has_ended = terminated or truncated
        if self.render_mode == "human":
            self.render()
        return self.gen_obs(), reward, terminated, truncated, self._info(is_success=reward > 0)

    def gen_obs(self) -> Observations:
        """Observe, (3, 3, vocabulary): a fresh array."""
        assert self._layouts is not None, "gen_obs is called by reset, after _gen_grid, and by step"
        observation: Observations = observe(observation_codes(self._columns, self._layouts))[0]
        return observation

    def _info(self, is_success: bool) -> dict[str, Any]:
        assert self._layouts is not None, "infos are made after a reset"
        return {"is_success": is_success, "length": int(self._layouts.length[0])}

    def render(self) -> Any:
        """Draw the corridor; MiniGrid draws "rgb_array" and "human" through `get_full_render`.

        Returns:
            "rgb_array": a frame (height, width, 3) uint8; "ansi": text, the picture and the words that the agent sees;
            "human" and None: None.

        Raises:
            ResetNeeded: there is no corridor yet.
        """
        if self._layouts is None:
            raise ResetNeeded("render was called, but there is no corridor yet: call reset() first")
        if self.render_mode == "ansi":
            return f"{draw_text(self._layouts.in_words(0), int(self._columns[0]))}\n\n{describe(self.gen_obs())}\n"
        return super().render()  # type: ignore[no-untyped-call]

    def get_full_render(self, highlight: bool, tile_size: int) -> Frame:
        """Draw the whole corridor, folded into lines; on a square for the window."""
        assert self._layouts is not None, "render refuses to draw before a reset"
        frame = draw_frame(self._layouts.in_words(0), int(self._columns[0]), self._fold, tile_size, highlight)
        return pad_to_square(frame) if self.render_mode == "human" else frame

    def get_pov_render(self, tile_size: int) -> Frame:
        """Draw the 3 x 3 cells that the agent sees."""
        assert self._layouts is not None, "render refuses to draw before a reset"
        return draw_view(self._layouts.in_words(0), int(self._columns[0]), tile_size)


class CorridorUnderTimeLimit(CorridorEnv):
    """What ``gym.make`` makes: a Corridor that leaves its step limit to Gymnasium.

    ``gym.make`` keeps `max_episode_steps` for its TimeLimit wrapper and never hands it on; with a limit of its own, the
    environment would cut longer episodes short in silence. Episodes are those of `CorridorEnv`.
    """

    def __init__(self, min_length: int = 3, max_length: int = 200, render_mode: str | None = None) -> None:
        """Make the environment; arguments as for `CorridorEnv`."""
        super().__init__(min_length, max_length, max_episode_steps=None, render_mode=render_mode)
