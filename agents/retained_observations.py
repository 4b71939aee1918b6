"""Which observations of an episode each layer kept longest, and whether it attended to them."""

from __future__ import annotations

from dataclasses import dataclass

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from rlmem.agents.trace_words import view_leaf
from rlmem.agents.tracing import EpisodeTrace, LayerMemories


@dataclass(frozen=True)
class RetainedObservation:
    """One observation as a layer kept it; steps count from the episode's first, 0.

    Args:
        slot: of the layer's memories; of those of observations that look the same, the longest kept.
        step: that made the slot.
        covers: how many steps the slot stands for, `step` being the last.
        kept_steps: for how many steps after its birth the slot was seen.
        is_kept_to_the_end: the episode's last step still saw it.
        num_alike: how many steps of the episode look the same.
        label: what is notable in it; "-" for nothing.
        attention_mean: share of attention, mean over the later steps that saw the slot.
        attention_most: the largest share that a later step gave it.
        attention_most_at: the step that did.
    """

    slot: int
    step: int
    covers: int
    kept_steps: int
    is_kept_to_the_end: bool
    num_alike: int
    label: str
    attention_mean: float
    attention_most: float
    attention_most_at: int


def longest_kept(
    space: gym.Space[object], trace: EpisodeTrace, layer: LayerMemories, count: int
) -> list[RetainedObservation]:
    """The observations that a layer kept longest, longest first; those that look the same are one.

    Where a kind keeps many for the same time, as a fixed window does, the more attended ones come first.

    Args:
        space: of the policy's observations.
        trace: of an episode.
        layer: one of its layers.
        count: how many at most; fewer if fewer were seen by any later step.
    """
    look, num_alike = _looks(space, trace)
    slots = np.flatnonzero(layer.kept_steps > 0)
    found = [_retained(trace, layer, int(slot), int(num_alike[look[layer.birth[slot]]])) for slot in slots]
    found.sort(key=lambda one: (-one.kept_steps, -one.attention_most, one.step))
    ranked: dict[tuple[int, bool], RetainedObservation] = {}
    for one in found:
        ranked.setdefault((int(look[one.step]), one.covers > 1), one)
    return list(ranked.values())[:count]


def _looks(space: gym.Space[object], trace: EpisodeTrace) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A number (time,) for what each step looks like, and how many steps have each number."""
    view = view_leaf(space, trace.observation)
    leaves = trace.observation if view is None else (view[1],)
    known: dict[bytes, int] = {}
    look = np.array(
        [
            known.setdefault(b"".join(leaf[step].tobytes() for leaf in leaves), len(known))
            for step in range(trace.num_steps)
        ]
    )
    return look, np.bincount(look)


def _retained(trace: EpisodeTrace, layer: LayerMemories, slot: int, num_alike: int) -> RetainedObservation:
    birth, end = int(layer.birth[slot]), int(layer.seen_until[slot])
    later = layer.attention[birth + 1 : end + 1, slot]
    return RetainedObservation(
        slot=slot,
        step=birth,
        covers=int(layer.covers[slot]),
        kept_steps=end - birth,
        is_kept_to_the_end=end == trace.num_steps - 1,
        num_alike=num_alike,
        label=str(trace.labels[birth]),
        attention_mean=float(later.mean()),
        attention_most=float(later.max()),
        attention_most_at=birth + 1 + int(later.argmax()),
    )
