"""`rlmem play ENV_ID`: a person plays an environment with the keyboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tyro

from rlmem.errors import check
from rlmem.experiments.arguments import Switch, parse
from rlmem.experiments.human_play import HumanEpisode
from rlmem.experiments.picture_window import PictureWindow
from rlmem.experiments.play_keys import Keys, keys_of
from rlmem.experiments.play_scene import draw_play
from rlmem.experiments.play_text import play_in_text
from rlmem.experiments.tasks import GYMNASIUM, TASKS, GymnasiumOptions
from rlmem.experiments.terminal_keys import read_keys
from rlmem.experiments.trace_env import make_traced_env


@dataclass(frozen=True)
class PlayArguments:
    """Play an environment with the keyboard: arrows in ours, MiniGrid's own keys in its, digits elsewhere."""

    env_id: tyro.conf.Positional[str]
    """Gymnasium's id, such as rlmem/Corridor-v0 or MiniGrid-MemoryS7-v0, or a task such as corridor."""
    env_kwargs: str = "{}"
    """The environment's own keywords, as a JSON object, such as '{"max_length": 10}'."""
    seed: int | None = None
    """Of the first episode; drawn if not given."""
    agent_view: Switch = False
    """Show only what an agent would see, where the environment draws that."""
    text: Switch = False
    """Play in the terminal, without a window."""

    def __post_init__(self) -> None:
        check(self.seed is None or self.seed >= 0, f"--seed is {self.seed}, but it cannot be negative")
        check(
            not (self.text and self.agent_view),
            "--agent-view is a picture, which --text does not show; leave one of them out",
        )


def run(argv: Sequence[str]) -> int:
    """Run `rlmem play`; returns the exit code."""
    arguments = parse(PlayArguments, argv, "play")
    task = TASKS.get(arguments.env_id)
    env_id = str(task.env_id) if task is not None and task.env_id is not None else arguments.env_id
    options = GymnasiumOptions(env_id=env_id, env_kwargs=arguments.env_kwargs)
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if arguments.seed is None else arguments.seed
    if arguments.text:
        _play_text(options, seed)
        return 0
    with PictureWindow(f"rlmem play {env_id}", f"play in the terminal: rlmem play {arguments.env_id} --text") as window:
        env, note = make_traced_env(GYMNASIUM, options)
        try:
            keys = keys_of(env)
            _say(note, keys)
            title = f"{env_id}, seed {seed}"
            play(HumanEpisode(env, keys, seed), window, title, note, agent_view=arguments.agent_view)
        finally:
            env.close()
    return 0


def play(
    episode: HumanEpisode, window: PictureWindow, title: str, note: str | None, *, agent_view: bool = False
) -> None:
    """Show the episode and do what the keys say, until one of them quits; see `draw_play`."""
    while True:
        window.show(draw_play(episode, title, note, agent_view=agent_view))
        for key in window.keys(None):
            if episode.press(key) == "quit":
                return


def _play_text(options: GymnasiumOptions, seed: int) -> None:
    env, _ = make_traced_env(GYMNASIUM, options, "ansi")
    try:
        keys = keys_of(env)
        _say(None, keys)
        print(f"{options.env_id}, seed {seed}")
        play_in_text(HumanEpisode(env, keys, seed), read_keys())
    finally:
        env.close()


def _say(note: str | None, keys: Keys) -> None:
    if note is not None:
        print(f"{note}, so the window shows what an agent would see alone", flush=True)
    if keys.unreachable:
        print(f"no key means the actions {', '.join(map(str, keys.unreachable))}", flush=True)
