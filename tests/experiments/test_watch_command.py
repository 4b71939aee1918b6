"""`rlmem watch`: the loop with posted key events shows the episode that a trace of the same seed has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import pygame
import pytest

from rlmem.agents.live_play import SeenMemories
from rlmem.agents.trace_pictures import Frame
from rlmem.agents.tracing import trace_episode
from rlmem.checkpoint import load_policy
from rlmem.experiments import watch_command
from rlmem.experiments.checkpoints import Checkpoints
from rlmem.experiments.episode_scene import Scene, draw_scene
from rlmem.experiments.picture_window import PictureWindow
from rlmem.experiments.run_directory import read_config
from rlmem.experiments.trace_env import make_traced_env
from rlmem.experiments.train_config import read_task
from rlmem.experiments.training_run import evaluation_seeds
from rlmem.experiments.watch_command import round_up


class Finished(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Finished]
Choose = Callable[[Sequence[Scene]], str | None]


@pytest.fixture
def watch(rlmem: Command, run: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Scene]]:
    """Watches the tiny run; `choose` says, of the scenes so far, which key is pressed next, "" for none."""

    def play(choose: Choose, *flags: str) -> list[Scene]:
        scenes: list[Scene] = []
        show = PictureWindow.show

        def draw(scene: Scene) -> Frame:
            scenes.append(scene)
            return draw_scene(scene)

        def show_and_press(window: PictureWindow, picture: Frame) -> None:
            show(window, picture)
            key = choose(scenes)
            if key:
                facts = {"key": pygame.key.key_code(key), "unicode": ""}
                pygame.event.post(pygame.event.Event(pygame.KEYDOWN, facts))

        monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
        monkeypatch.setattr(watch_command, "draw_scene", draw)
        monkeypatch.setattr(PictureWindow, "show", show_and_press)
        finished = rlmem("watch", str(run), *flags)
        assert finished.code == 0, finished.err
        assert finished.err == ""
        assert not pygame.display.get_init()
        return scenes

    return play


def traced(run: Path, seed: int) -> Any:
    task, options = read_config(run, read_task)
    weights = Checkpoints(run / "checkpoints", keep=1).choose(None, "")
    env, _ = make_traced_env(task, options)
    trace = trace_episode(load_policy(weights / "model.safetensors", "cpu"), env, seed)
    env.close()
    return trace


def test_single_steps_show_the_traced_episode(watch: Callable[..., list[Scene]], run: Path) -> None:
    scenes = watch(lambda scenes: "q" if scenes[-1].outcome else "right", "--seed", "3")
    trace = traced(run, evaluation_seeds(3, 1)[0])
    *steps, last = scenes
    assert [scene.step for scene in steps] == list(range(trace.num_steps))
    for scene in steps:
        assert scene.chosen == ["north", "south", "west", "east"][trace.action[scene.step]]
        np.testing.assert_array_equal(scene.frame, trace.frames.images[trace.frames.index[scene.step]])
        assert scene.value == pytest.approx(float(trace.value[scene.step]), abs=1e-5)
        assert dict(scene.actions)["east"] == pytest.approx(float(trace.probabilities[scene.step, 3]), abs=1e-5)
        for seen, layer in zip(scene.layers, trace.layers, strict=True):
            np.testing.assert_allclose(seen.mask, SeenMemories.at(layer, scene.step).mask, atol=1e-5)
    assert all("paused" in scene.footer for scene in steps[1:])
    assert last.outcome == ("success" if trace.is_success else "truncated" if trace.is_truncated else "over")
    assert last.total == pytest.approx(float(trace.reward.sum()))


def test_it_plays_by_itself_and_waits_at_the_end(watch: Callable[..., list[Scene]]) -> None:
    def choose(scenes: Sequence[Scene]) -> str:
        if not scenes[-1].outcome:
            return ""
        return "right" if scenes[-2].outcome is None else "q"  # a step after the end does nothing

    scenes = watch(choose, "--speed", "64")
    steps = [scene.step for scene in scenes]
    assert steps == sorted(steps)
    assert set(steps) == set(range(steps[-1] + 1))
    assert scenes[-1].outcome == scenes[-2].outcome is not None


def test_pause_speed_and_a_new_episode(watch: Callable[..., list[Scene]]) -> None:
    keys = iter(["space", "+", "-", "-", "right", "r", "right", "escape"])
    scenes = watch(lambda scenes: next(keys), "--speed", "1")
    assert [scene.step for scene in scenes] == [0, 0, 0, 0, 0, 1, 0, 1]
    titles = [scene.title for scene in scenes]
    first, second = evaluation_seeds(0, 2)
    assert titles == [f"run, episode 0 (seed {first})"] * 6 + [f"run, episode 1 (seed {second})"] * 2
    assert scenes[0].footer.endswith("1 steps/s")
    assert all(scene.footer.endswith("paused") for scene in scenes[1:])


def test_the_strips_scale_changes_seldom() -> None:
    assert [round_up(age) for age in (0, 20, 21, 50, 51, 100, 101, 200, 201, 501, 1000)] == [
        20, 20, 50, 50, 100, 100, 200, 200, 500, 1000, 1000,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "parts"),
    [
        (("nothing",), 2, ("there is no run 'nothing'",)),
        (("run", "--seed", "-1"), 2, ("--seed is -1",)),
        (("run", "--speed", "0"), 2, ("--speed is 0", "from 1 to 64")),
        (("run", "--checkpoint", "step_1"), 1, ("choose one of step_384",)),
    ],
)
def test_bad_input(rlmem: Command, run: Path, words: tuple[str, ...], code: int, parts: tuple[str, ...]) -> None:
    finished = rlmem("watch", *words)
    assert finished.code == code
    assert all(part in finished.err for part in parts), finished.err
    assert "Traceback" not in finished.err


def test_no_display(rlmem: Command, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    finished = rlmem("watch", "run")
    assert finished.code == 2
    assert finished.err.count("\n") == 1
    assert "there is no display" in finished.err
    assert "rlmem trace run" in finished.err


def test_an_environment_that_cannot_draw_says_so(
    watch: Callable[..., list[Scene]], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def make(task: str, options: Any) -> tuple[gym.Env[Any, Any], str]:
        from rlmem.envs.single import make_single_env

        return make_single_env("rlmem/Corridor-v0", **options.keywords()), "Corridor draws no pictures (today)"

    monkeypatch.setattr(watch_command, "make_traced_env", make)
    scenes = watch(lambda scenes: "q")
    assert scenes[0].frame is None
    assert scenes[0].words is not None
