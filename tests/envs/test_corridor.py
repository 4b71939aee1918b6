"""The single Corridor: Gymnasium's interface, episodes, forced layouts, pictures."""

from __future__ import annotations

import itertools
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from minigrid.core.constants import COLORS
from minigrid.minigrid_env import MiniGridEnv

import rlmem  # noqa: F401  registers the environments
from rlmem.envs.corridor import CorridorEnv
from rlmem.envs.corridor_drawing import choose_fold, draw_frame, draw_view
from rlmem.envs.corridor_specification import SIDES, Layout
from rlmem.envs.grid_world import COLOURS, EAST, NORTH, SOUTH, WEST
from rlmem.envs.registration import register_envs
from rlmem.envs.vocabulary import WORDS, describe

LAYOUT = {"length": 4, "object_colour": "blue", "red_door": "north"}
# pygame's own complaint inside MiniGrid's window, where a machine has few fonts
FEW_FONTS = pytest.mark.filterwarnings("ignore:The system font:UserWarning")


@FEW_FONTS
@pytest.mark.parametrize("render_mode", [None, "rgb_array", "ansi"])
def test_gymnasium_finds_nothing_to_complain_about(render_mode: str | None) -> None:
    check_env(gym.make("rlmem/Corridor-v0", max_length=5, render_mode=render_mode).unwrapped)


def test_spaces() -> None:
    env = CorridorEnv()
    assert env.observation_space == gym.spaces.Box(0, 1, (3, 3, len(WORDS)), np.uint8)
    assert env.action_space == gym.spaces.Discrete(4)
    assert isinstance(env, MiniGridEnv)


def test_made_by_name_without_import_and_with_keywords() -> None:
    register_envs()  # again: no effect
    env = gym.make("rlmem:rlmem/Corridor-v0", min_length=7, max_length=7)
    _, info = env.reset(seed=0)
    assert info == {"is_success": False, "length": 7}


@pytest.mark.parametrize("door", [NORTH, SOUTH])
@pytest.mark.parametrize(("colour", "red_door"), list(itertools.product(COLOURS, SIDES)))
def test_doors(colour: str, red_door: str, door: int) -> None:
    env = CorridorEnv()
    env.reset(seed=0, options={"length": 4, "object_colour": colour, "red_door": red_door})
    for action in (NORTH, SOUTH, WEST, EAST, NORTH, SOUTH, EAST, EAST, EAST):  # the object, walls, on, the east wall
        before, reward, terminated, truncated, info = env.step(action)
        assert (reward, terminated, truncated) == (0, False, False)
        assert info == {"is_success": False, "length": 4}
    final, reward, terminated, truncated, info = env.step(door)
    is_right = (SIDES[door] == red_door) == (colour == "red")
    assert (reward, terminated, truncated) == (float(is_right), True, False)
    assert info == {"is_success": is_right, "length": 4}
    assert np.array_equal(final, before), "the final observation is the one in front of the door"


@pytest.mark.parametrize("steps", [7, 1000, 1500])
@pytest.mark.parametrize("by_name", [True, False])
def test_truncation(steps: int, by_name: bool) -> None:
    arguments: dict[str, Any] = {} if steps == 1000 else {"max_episode_steps": steps}
    env: gym.Env[Any, Any] = gym.make("rlmem/Corridor-v0", **arguments) if by_name else CorridorEnv(**arguments)
    env.reset(seed=0)
    ends = [env.step(WEST)[2:4] for _ in range(steps)]
    assert ends == [(False, False)] * (steps - 1) + [(False, True)]


@pytest.mark.parametrize("by_name", [True, False])
def test_a_door_on_the_last_step_terminates_and_truncates(by_name: bool) -> None:
    arguments: dict[str, Any] = {"max_length": 3, "max_episode_steps": 3}
    env: gym.Env[Any, Any] = gym.make("rlmem/Corridor-v0", **arguments) if by_name else CorridorEnv(**arguments)
    env.reset(seed=0)
    env.step(EAST)
    env.step(EAST)
    assert env.step(NORTH)[2:4] == (True, True)


def test_seeds_give_layouts() -> None:
    env = CorridorEnv()
    infos = [env.reset(seed=seed)[1]["length"] for seed in (1, 2, 3, 1)]
    assert infos[0] == infos[3]
    assert len(set(infos)) == 3
    lengths = [env.reset()[1]["length"] for _ in range(5)]
    assert len(set(lengths)) > 1, "without a seed the generator runs on"


def test_an_option_forces_its_own_field_only() -> None:
    free, forced = CorridorEnv(), CorridorEnv()
    for seed in range(20):
        free.reset(seed=seed)
        forced.reset(seed=seed, options={"length": 9})
        assert forced.episodes.layouts.in_words(0) == free.episodes.layouts.in_words(0)._replace(length=9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 201}, r"options\['length'\] is 201, but this environment has corridors of 3 to 200"),
        ({"length": 2}, r"options\['length'\] is 2"),
        ({"length": 5.0}, "pass integers"),
        ({"length": [5, 6]}, "there are 1 environments"),
        ({"object_colour": "green"}, r"can only be one of \('red', 'blue'\)"),
        ({"object_colour": 0}, r"can only be one of \('red', 'blue'\)"),
        ({"red_door": None}, r"can only be one of \('north', 'south'\)"),
        ({"lenght": 5}, "'lenght', which reset does not know: use length, object_colour, red_door"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CorridorEnv().reset(options=options)


@pytest.mark.parametrize("action", [4, -1, 1.0, None, np.array([1])])
def test_bad_actions_are_refused(action: Any) -> None:
    env = CorridorEnv()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"the actions are .*0: 'north', 1: 'south', 2: 'west', 3: 'east'"):
        env.step(action)


def test_no_step_and_no_picture_before_reset_and_no_step_after_the_end() -> None:
    env = CorridorEnv(render_mode="ansi", max_episode_steps=1)
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(EAST)
    with pytest.raises(ResetNeeded, match="call reset"):
        env.render()
    env.reset(seed=0)
    env.step(EAST)
    with pytest.raises(ResetNeeded, match="after every end"):
        env.step(EAST)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="min_length is 1"):
        CorridorEnv(min_length=1)
    with pytest.raises(ValueError, match="render_mode is 'movie'"):
        CorridorEnv(render_mode="movie")


def test_text_shows_picture_and_words() -> None:
    env = CorridorEnv(render_mode="ansi")
    env.reset(options=LAYOUT)
    observation = env.step(EAST)[0]
    assert env.render() == f"#b##R#\n# @  #\n####B#\n\n{describe(observation)}\n"


def test_long_text_is_folded() -> None:
    env = CorridorEnv(render_mode="ansi")
    env.reset(options={**LAYOUT, "length": 200})
    lines = env.render().split("\n")
    assert max(map(len, lines)) == 64
    assert sum(line.count(" ") for line in lines[:15]) == 199  # every cell but the agent's, before the words


def colour_share(frame: np.ndarray[Any, Any], colour: str) -> float:
    """Share of the pixels that have the hue of one of MiniGrid's colours, highlighted or not."""
    darkest = frame.min(axis=-1, keepdims=True)
    return float(((frame - darkest > 100) == (COLORS[colour] > 100)).all(axis=-1).mean())


@pytest.mark.parametrize("highlight", [True, False])
@pytest.mark.parametrize("max_length", [4, 200])
def test_frames_show_object_doors_and_agent(max_length: int, highlight: bool) -> None:
    fold = choose_fold(max_length)
    frames = {
        (colour, side, column): draw_frame(Layout(4, colour, side), column, fold, fold.tile_pixels, highlight)
        for colour, side, column in itertools.product(COLOURS, SIDES, (0, 3))
    }
    assert len({frame.tobytes() for frame in frames.values()}) == len(frames)
    assert len({frame.shape for frame in frames.values()}) == 1
    for (colour, _, _), frame in frames.items():
        other = "blue" if colour == "red" else "red"
        assert colour_share(frame, colour) > colour_share(frame, other) > 0
        assert colour_share(frame, "yellow") > 0, "the agent"


def test_long_corridors_make_handy_frames() -> None:
    env = CorridorEnv(render_mode="rgb_array")
    env.reset(seed=0, options={"length": 200})
    height, width, _ = env.render().shape
    assert max(height, width) < 700
    assert 0.5 < width / height < 2
    short = env.reset(seed=0, options={"length": 3}) and env.render()
    assert short.shape == (height, width, 3), "one environment, one frame size"


@pytest.mark.parametrize("column", [0, 28, 29, 199])
def test_the_agent_is_drawn_once_at_every_place(column: int) -> None:
    fold = choose_fold(200)
    frame = draw_frame(Layout(200, "red", "north"), column, fold, 16, highlight=False)
    ys, xs = np.nonzero((frame == COLORS["yellow"]).all(axis=-1))
    line, x = divmod(column + 1, fold.columns)
    assert abs(xs.mean() + 0.5 - (x + 0.5) * 16) < 1
    assert abs(ys.mean() + 0.5 - (line * 3.5 + 1.5) * 16) < 1, "a line is 3 tiles and half a tile's gap"


def test_the_agents_view_is_drawn() -> None:
    red, blue = (draw_view(Layout(5, colour, "north"), 0, 32) for colour in COLOURS)
    assert red.shape == (96, 96, 3)
    assert colour_share(red, "red") > 0 == colour_share(red, "blue")
    assert colour_share(blue, "blue") > 0 == colour_share(blue, "red")


@FEW_FONTS
def test_a_window_shows_the_colour() -> None:
    import pygame

    shares = {}
    for colour in COLOURS:
        env = gym.make("rlmem/Corridor-v0", max_length=10, render_mode="human")
        env.reset(seed=0, options={**LAYOUT, "object_colour": colour})
        env.step(EAST)
        window = env.unwrapped.window  # type: ignore[attr-defined]
        frame = pygame.surfarray.array3d(window).astype(np.int64)
        shares[colour] = colour_share(frame, "red") - colour_share(frame, "blue")
        env.close()
    assert shares["red"] > 0 > shares["blue"]


def test_frames_are_collected() -> None:
    env = gym.make("rlmem/Corridor-v0", max_length=5, render_mode="rgb_array_list")
    env.reset(seed=0)
    env.step(EAST)
    frames: Any = env.render()
    assert len(frames) == 2
    assert not np.array_equal(frames[0], frames[1])
