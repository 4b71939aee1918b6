"""The single Multi-Room Portal: Gymnasium's interface, episodes, forced layouts, pictures."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from minigrid.core.constants import COLORS
from minigrid.core.world_object import WorldObj
from minigrid.minigrid_env import MiniGridEnv

import rlmem  # noqa: F401  registers the environments
from rlmem.envs.grid_world import EAST, NORTH, SOUTH, WEST
from rlmem.envs.pixel_letters import draw_caption
from rlmem.envs.portal import PortalEnv
from rlmem.envs.vocabulary import WORDS, decode_words, describe
from rlmem.word_space import WordSpace

WEST_IS_RIGHT = {"west_colour": "red", "right_colour": "red"}
# pygame's own complaint inside MiniGrid's window, where a machine has few fonts
FEW_FONTS = pytest.mark.filterwarnings("ignore:The system font:UserWarning")


def walk(env: gym.Env[Any, Any], actions: list[int]) -> Any:
    """Take some steps; what the last one returned."""
    return [env.step(action) for action in actions][-1]


@FEW_FONTS
@pytest.mark.parametrize("render_mode", [None, "rgb_array", "ansi"])
def test_gymnasium_finds_nothing_to_complain_about(render_mode: str | None) -> None:
    check_env(gym.make("rlmem/MultiRoomPortal-v0", num_rooms=5, render_mode=render_mode).unwrapped)


def test_spaces() -> None:
    env = PortalEnv()
    assert env.observation_space == gym.spaces.Box(0, 1, (3, 3, len(WORDS)), np.uint8)
    assert isinstance(env.observation_space, WordSpace)
    assert env.observation_space.words == WORDS
    assert env.action_space == gym.spaces.Discrete(4)
    assert isinstance(env, MiniGridEnv)


def test_made_by_name_without_import_and_with_keywords() -> None:
    env = gym.make("rlmem:rlmem/MultiRoomPortal-v0", num_rooms=3, room_size=3)
    observation, info = env.reset(seed=0)
    assert info == {"is_success": False, "rooms_visited": 1}
    assert decode_words(observation)[1][1] == ("agent", "room-1")


def test_right_doors_lead_to_the_last_room() -> None:
    env = PortalEnv(num_rooms=4)
    env.reset(options={"west_colour": ["red", "blue", "red", "red"], "right_colour": "red"})
    for room, side in enumerate([WEST, EAST, WEST], start=1):
        for _ in range(2):
            observation, reward, terminated, truncated, info = env.step(side)
            assert (reward, terminated, truncated) == (0, False, False)
            assert info == {"is_success": False, "rooms_visited": room}
        observation, reward, terminated, truncated, info = env.step(side)
        assert reward == 0.1 * room
        assert (terminated, truncated) == (room == 3, False)
        assert info == {"is_success": room == 3, "rooms_visited": room + 1}
        assert decode_words(observation)[1][1] == ("agent", f"room-{room + 1}")
        assert observation.sum() == 2, "a room's centre: nothing but the agent and the number"


def test_the_second_mistake_in_one_room_ends_the_episode() -> None:
    env = PortalEnv()
    env.reset(options=WEST_IS_RIGHT)
    wrong, right = [EAST] * 3, [WEST] * 3
    assert walk(env, right)[1] == 0.1
    for mistake in ([*wrong], [*wrong], [*right, *right, *wrong]):  # in room 2, in room 1, in room 3
        observation, reward, terminated, _, info = walk(env, mistake)
        assert (reward, terminated, info["is_success"]) == (0, False, False)
        assert decode_words(observation)[1][1] == ("agent", "room-1")
    assert info["rooms_visited"] == 3
    final, reward, terminated, truncated, info = walk(env, [*right, *wrong])  # the second one in room 2
    assert (reward, terminated, truncated) == (0, True, False)
    assert info == {"is_success": False, "rooms_visited": 3}
    assert decode_words(final)[1][1] == ("agent", "room-1")


def test_a_new_episode_starts_without_mistakes_and_in_room_1() -> None:
    env = PortalEnv()
    for _ in range(3):
        env.reset(options=WEST_IS_RIGHT)
        _, _, terminated, _, info = walk(env, [WEST, WEST, WEST, EAST, EAST, EAST])  # a mistake in room 2
        assert not terminated
        assert info["rooms_visited"] == 2
        _, _, terminated, _, info = walk(env, [EAST] * 3)  # and one in room 1
        assert not terminated


def test_rooms_stay_the_same_and_walls_hold() -> None:
    env = PortalEnv(room_size=3)
    env.reset(options={**WEST_IS_RIGHT, "west_colour": "blue"})
    start = walk(env, [NORTH, NORTH, WEST, WEST, SOUTH, EAST])[0]  # into two walls and back to the centre
    assert start.sum() == 2
    west_door = env.step(WEST)[0]
    back = walk(env, [WEST, WEST])[0]  # the wrong door, and on to it again
    assert np.array_equal(back, west_door)
    assert decode_words(back)[1] == (("door", "blue"), ("agent", "room-1"), ())


@pytest.mark.parametrize("steps", [7, 1000, 1500])
@pytest.mark.parametrize("by_name", [True, False])
def test_truncation(steps: int, by_name: bool) -> None:
    arguments: dict[str, Any] = {} if steps == 1000 else {"max_episode_steps": steps}
    env = gym.make("rlmem/MultiRoomPortal-v0", **arguments) if by_name else PortalEnv(**arguments)
    env.reset(seed=0)
    ends = [env.step(NORTH)[2:4] for _ in range(steps)]
    assert ends == [(False, False)] * (steps - 1) + [(False, True)]


def test_an_end_on_the_last_step_terminates_and_truncates() -> None:
    env = PortalEnv(num_rooms=2, max_episode_steps=3)
    env.reset(options=WEST_IS_RIGHT)
    assert walk(env, [WEST] * 3)[2:4] == (True, True)


def test_seeds_give_layouts_and_options_force_their_own_field_only() -> None:
    free, forced = PortalEnv(), PortalEnv()
    rows = []
    for seed in range(5):
        free.reset(seed=seed)
        forced.reset(seed=seed, options={"right_colour": ["red", "blue"] * 25})
        assert np.array_equal(forced.episodes.layouts.west_colour, free.episodes.layouts.west_colour)
        assert forced.episodes.layouts.right_colour.tolist() == [[0, 1] * 25]
        rows.append(free.episodes.layouts.right_colour.tolist())
    assert len(set(map(str, rows))) == 5
    free.reset(seed=4)
    assert free.episodes.layouts.right_colour.tolist() == rows[4]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"west_colour": "green"}, r"options\['west_colour'\] is 'green', but it can only be one of \('red', 'blue'\)"),
        ({"right_colour": [0] * 50}, r"can only be one of \('red', 'blue'\)"),
        ({"right_colour": ["red", ["blue"]]}, r"can only be one of \('red', 'blue'\)"),
        ({"right_colour": ["red"] * 49}, r"has shape \(49,\), but there are 1 environments with 50 rooms each"),
        ({"left_colour": "red"}, "'left_colour', which reset does not know: use west_colour, right_colour"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PortalEnv().reset(options=options)


def test_misuse_is_refused() -> None:
    env = PortalEnv(render_mode="ansi", max_episode_steps=1)
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(EAST)
    with pytest.raises(ResetNeeded, match="call reset"):
        env.render()
    env.reset(seed=0)
    with pytest.raises(ValueError, match="got the action 4, but the actions are"):
        env.step(4)
    env.step(EAST)
    with pytest.raises(ResetNeeded, match="after every end"):
        env.step(EAST)
    with pytest.raises(ValueError, match="render_mode is 'movie'"):
        PortalEnv(render_mode="movie")
    with pytest.raises(ValueError, match="room_size is 4"):
        PortalEnv(room_size=4)


def test_gymnasiums_statistics_wrapper_reads_the_return() -> None:
    env = gym.wrappers.RecordEpisodeStatistics(gym.make("rlmem/MultiRoomPortal-v0", num_rooms=4))
    env.reset(options=WEST_IS_RIGHT)
    info = walk(env, [WEST] * 9)[4]
    assert info["episode"]["r"] == pytest.approx(0.6)
    assert info["episode"]["l"] == 9


@FEW_FONTS
def test_a_video_is_recorded(tmp_path: Path) -> None:
    if importlib.util.find_spec("moviepy") is None:
        pytest.skip("Gymnasium's RecordVideo needs moviepy, which is not installed")
    env = gym.wrappers.RecordVideo(
        gym.make("rlmem/MultiRoomPortal-v0", render_mode="rgb_array"), str(tmp_path / "videos"), disable_logger=True
    )
    env.reset(seed=0)
    walk(env, [WEST] * 6)
    env.close()  # type: ignore[no-untyped-call]
    assert len(list((tmp_path / "videos").glob("*.mp4"))) == 1


def test_text_shows_room_and_words() -> None:
    env = PortalEnv(num_rooms=9, render_mode="ansi")
    env.reset(options={**WEST_IS_RIGHT, "west_colour": ["red"] + ["blue"] * 8})
    observation = walk(env, [WEST, WEST, WEST, NORTH, EAST])[0]
    picture = "room 2 of 9\n#######\n#     #\n#   @ #\nB     R\n#     #\n#     #\n#######"
    assert env.render() == f"{picture}\n\n{describe(observation)}\n"


def colour_share(frame: np.ndarray[Any, Any], colour: str) -> float:
    """Share of the pixels that have the hue of one of MiniGrid's colours, highlighted or not."""
    darkest = frame.min(axis=-1, keepdims=True)
    return float(((frame - darkest > 100) == (COLORS[colour] > 100)).all(axis=-1).mean())


@pytest.mark.parametrize("room_size", [3, 5, 15])
def test_frames_show_number_doors_and_agent(room_size: int) -> None:
    env, frames = PortalEnv(num_rooms=12, room_size=room_size, render_mode="rgb_array"), []
    env.reset(options=WEST_IS_RIGHT)
    for _ in range(11):
        frames.append(np.asarray(env.render()))
        walk(env, [WEST] * (room_size // 2 + 1))
    height = env.tile_size
    captions = {frame[:height].tobytes() for frame in frames}
    rooms = {frame[height:].tobytes() for frame in frames}
    assert (len(captions), len(rooms)) == (11, 1), "the number changes, the rooms look alike"
    frame = frames[0]
    assert frame.shape == ((room_size + 3) * height, (room_size + 2) * height, 3)
    assert all(side % 2 == 0 for side in frame.shape[:2]), "video encoders want even sides"
    middle = frame.shape[1] // 2
    assert colour_share(frame[height:, :middle], "red") > 0 == colour_share(frame[height:, :middle], "blue")
    assert colour_share(frame[height:, middle:], "blue") > 0 == colour_share(frame[height:, middle:], "red")
    assert colour_share(frame, "yellow") > 0, "the agent"


def test_captions_fit_and_differ() -> None:
    for width in (60, 160, 224, 500):
        captions = [draw_caption(f"room {number} of 50", 32, width) for number in range(1, 51)]
        assert {caption.shape for caption in captions} == {(32, width, 3)}
        if width >= 80:
            assert len({caption.tobytes() for caption in captions}) == 50
            assert all((caption[:, [0, -1]] == 255).all() for caption in captions), "nothing is cut off"


def test_minigrids_grid_is_the_room_that_the_agent_is_in() -> None:
    env = PortalEnv()

    def west_door() -> WorldObj:
        door = env.grid.get(0, 3)
        assert door is not None
        return door

    env.reset(options={**WEST_IS_RIGHT, "west_colour": ["red"] + ["blue"] * 49})
    walk(env, [WEST, WEST])
    assert env.agent_pos == (1, 3)
    assert west_door().color == "red"
    env.step(WEST)
    assert env.agent_pos == (3, 3)
    assert west_door().color == "blue"
    env.reset(options=WEST_IS_RIGHT)
    assert west_door().color == "red"


def test_the_agents_view_is_drawn() -> None:
    env = PortalEnv(room_size=3)
    env.reset(options=WEST_IS_RIGHT)
    env.step(WEST)
    view = env.get_pov_render(32)
    assert view.shape == (96, 96, 3)
    assert colour_share(view, "red") > 0 == colour_share(view, "blue")


@FEW_FONTS
def test_a_window_is_drawn() -> None:
    import pygame

    env = gym.make("rlmem/MultiRoomPortal-v0", render_mode="human")
    env.reset(options=WEST_IS_RIGHT)
    env.step(WEST)
    window = env.unwrapped.window  # type: ignore[attr-defined]
    frame = pygame.surfarray.array3d(window).astype(np.int64)
    assert colour_share(frame, "red") > 0 < colour_share(frame, "yellow")
    env.close()
