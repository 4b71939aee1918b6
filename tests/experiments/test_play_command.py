"""`rlmem play`: keys to actions, what is shown, the loop with posted key events, and the terminal."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import pygame
import pytest
from gymnasium import spaces

from rlmem.agents.trace_pictures import Frame
from rlmem.envs.corridor import CorridorEnv
from rlmem.envs.single import make_single_env
from rlmem.errors import UsageError
from rlmem.experiments import play_command
from rlmem.experiments.human_play import HumanEpisode
from rlmem.experiments.palette import MARKED
from rlmem.experiments.picture_window import PictureWindow
from rlmem.experiments.play_keys import keys_of
from rlmem.experiments.play_scene import draw_play
from rlmem.experiments.play_text import grid_text

SHORT = '{"min_length": 3, "max_length": 3, "max_episode_steps": 9}'


class Finished(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Finished]


class Counted(gym.Env[Any, Any]):
    """Counts to four; draws nothing. Its actions are numbered from 8."""

    observation_space = spaces.Dict({"count": spaces.Box(0, 4, (1,), np.float32), "noise": spaces.Box(0, 1, (5, 5))})
    action_space = spaces.Discrete(4, start=8)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.count = 0
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        self.count += 1
        return self._observe(), float(action), self.count == 4, False, {"lives": 3, "is_strange": True}

    def _observe(self) -> Any:
        return {"count": np.array([self.count], np.float32), "noise": np.full((5, 5), 0.5, np.float32)}


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    register: Any = gym.register  # takes classes, which its annotation denies
    register("Counted-v0", Counted)
    yield
    del gym.registry["Counted-v0"]


@pytest.fixture
def press(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Frame]]:
    """Posts a key event after each picture, in order, and closes the window after the last; the pictures."""
    shown: list[Frame] = []

    def script(*keys: str) -> list[Frame]:
        left, show = iter(keys), PictureWindow.show

        def show_and_press(window: PictureWindow, picture: Frame) -> None:
            show(window, picture)
            shown.append(picture)
            key = next(left, None)
            event = pygame.QUIT if key is None else pygame.KEYDOWN
            facts = {} if key is None else {"key": pygame.key.key_code(key), "unicode": ""}
            pygame.event.post(pygame.event.Event(event, facts))

        monkeypatch.setattr(PictureWindow, "show", show_and_press)
        return shown

    return script


@pytest.fixture
def episodes(monkeypatch: pytest.MonkeyPatch) -> list[HumanEpisode]:
    """The episodes that a command plays."""
    played: list[HumanEpisode] = []

    def make(*arguments: Any) -> HumanEpisode:
        played.append(HumanEpisode(*arguments))
        return played[-1]

    monkeypatch.setattr(play_command, "HumanEpisode", make)
    return played


@pytest.mark.parametrize(
    ("env_id", "expected"),
    [
        ("rlmem/Corridor-v0", {"up": 0, "down": 1, "left": 2, "right": 3}),
        ("rlmem/MultiRoomPortal-v0", {"up": 0, "down": 1, "left": 2, "right": 3}),
        (
            "MiniGrid-MemoryS7-v0",
            {"left": 0, "right": 1, "up": 2, "page up": 3, "tab": 3, "page down": 4, "left shift": 4, "space": 5}
            | {"return": 6},
        ),
        ("MiniGrid-Dynamic-Obstacles-5x5-v0", {"left": 0, "right": 1, "up": 2}),
        ("CartPole-v1", {"0": 0, "1": 1}),
        ("Counted-v0", {"8": 8, "9": 9}),
    ],
)
def test_keys(env_id: str, expected: dict[str, int]) -> None:
    env = make_single_env(env_id)
    keys = keys_of(env)
    assert keys.action_of_key == expected
    assert keys.unreachable == ((10, 11) if env_id == "Counted-v0" else ())
    env.close()


def test_the_arrows_mean_what_the_actions_are_called() -> None:
    keys = keys_of(make_single_env("rlmem/Corridor-v0"))
    assert keys.help() == [("↑", "north"), ("↓", "south"), ("←", "west"), ("→", "east")]
    assert keys_of(make_single_env("CartPole-v1")).help() == [("0", "action 0"), ("1", "action 1")]


def test_an_episode_by_its_keys() -> None:
    env = CorridorEnv(3, 3, 9)
    episode = HumanEpisode(gym.wrappers.OrderEnforcing(env), keys_of(make_single_env("rlmem/Corridor-v0")), 1)
    assert (episode.step, episode.total, episode.outcome, episode.facts) == (0, 0, None, {"length": "3"})
    assert episode.words is not None
    colour = episode.words.label.split()[0]
    assert episode.words.label == f"{colour} object"
    assert [episode.press(key) for key in ("x", "right", "right")] == ["ignored", "moved", "moved"]
    assert (episode.step, episode.action, episode.outcome) == (2, "east", None)
    north = episode.words.cells[1]
    assert episode.press("up" if north == f"{colour} door" else "down") == "moved"
    assert (episode.reward, episode.total, episode.outcome) == (1, 1, "success")
    assert episode.press("up") == "ignored"
    assert episode.press("r") == "restarted"
    assert (episode.step, episode.total, episode.action, episode.outcome) == (0, 0, "", None)
    assert episode.press("escape") == episode.press("q") == "quit"


@pytest.mark.parametrize(("keys", "outcome"), [(["left"] * 9, "truncated"), (["right", "right", "up"], "success")])
def test_outcomes(keys: list[str], outcome: str) -> None:
    env = make_single_env("rlmem/Corridor-v0", min_length=3, max_length=3, max_episode_steps=9)
    for seed in range(4):  # of which some have the right door in the north, and some not
        episode = HumanEpisode(env, keys_of(env), seed)
        for key in keys:
            episode.press(key)
        assert episode.outcome == ("truncated" if outcome == "truncated" else "success" if episode.total else "failure")


def test_the_loop_plays_what_is_pressed(
    rlmem: Command, press: Callable[..., list[Frame]], episodes: list[HumanEpisode]
) -> None:
    shown = press("right", "x", "right", "left")
    finished = rlmem("play", "corridor", "--env-kwargs", SHORT, "--seed", "1")
    assert (finished.code, finished.err) == (0, "")
    (episode,) = episodes
    assert (episode.step, episode.action) == (3, "west")
    assert len(shown) == 5
    same = [bool((one == other).all()) for one, other in pairwise(shown)]
    assert same == [False, True, False, False]  # a key without a meaning changes nothing
    assert not pygame.display.get_init()


def test_a_new_episode_and_quitting(
    rlmem: Command, press: Callable[..., list[Frame]], episodes: list[HumanEpisode]
) -> None:
    shown = press("right", "right", "r", "q", "right")
    assert rlmem("play", "rlmem/Corridor-v0", "--env-kwargs", SHORT).code == 0
    assert episodes[0].step == 0
    assert len(shown) == 4


def test_minigrid_and_any_other_that_draws(
    rlmem: Command, press: Callable[..., list[Frame]], episodes: list[HumanEpisode]
) -> None:
    press("up", "space")
    assert rlmem("play", "MiniGrid-MemoryS7-v0", "--seed", "2", "--agent-view").code == 0
    assert (episodes[0].step, episodes[0].action) == (2, "toggle")
    assert episodes[0].mission == "go to the matching object at the end of the hallway"


def test_an_environment_that_draws_nothing_says_so(
    rlmem: Command, press: Callable[..., list[Frame]], episodes: list[HumanEpisode]
) -> None:
    press("8", "9")
    finished = rlmem("play", "Counted-v0")
    assert finished.code == 0, finished.err
    assert "Counted-v0 draws no pictures (it has no render mode rgb_array), so the window shows" in finished.out
    assert "no key means the actions 10, 11" in finished.out
    assert (episodes[0].total, episodes[0].facts) == (17, {"lives": "3"})
    assert episodes[0].observation_text() == "count: 2\nnoise: 5 × 5 numbers, 0.5 to 0.5"


def test_the_picture_holds_the_frame_and_the_words() -> None:
    env = make_single_env("rlmem/Corridor-v0", min_length=3, max_length=3, render_mode="rgb_array")
    episode = HumanEpisode(env, keys_of(env), 1)
    whole, own = (draw_play(episode, "t", None, agent_view=is_own) for is_own in (False, True))
    assert episode.frame is not None
    height, width, _ = episode.frame.shape
    scale = min((576 - 28) // width, (536 - 28) // height)
    enlarged = episode.frame.repeat(scale, 0).repeat(scale, 1)
    top, left = 62 + (508 - len(enlarged)) // 2, 30 + (548 - enlarged.shape[1]) // 2
    np.testing.assert_array_equal(whole[top : top + len(enlarged), left : left + enlarged.shape[1]], enlarged)
    assert (whole[:, 604:] == MARKED).all(-1).any()  # the object's cell is framed
    assert not np.array_equal(whole[:, :590], own[:, :590])
    np.testing.assert_array_equal(whole[:, 604:], own[:, 604:])


@pytest.mark.parametrize("keys", ["right x\nright EAST\n", "right x right east r q left"])
def test_the_terminal(rlmem: Command, monkeypatch: pytest.MonkeyPatch, episodes: list[HumanEpisode], keys: str) -> None:
    monkeypatch.delenv("SDL_VIDEODRIVER")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO(keys))
    finished = rlmem("play", "corridor", "--text", "--env-kwargs", SHORT, "--seed", "1")
    assert (finished.code, finished.err) == (0, "")
    assert finished.out.startswith("rlmem/Corridor-v0, seed 1\n↑ north, ↓ south, ← west, → east; r new episode, q quit")
    assert "x does nothing here" in finished.out
    assert "step 3, did east, reward 0, return 0, length 3" in finished.out
    assert episodes[0].step == (0 if "r q" in keys else 3)
    assert finished.out.count("| agent") == finished.out.count("step ")  # the words once a step


def test_the_terminal_without_words_or_letters(
    rlmem: Command, monkeypatch: pytest.MonkeyPatch, episodes: list[HumanEpisode]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("8 11 11 10 9\n"))
    finished = rlmem("play", "Counted-v0", "--text", "--seed", "0")
    assert finished.code == 0, finished.err
    assert "count: 3\nnoise: 5 × 5 numbers, 0.5 to 0.5\nstep 3, did 11, reward 11, return 30, lives 3" in finished.out
    assert "the episode is over: r begins a new one, q quits\nthe episode is over; r begins" in finished.out


def test_words_of_minigrid_as_a_grid() -> None:
    env = make_single_env("MiniGrid-MemoryS7-v0")
    episode = HumanEpisode(env, keys_of(env), 2)
    assert episode.words is not None
    lines = grid_text(episode.words).splitlines()
    assert len(lines) == 7
    assert all(line.count("|") == 6 for line in lines)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("NoSuch-v0",), ("there is no environment 'NoSuch-v0'",)),
        (("Pendulum-v1",), ("Pendulum-v1 has the actions Box", "Discrete")),
        (("Pendulum-v1", "--text"), ("Pendulum-v1 has the actions Box",)),
        (("corridor", "--env-kwargs", "{"), ("--env-kwargs '{' is no JSON",)),
        (("corridor", "--env-kwargs", '{"max_length": 1}'), ("max_length",)),
        (("corridor", "--seed", "-1"), ("--seed is -1",)),
        (("corridor", "--text", "--agent-view"), ("--agent-view is a picture",)),
    ],
)
def test_bad_input(rlmem: Command, words: tuple[str, ...], parts: tuple[str, ...]) -> None:
    finished = rlmem("play", *words)
    assert finished.code == 2
    assert all(part in finished.err for part in parts), finished.err
    assert "Traceback" not in finished.err


def test_no_display(rlmem: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    finished = rlmem("play", "corridor")
    assert finished.code == 2
    assert finished.err.count("\n") == 1
    assert "there is no display" in finished.err
    assert "play in the terminal: rlmem play corridor --text" in finished.err


def test_actions_that_no_key_says_are_refused() -> None:
    with pytest.raises(UsageError, match="which no key can say"):
        keys_of(make_single_env("Pendulum-v1"))
