"""One episode, step by step: what an agent saw and did, and what became of every memory that it made.

Symbols, with the paper's names; `slots` are the episode's steps in order, then what the kind pools of them:

    mask       (time, slots)  m_ti, largest over heads, 0 where step t does not see slot i
    attention  (time, slots)  a'_ti, mean over heads; each row sums to 1, the step's own share included
    span       (slots,)       e_i, in steps
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from rlmem.actor_critic import ActorCritic, Observation, PolicyOutput
from rlmem.agents.trace_pictures import Pictures
from rlmem.agents.trace_play import play_recorded_episode
from rlmem.agents.trace_words import cell_texts, label_of, view_leaf
from rlmem.attention import Attention
from rlmem.transformer import TransformerLayer, plain_attention
from rlmem.window import Window

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class LayerMemories:
    """What became of a layer's memories in one episode; steps count from the episode's first, 0.

    Args:
        birth: (slots,) int64, the step that made the slot; of a pooled slot, the last of the steps that it stands for.
        covers: (slots,) int64, how many steps the slot stands for.
        span: (slots,) float32, e_i in steps where the kind learns it (Adaptive-Span: mean over heads); else None.
        full_until: (slots,) int64, the last step that sees the slot fully, with any head; `birth` if no later one.
        seen_until: (slots,) int64, the last step of the episode that sees the slot at all.
        deleted: (slots,) int64, the first step at which acting has dropped the slot; -1 if it was there at the end.
        attention: (time, slots) float32, see the module.
        mask: (time, slots) float32 in [0, 1], see the module.
    """

    birth: Ints
    covers: Ints
    span: Floats | None
    full_until: Ints
    seen_until: Ints
    deleted: Ints
    attention: Floats
    mask: Floats

    @property
    def kept_steps(self) -> Ints:
        """(slots,), for how many steps after its birth each slot was seen."""
        return self.seen_until - self.birth


@dataclass(frozen=True)
class EpisodeTrace:
    """One episode.

    Args:
        seed: of the episode.
        observation: leaves (time, ...) as the environment gave them.
        action: (time, ...) as the environment took them.
        action_outputs: (time, outputs) float32, what the action head makes distributions of.
        probabilities: (time, actions) float32 where actions are Discrete, else None.
        value: (time,) float32.
        reward: (time,) float32.
        is_success: what the environment reported at the episode's end, or None.
        is_truncated: the episode was cut off.
        labels: (time,) text, what is notable in each observation; "-" for nothing.
        cells: (time, cells) text, the words of each cell of the view, row by row; None where the agent sees no words.
        columns: of the view, in cells; 0 without words.
        frames: pictures of the whole environment, or None.
        views: pictures of what the agent sees, or None.
        layers: the memories of each layer; none of a recurrent policy, whose memory is one state.
    """

    seed: int
    observation: tuple[NDArray[Any], ...]
    action: NDArray[Any]
    action_outputs: Floats
    probabilities: Floats | None
    value: Floats
    reward: Floats
    is_success: bool | None
    is_truncated: bool
    labels: NDArray[np.str_]
    cells: NDArray[np.str_] | None
    columns: int
    frames: Pictures | None
    views: Pictures | None
    layers: tuple[LayerMemories, ...]

    @property
    def num_steps(self) -> int:
        """T, the episode's steps."""
        return len(self.reward)


def trace_episode(
    policy: ActorCritic,
    env: gym.Env[Any, Any],
    seed: int,
    *,
    deterministic: bool = False,
    generator: torch.Generator | None = None,
) -> EpisodeTrace:
    """Play one episode and record it.

    Args:
        policy: the actor-critic; its weights are not changed.
        env: one environment, as `rlmem.envs.single.make_single_env` makes it; pictures are taken if it was made with
            render_mode="rgb_array".
        seed: of the episode.
        deterministic: take the likeliest action instead of a sample.
        generator: source of the actions' randomness, on the policy's device; None: a new one, seeded with `seed`.
    """
    device = policy.heads.weight.device
    generator = generator or torch.Generator(device).manual_seed(seed)
    play = play_recorded_episode(policy, env, seed, None if deterministic else generator)
    observation = tuple(np.stack(leaf) for leaf in zip(*play.observations, strict=True))
    outputs = torch.stack(play.outputs)
    is_discrete = isinstance(policy.action_space, spaces.Discrete)
    view = view_leaf(policy.observation_space, observation)
    cells = None if view is None else cell_texts(*view)
    labels = ["-"] * len(outputs) if cells is None else [label_of(row) for row in cells]
    return EpisodeTrace(
        seed=seed,
        observation=observation,
        action=np.stack(play.actions),
        action_outputs=outputs.cpu().numpy(),
        probabilities=torch.softmax(outputs, -1).cpu().numpy() if is_discrete else None,
        value=np.array(play.values, dtype=np.float32),
        reward=np.array(play.rewards, dtype=np.float32),
        is_success=play.is_success,
        is_truncated=play.is_truncated,
        labels=np.array(labels),
        cells=cells,
        columns=0 if view is None else view[1].shape[2],
        frames=Pictures.of(play.frames),
        views=Pictures.of(play.views),
        layers=trace_memories(policy, observation),
    )


@torch.no_grad()
def trace_memories(policy: ActorCritic, observation: tuple[NDArray[Any], ...]) -> tuple[LayerMemories, ...]:
    """What becomes of every memory of an episode, from its observations alone: the whole episode is one window.

    Args:
        policy: the actor-critic.
        observation: leaves (time, ...).

    Returns:
        One `LayerMemories` a layer; none of a recurrent policy.
    """
    device = policy.heads.weight.device
    batch = tuple(torch.as_tensor(leaf, device=device)[None] for leaf in observation)
    with attention_weights(policy) as weights:
        output = run_episode(policy, batch)
    spans: Sequence[Tensor | None] = policy.core.spans(output.layer_inputs) or [None] * len(weights)
    num_steps = len(observation[0])
    return tuple(
        _memories(layer, trace.slot_time[0], trace.described, trace.log_mask[0], weight[0], num_steps, span)
        for layer, trace, weight, span in zip(policy.core.layer_list(), output.traces, weights, spans, strict=True)
    )


@torch.no_grad()
def run_episode(policy: ActorCritic, observation: Observation) -> PolicyOutput:
    """Whole episodes of one length as one window; observation: leaves (batch, time, ...)."""
    batch, num_steps = observation[0].shape[:2]
    state = policy.core.initial_state(batch)
    is_first = torch.zeros(batch, num_steps, dtype=torch.bool, device=state.next_time.device)
    is_first[:, 0] = True
    output: PolicyOutput = policy(observation, state, Window.following(state, is_first))
    return output


def _memories(
    layer: TransformerLayer,
    slot_time: Tensor,
    described: Tensor | None,
    log_mask: Tensor,
    weights: Tensor,
    num_steps: int,
    span: Tensor | None,
) -> LayerMemories:
    """From one layer's window, whose slots are pooled ones and then the steps, to steps first."""
    num_pooled = len(slot_time) - num_steps
    order = torch.cat([torch.arange(num_pooled, len(slot_time)), torch.arange(num_pooled)]).to(slot_time.device)
    birth = slot_time[order]
    mask = log_mask.amax(0).exp()[:, order]  # (time, slots)
    attention = weights.mean(0)[:, order]
    step = torch.arange(num_steps, device=birth.device)[:, None]
    is_before = step <= birth  # a slot is there with its birth at the latest
    age = (step - birth).to(mask.dtype)
    is_kept = layer.memory.is_kept(age, None if described is None else described[:, order]) | is_before
    is_dropped = ~is_kept
    deleted = torch.where(is_dropped.any(0), is_dropped.int().argmax(0), -1)
    covers = torch.ones_like(birth)
    covers[num_steps:] = getattr(layer.memory, "rate", 1)
    return LayerMemories(
        birth=birth.cpu().numpy(),
        covers=covers.cpu().numpy(),
        span=None if span is None else span[0].float().cpu().numpy(),
        full_until=torch.maximum(_last(mask >= 1), birth).cpu().numpy(),
        seen_until=torch.maximum(_last(mask > 0), birth).cpu().numpy(),
        deleted=deleted.cpu().numpy(),
        attention=attention.float().cpu().numpy(),
        mask=mask.float().cpu().numpy(),
    )


def _last(is_true: Tensor) -> Tensor:
    """The last step (slots,) at which (time, slots) is True; -1 for none."""
    steps = torch.arange(1, len(is_true) + 1, device=is_true.device)[:, None]
    return (is_true * steps).amax(0) - 1


@contextmanager
def attention_weights(policy: ActorCritic) -> Iterator[list[Tensor]]:
    """Collects, layer by layer, the weights (batch, heads, query, slots) of the window that runs inside."""
    weights: list[Tensor] = []

    def record(attention: Attention, arguments: tuple[Tensor, ...]) -> None:
        weights.append(attention.weights(*arguments))

    hooks = [layer.attention.register_forward_pre_hook(record) for layer in policy.core.layer_list()]
    try:
        with plain_attention(policy.core):
            yield weights
    finally:
        for hook in hooks:
            hook.remove()
