"""`rlmem train --env-id`: other people's environments from the command line, and what goes wrong with them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

Command = Callable[..., Any]

MODULE = '''
import os

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Counting(gym.Env):
    """Counts its steps, ends after five, and breaks after `sound_steps`."""

    def __init__(self, fault="none", sound_steps=150, space="dict"):
        box = spaces.Box(-1, 1, (3,), np.float32)
        kinds = {
            "dict": spaces.Dict({"number": spaces.Discrete(5), "vector": box, "flags": spaces.MultiBinary(2)}),
            "image": spaces.Box(0, 255, (12, 12, 3), np.uint8),
            "text": spaces.Dict({"inner": spaces.Dict({"note": spaces.Text(4)})}),
        }
        self.observation_space = kinds[space]
        self.action_space = spaces.Box(-2, 2, (2,), np.float32) if space == "image" else spaces.MultiDiscrete([2, 3])
        self.fault, self.sound_steps, self.steps = fault, sound_steps, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self.observe(), {}

    def observe(self):
        self.observation_space.seed(self.steps)
        return self.observation_space.sample()

    def step(self, action):
        assert self.action_space.contains(action), action
        self.steps, self.time = self.steps + 1, self.time + 1
        observation = self.observe()
        if self.steps > self.sound_steps:
            if self.fault == "raises":
                raise RuntimeError("out of cheese")
            if self.fault == "dies":
                os._exit(3)
            if self.fault == "nan":
                observation["vector"][1] = np.nan
        return observation, 1.0, self.time == 5, False, {}


gym.register("Counting-v0", Counting)
'''

_TINY = (
    "--num-envs 2 --num-steps 8 --model 16 --feedforward 16 --max-span 12 --ramp 2 --num-minibatches 2 "
    "--total-timesteps 640 --log-interval 64 --checkpoint-interval 128 --eval-interval 0 --num-threads 1 --quiet"
)
TINY = _TINY.split()


@pytest.fixture
def module(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A user's module that registers an environment."""
    (here / "usermodule.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(here))
    yield
    sys.modules.pop("usermodule", None)
    gym.registry.pop("Counting-v0", None)


def train(rlmem: Command, *words: str, **keywords: Any) -> Any:
    return rlmem(
        "train", "--env-id", "usermodule:Counting-v0", "--env-kwargs", json.dumps(keywords), "--name", "run",
        *TINY, *words,
    )  # fmt: skip


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize("keywords", [{}, {"space": "image"}])
def test_trains_evaluates_and_resumes(rlmem: Command, here: Path, keywords: dict[str, Any]) -> None:
    finished = train(rlmem, "--previous-action", "--previous-reward", **keywords)
    assert (finished.code, finished.err) == (0, "")
    run = here / "runs" / "usermodule-Counting-v0" / "run"
    report = json.loads(rlmem("eval", "run", "--episodes", "3", "--json").out)
    assert report["mean_reward"] == 5
    assert report["mean_ep_length"] == 5
    assert "success_rate" not in report
    assert rlmem("resume", "run", "--total-timesteps", "704", "--quiet").code == 0
    assert (run / "checkpoints" / "step_704").is_dir()


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("fault", "vectorization", "message"),
    [
        ("raises", "sync", "RuntimeError: out of cheese"),
        ("nan", "sync", "NaN"),
        ("raises", "async", "RuntimeError: out of cheese"),
        ("dies", "async", "died"),
    ],
)
def test_a_failing_environment_is_named_and_the_last_checkpoint_stands(
    rlmem: Command, here: Path, fault: str, vectorization: str, message: str
) -> None:
    finished = train(rlmem, "--vectorization", vectorization, fault=fault)
    assert finished.code == 1
    assert "Traceback" not in finished.err
    assert message in finished.err
    assert "environment 0" in finished.err or "environment 1" in finished.err
    assert "step_256" in finished.err
    assert (here / "runs" / "usermodule-Counting-v0" / "run" / "checkpoints" / "step_256" / "state.json").is_file()
    report = rlmem("eval", "run", "--episodes", "2", "--json")
    assert json.loads(report.out)["checkpoint"] == "step_256"


@pytest.mark.usefixtures("module")
def test_a_space_without_encoder_is_named(rlmem: Command, here: Path) -> None:
    finished = train(rlmem, space="text")
    assert finished.code == 2
    assert "Text" in finished.err
    assert "inner.note" in finished.err
    assert "Discrete" in finished.err
    assert not (here / "runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--env-id", "CartPol-v1"), "CartPole-v1"),
        (("--env-id", "nosuchmodule:Any-v0"), "nosuchmodule"),
        (("gymnasium",), "--env-id is missing"),
        (("--env-id", "CartPole-v1", "--env-kwargs", "{size"), "no JSON"),
        (("--env-id", "CartPole-v1", "--env-kwargs", "[1]"), "no JSON object"),
        (("--env-id", "CartPole-v1", "--env-kwargs", '{"size": 9}'), "size"),
        (("--env-id", "CartPole-v1", "--vectorization", "threads"), "threads"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_made(
    rlmem: Command, here: Path, words: tuple[str, ...], message: str
) -> None:
    finished = rlmem("train", *words)
    assert finished.code == 2
    assert message in finished.err
    assert "Traceback" not in finished.err
    assert not (here / "runs").exists()


def test_minigrid_trains_on_words_and_reports_success(rlmem: Command, here: Path) -> None:
    assert rlmem("train", "--env-id", "MiniGrid-MemoryS7-v0", "--name", "run", *TINY).code == 0
    report = json.loads(rlmem("eval", "run", "--episodes", "4", "--json").out)
    assert 0 <= report["success_rate"] <= 1


@pytest.mark.parametrize("player", ["oracle", "oracle:30", "random"])
def test_scripted_players_of_the_portal(rlmem: Command, player: str) -> None:
    report = json.loads(rlmem("eval", "portal", "--player", player, "--episodes", "20", "--json").out)
    low, high = {"oracle": (32, 38), "oracle:30": (10, 14), "random": (1.5, 4.5)}[player]
    assert low < report["rooms_visited"] < high
    assert "rooms visited" in rlmem("eval", "portal", "--player", player, "--episodes", "2").out


def test_unknown_players_are_refused(rlmem: Command) -> None:
    for words in (
        ("portal", "--player", "memoryless"),
        ("corridor", "--player", "oracle:5"),
        ("gymnasium", "--player", "x"),
    ):
        finished = rlmem("eval", *words)
        assert finished.code == 2
        assert "unknown" in finished.err
