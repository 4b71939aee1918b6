"""`rlmem watch RUN`: the agent plays in a window, with what it remembers beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rlmem.actor_critic import ActorCritic
from rlmem.agents.live_play import LiveEpisode
from rlmem.checkpoint import load_policy
from rlmem.errors import check
from rlmem.experiments.arguments import RunArgument, Switch, parse
from rlmem.experiments.checkpoints import Checkpoints
from rlmem.experiments.device import DeviceChoice, choose_device
from rlmem.experiments.episode_scene import LEAST_AGES, Scene, draw_scene
from rlmem.experiments.picture_window import PictureWindow
from rlmem.experiments.run_directory import find_run, is_pretrained, read_config
from rlmem.experiments.trace_env import action_names, make_traced_env
from rlmem.experiments.train_config import read_task
from rlmem.experiments.training_run import evaluation_seeds
from rlmem.experiments.watch_controls import FASTEST, HELP, SLOWEST, Controls


@dataclass(frozen=True)
class WatchArguments:
    """Watch an agent play, with each layer's live memories beside the environment."""

    run: RunArgument
    """Folder or name of a run, or the name of pretrained weights."""
    seed: int = 0
    """The seeds of the episodes are drawn from this one, as for rlmem trace."""
    speed: int = 8
    """Steps a second, to begin with."""
    checkpoint: str | None = None
    """Name of a checkpoint, such as step_64000; the newest if not given."""
    deterministic: Switch = False
    """Take the likeliest action instead of a sample."""
    device: DeviceChoice = "auto"
    """Where the policy runs."""
    output: str = "runs"
    """Folder of all runs."""

    def __post_init__(self) -> None:
        check(self.seed >= 0, f"--seed is {self.seed}, but it cannot be negative")
        check(
            SLOWEST <= self.speed <= FASTEST,
            f"--speed is {self.speed}, but it is a number of steps a second from {SLOWEST} to {FASTEST}",
        )


def run(argv: Sequence[str]) -> int:
    """Run `rlmem watch`; returns the exit code."""
    arguments = parse(WatchArguments, argv, "watch")
    device = choose_device(arguments.device)
    path = find_run(arguments.run, Path(arguments.output))
    task, options = read_config(path, read_task)
    weights = path
    if not is_pretrained(path):
        weights = Checkpoints(path / "checkpoints", keep=1).choose(arguments.checkpoint, f"rlmem watch {path}")
    name = path.resolve().name
    advice = f"write a page that needs none: rlmem trace {arguments.run}"
    with PictureWindow(f"rlmem watch {name}", advice) as window:
        policy = load_policy(weights / "model.safetensors", device)
        env, note = make_traced_env(task, options)
        if note is not None:
            print(f"{note}, so the window shows words alone, where there are any", flush=True)
        names = action_names(env)

        def start(number: int) -> LiveEpisode:
            seed = evaluation_seeds(arguments.seed, number + 1)[number]
            return LiveEpisode(policy, env, seed, deterministic=arguments.deterministic)

        def scene(episode: LiveEpisode, number: int, controls: Controls) -> Scene:
            title = f"{name}, episode {number} (seed {episode.seed})"
            return scene_of(episode, policy, names, title, f"{HELP} · {controls.describe()}")

        try:
            watch(start, scene, window, Controls(arguments.speed))
        finally:
            env.close()
    return 0


def watch(
    start: Callable[[int], LiveEpisode],
    scene: Callable[[LiveEpisode, int, Controls], Scene],
    window: PictureWindow,
    controls: Controls,
) -> None:
    """Play episode after episode and do what the keys say, until one of them quits.

    Args:
        start: begins the episode of a number.
        scene: what is shown of an episode, its number and the controls.
        window: where.
        controls: to begin with.
    """
    number, episode = 0, start(0)
    due = time.monotonic() + 1 / controls.steps_per_second
    while True:
        window.show(draw_scene(scene(episode, number, controls)))
        is_waiting = controls.is_paused or episode.is_over
        for key in window.keys(None if is_waiting else max(0.0, due - time.monotonic())):
            controls, command = controls.after(key)
            if command == "quit":
                return
            if command == "restart":
                number += 1
                episode = start(number)
            if command == "step" and not episode.is_over:
                episode.advance()
        now = time.monotonic()
        if now >= due and not (controls.is_paused or episode.is_over):
            episode.advance()
            due = now + 1 / controls.steps_per_second


def scene_of(episode: LiveEpisode, policy: ActorCritic, names: Sequence[str] | None, title: str, footer: str) -> Scene:
    """What is shown of an episode as it stands.

    Args:
        episode: that is played.
        policy: that plays.
        names: of discrete actions, or None.
        title: of the picture.
        footer: at its bottom.
    """
    first = int(getattr(policy.action_space, "start", 0)) if names is not None else 0
    numbers = " ".join(f"{number:.4g}" for number in np.ravel(episode.action))
    probabilities = episode.probabilities
    return Scene(
        title=title,
        step=episode.step,
        num_steps=None,
        frame=episode.frame,
        view=episode.view,
        words=episode.words,
        actions=[] if probabilities is None else list(zip(names or (), map(float, probabilities), strict=True)),
        chosen=numbers if names is None else names[int(episode.action) - first],
        value=episode.value,
        reward=episode.rewards[-1] if episode.rewards else None,
        total=sum(episode.rewards),
        layers=episode.memories,
        labels=episode.labels,
        oldest=round_up(episode.oldest),
        note=f"the memory {policy.config.memory} is one state without single memories",
        outcome=_outcome(episode),
        footer=footer,
    )


def round_up(age: int) -> int:
    """The next of 20, 50, 100, 200, 500, …, so that the strips' scale changes seldom."""
    rounded = LEAST_AGES
    while rounded < age:
        rounded = rounded * 5 // 2 if str(rounded)[0] == "2" else rounded * 2
    return rounded


def _outcome(episode: LiveEpisode) -> str | None:
    if not episode.is_over:
        return None
    if episode.is_success:
        return "success"
    return "truncated" if episode.is_truncated else "over"
