"""The picture of what an agent retained in one episode, drawn at every evaluation while it is trained.

The episode is the first one of the run's evaluations, and its actions have a generator of their own: pictures of
different evaluations show the same layout, and drawing them changes nothing in training. `rlmem trace RUN --seed SEED`
with the run's seed shows the same episode in full.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Any

import gymnasium as gym

from rlmem.actor_critic import ActorCritic
from rlmem.agents.retained_observations import longest_kept
from rlmem.agents.trace_pictures import Frame
from rlmem.agents.tracing import EpisodeTrace, trace_episode
from rlmem.errors import RlmemError
from rlmem.experiments.retained_drawing import RetainedPage, draw_retained
from rlmem.experiments.retained_pictures import NamedFailuresEnv, UndrawnEnv, picture_steps
from rlmem.experiments.tasks import TASKS, TaskOptions
from rlmem.experiments.trace_env import make_traced_env
from rlmem.model_config import RECURRENT_KINDS

MAX_STEPS = 500
"""The episode is played so far at most: half a second on a CPU, and attention of 500 x 500 for each layer."""

_ROWS = 5


@dataclass(frozen=True)
class RetainedImage:
    """What came of drawing.

    Args:
        picture: (height, width, 3) uint8, or None where there is none.
        note: why there is no picture, or none of what the agent saw, in a sentence; else None.
    """

    picture: Frame | None
    note: str | None


def has_memories(policy: ActorCritic) -> bool:
    """False for recurrent kinds, whose memory is one state, and for none: there is nothing to draw."""
    return policy.config.memory not in (*RECURRENT_KINDS, "none")


def retained_image(policy: ActorCritic, task: str, options: TaskOptions, seed: int, title: str) -> RetainedImage:
    """Play an episode and draw what each layer kept of it.

    Args:
        policy: the actor-critic, whose weights are not changed; see `has_memories`.
        task: a name of `TASKS`.
        options: keywords of its environment.
        seed: of the episode and of its actions.
        title: in the picture.

    Returns:
        The picture. None with the reason if the environment cannot be made alone, or fails; with words alone, and the
        reason, if it cannot be drawn.
    """
    try:
        env, note = make_traced_env(task, options)
        with closing(env):
            return _image(policy, NamedFailuresEnv(env), note, seed, title, TASKS[task].word)
    except RlmemError as error:
        return RetainedImage(None, f"no picture of what the memory retained: {error}")


def _image(
    policy: ActorCritic, env: gym.Env[Any, Any], note: str | None, seed: int, title: str, word: str | None
) -> RetainedImage:
    space = policy.observation_space
    trace = trace_episode(policy, gym.wrappers.TimeLimit(UndrawnEnv(env), MAX_STEPS), seed)
    ranked = [longest_kept(space, trace, layer, _ROWS) for layer in trace.layers]
    steps = {one.step for layer in ranked for one in layer}
    pictures = picture_steps(env, space, trace, steps) if note is None else {}
    if pictures is None:
        note, pictures = "the environment shows another episode when it is given the same seed and actions again", {}
    page = RetainedPage(trace, ranked, pictures, title, _outcome(trace), word, _ROWS)
    sentence = None if note is None else f"{note}; the picture of what the memory retained has words alone"
    return RetainedImage(draw_retained(page), sentence)


def _outcome(trace: EpisodeTrace) -> str:
    parts = [f"the first evaluation episode (seed {trace.seed})", f"{trace.num_steps} steps"]
    parts.append(f"reward {float(trace.reward.sum()):.4g}")
    if trace.is_truncated:
        parts.append("cut off")
    elif trace.is_success is not None:
        parts.append("success" if trace.is_success else "failure")
    return ", ".join(parts)
