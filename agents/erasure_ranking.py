"""Which memories of an episode mattered most: erasures tried one by one, and ranked by what they change."""

from __future__ import annotations

import numpy as np

from rlmem.actor_critic import ActorCritic
from rlmem.agents.erasure import Erasure, ErasureEffect, check_has_slots, erase
from rlmem.agents.trace_words import words_shown
from rlmem.agents.tracing import EpisodeTrace, LayerMemories

MAX_CANDIDATES = 32
"""Memories of each layer that are tried at most; fewer in episodes of more than 250 steps."""

_MAX_CANDIDATE_STEPS = 8000  # candidates of a layer times the episode's steps; keeps long episodes quick


def rank_erasures(
    policy: ActorCritic, trace: EpisodeTrace, top: int = 5, candidates: int | None = None
) -> list[ErasureEffect]:
    """The erasures that change the agent's actions most.

    Args:
        policy: the actor-critic that played the episode.
        trace: of the episode.
        top: how many are returned at most.
        candidates: how many memories of each layer are tried: half of them the longest kept, the others those that
            later steps attended to most. Each is erased in its layer; the steps that made them in all layers; and the
            notable words of the best `top` of these steps. None: `MAX_CANDIDATES`, fewer in long episodes.

    Returns:
        Largest effect first. Of the erasures of one step, the strongest in a single layer, that in all layers and the
        strongest of a word are listed.

    Raises:
        UsageError: the policy is recurrent.
    """
    check_has_slots(policy)
    if candidates is None:
        candidates = max(4, min(MAX_CANDIDATES, _MAX_CANDIDATE_STEPS // trace.num_steps))
    single = [
        Erasure(slot, number)
        for number, layer in enumerate(trace.layers)
        for slot in choose_candidates(layer, trace.num_steps, candidates)
    ]
    steps = sorted({int(trace.layers[one.layer or 0].birth[one.slot]) for one in single})
    whole = erase(policy, trace, [Erasure(step) for step in steps])
    effects = [*erase(policy, trace, single), *whole, *_word_effects(policy, trace, _sorted(whole)[:top])]
    best: dict[tuple[int, bool, bool], ErasureEffect] = {}
    for effect in _sorted(effects):
        kind = (effect.step, effect.erasure.layer is None, effect.erasure.word is None)
        best.setdefault(kind, effect)
    return list(best.values())[:top]


def choose_candidates(layer: LayerMemories, num_steps: int, count: int) -> list[int]:
    """The slots that are worth trying: half of them the longest kept, the others those most attended to later.

    Args:
        layer: of a trace.
        num_steps: of the episode; slots that its last step made have no later one to matter to.
        count: how many.

    Returns:
        Numbers of slots, ascending.
    """
    slots = np.flatnonzero(layer.birth < num_steps - 1)
    longest = slots[np.argsort(-layer.kept_steps[slots], kind="stable")][: -(-count // 2)]
    attended = layer.attention.sum(0) - layer.attention[layer.birth, np.arange(len(layer.birth))]
    others = np.setdiff1d(slots, longest)
    most = others[np.argsort(-attended[others], kind="stable")][: count - len(longest)]
    return sorted(int(slot) for slot in (*longest, *most))


def _word_effects(policy: ActorCritic, trace: EpisodeTrace, best: list[ErasureEffect]) -> list[ErasureEffect]:
    cells = trace.cells
    if cells is None:
        return []
    words = [Erasure(one.step, word=word) for one in best for word in sorted(words_shown(cells[one.step]))]
    return erase(policy, trace, words)


def _sorted(effects: list[ErasureEffect]) -> list[ErasureEffect]:
    return sorted(effects, key=lambda one: -one.effect)
