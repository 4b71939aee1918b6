"""`rlmem trace --video`: the episode that the other files hold, as pictures; and what is said where it cannot be."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from PIL import Image

from rlmem.actor_critic import ActorCritic
from rlmem.agents.live_play import SeenMemories
from rlmem.agents.tracing import trace_episode
from rlmem.checkpoint import save_policy
from rlmem.envs.corridor import CorridorEnv
from rlmem.envs.vocabulary import WORDS
from rlmem.experiments import trace_video
from rlmem.experiments.episode_scene import WIDTH, Scene, draw_scene
from rlmem.experiments.trace_payload import TraceContext, page_payload
from rlmem.experiments.trace_video import scene_of
from rlmem.model_config import ModelConfig
from rlmem.word_space import WordSpace


class Finished(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Finished]


@pytest.fixture
def scenes(monkeypatch: pytest.MonkeyPatch) -> list[Scene]:
    """What was drawn."""
    drawn: list[Scene] = []

    def draw(scene: Scene) -> Any:
        drawn.append(scene)
        return draw_scene(scene)

    monkeypatch.setattr(trace_video, "draw_scene", draw)
    return drawn


def make_policy(memory: Any = "expire_span", space: Any = None, **sizes: Any) -> ActorCritic:
    torch.manual_seed(0)
    given: dict[str, Any] = {"model": 16, "heads": 2, "feedforward": 16, "position_reach": 6, "max_span": 8, "ramp": 3}
    config = ModelConfig(**{**given, **sizes}, memory=memory)
    return ActorCritic(config, space or WordSpace(3, 3, WORDS), spaces.Discrete(4))


def write_agent(folder: Path, policy: ActorCritic, task: str = "corridor", **environment: Any) -> None:
    folder.mkdir()
    save_policy(policy, folder / "model.safetensors")
    known = {"min_length": 3, "max_length": 6, "max_episode_steps": 12} if task == "corridor" else environment
    options = {"previous_action": False, "previous_reward": False, **known}
    (folder / "config.json").write_text(json.dumps({"format": 1, "task": task, "environment": options}))


@pytest.mark.parametrize("memory", ["expire_span", "compressive", "lstm"])
def test_the_video_shows_the_traced_episode(rlmem: Command, here: Path, scenes: list[Scene], memory: str) -> None:
    write_agent(here / "agent", make_policy(memory))
    finished = rlmem("trace", "agent", "--erase", "none", "--video", "films/v.gif", "--fps", "5")
    assert finished.code == 0, finished.err
    assert finished.out.endswith("wrote films/v.gif\n")
    with np.load("trace-agent/trace.npz") as arrays:
        reward, action = arrays["episode_0.reward"], arrays["episode_0.action"]
        frames, index = arrays["episode_0.frames"], arrays["episode_0.frame_index"]
    played = scenes[-len(reward) - 10 :]
    assert [scene.step for scene in played] == [*range(len(reward)), *[len(reward) - 1] * 10]  # two seconds more
    for scene, step_reward, step_action, picture in zip(played, reward, action, index, strict=False):
        assert scene.reward == step_reward
        assert scene.chosen == ["north", "south", "west", "east"][step_action]
        np.testing.assert_array_equal(scene.frame, frames[picture])
        assert len(scene.layers) == (0 if memory == "lstm" else 2)
        assert "one state without single memories" in scene.note
    assert [scene.outcome is not None for scene in played] == [False] * (len(reward) - 1) + [True] * 11
    with Image.open("films/v.gif") as gif:
        assert gif.size == (WIDTH, 560)
        gif.seek(gif.n_frames - 1)  # type: ignore[attr-defined]  # of a GIF
        shown = np.array(gif.convert("RGB")).astype(int)
    assert np.abs(shown - draw_scene(played[-1])).mean() < 1


def test_an_mp4_beside_the_other_files(rlmem: Command, here: Path) -> None:
    imageio_ffmpeg: Any = pytest.importorskip("imageio_ffmpeg", reason="the extra video is not installed")
    write_agent(here / "agent", make_policy())
    finished = rlmem("trace", "agent", "--erase", "none", "--video", "v.mp4")
    assert finished.code == 0, finished.err
    with np.load("trace-agent/trace.npz") as arrays:
        steps = len(arrays["episode_0.reward"])
    frames, seconds = imageio_ffmpeg.count_frames_and_secs("v.mp4")
    assert frames == steps + 20
    assert seconds == pytest.approx(frames / 10, abs=0.05)


def test_without_ffmpeg_the_rest_is_written(rlmem: Command, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    write_agent(here / "agent", make_policy())
    finished = rlmem("trace", "agent", "--erase", "none", "--figure", "f.png", "--video", "v.mp4")
    assert finished.code == 1
    assert "--video v.mp4 was not written, everything else was: there is no ffmpeg" in finished.err
    assert "rlmem[video]" in finished.err
    assert "Traceback" not in finished.err
    for file in ("trace-agent/trace.npz", "trace-agent/trace.html", "f.png"):
        assert Path(file).stat().st_size > 0
        assert f"wrote {file}" in finished.out
    assert "wrote v.mp4" not in finished.out
    assert not Path("v.mp4").exists()


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--video", "v.avi"), ("--video 'v.avi'", ".mp4 or .gif")),
        (("--video", "v"), ("--video 'v'", ".mp4 or .gif")),
        (("--video", "v.gif", "--fps", "0"), ("--fps is 0", "1 to 50")),
        (("--video", "v.gif", "--fps", "51"), ("--fps is 51",)),
        (("--video", "taken.gif"), ("taken.gif exists and is not overwritten",)),
    ],
)
def test_bad_input_before_playing(rlmem: Command, here: Path, words: tuple[str, ...], parts: tuple[str, ...]) -> None:
    write_agent(here / "agent", make_policy())
    (here / "taken.gif").write_text("mine")
    finished = rlmem("trace", "agent", *words)
    assert finished.code == 2
    assert all(part in finished.err for part in parts), finished.err
    assert not list(here.rglob("trace.*"))


class Undrawn(gym.Env[Any, Any]):
    """Four steps of one number, of which nobody can draw a picture."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Discrete(4)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.left = 4
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.left -= 1
        return np.full(2, self.left / 4, np.float32), 1.0, self.left == 0, False, {}


def test_an_environment_without_pictures(
    rlmem: Command, here: Path, scenes: list[Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    register: Any = gym.register  # takes classes, which its annotation denies
    register("UndrawnVideo-v0", Undrawn)
    try:
        policy = make_policy(space=Undrawn.observation_space)
        environment = {"env_id": "UndrawnVideo-v0", "env_kwargs": "{}", "vectorization": "sync"}
        write_agent(here / "agent", policy, "gymnasium", **environment)
        finished = rlmem("trace", "agent", "--erase", "none", "--video", "v.gif")
    finally:
        del gym.registry["UndrawnVideo-v0"]
    assert finished.code == 0, finished.err
    assert "UndrawnVideo-v0 draws no pictures" in finished.out
    assert (scenes[-1].frame, scenes[-1].view, scenes[-1].words) == (None, None, None)
    assert scenes[-1].outcome == "over"


def test_many_layers_and_actions_have_room() -> None:
    trace = trace_episode(make_policy(num_layers=5), CorridorEnv(3, 4, 6), 0)
    payload = page_payload(trace, TraceContext("t", "corridor", "expire_span", 8, 3, ["n", "s", "w", "e"]))
    scene = scene_of(trace, payload, 1)
    picture = draw_scene(scene)
    assert picture.shape[1] == WIDTH
    assert picture.shape[0] > 560
    assert picture.shape[0] % 2 == 0
    assert [layer.num_memories for layer in scene.layers] == [
        SeenMemories.at(layer, 1).num_memories for layer in trace.layers
    ]
    shares = {f"action {number}": number / 66 for number in range(12)}
    crowded = Scene(**{**vars(scene), "actions": list(shares.items()), "chosen": "action 0"})
    assert draw_scene(crowded).shape == picture.shape
