"""What the memory did in a window, as numbers to log: sizes, and spans split by what a step shows.

Sizes alone mislead: an agent may keep little because it forgot the one step that mattered, so the mean span of the
steps that show a given word stands beside the others'.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rlmem.actor_critic import ActorCritic, Observation
from rlmem.agents.ranks import ALONE, Ranks
from rlmem.agents.rollout import Rollout
from rlmem.observation_leaves import leaf_spaces
from rlmem.word_space import WordSpace


def shows_word(policy: ActorCritic, observation: Observation, word: str) -> Tensor:
    """Which observations hold a word in any cell of any view.

    Args:
        policy: the actor-critic, whose observation space knows the words.
        observation: leaves (..., rows, columns, words).
        word: one of the words.

    Returns:
        (...) bool.
    """
    shown = [
        (leaf[..., space.words.index(word)] > 0).flatten(-2).any(-1)
        for space, leaf in zip(leaf_spaces(policy.observation_space).values(), observation, strict=True)
        if isinstance(space, WordSpace) and word in space.words
    ]
    assert shown, f"no view of the observations has the word {word!r}, so no step can show it"
    return torch.stack(shown).any(0)


@torch.no_grad()
def spans(policy: ActorCritic, layer_inputs: tuple[Tensor, ...]) -> list[Tensor] | None:
    """The spans that the memory kind gives to steps, or None if it predicts none.

    Args:
        policy: the actor-critic.
        layer_inputs: per layer (batch, time, model).

    Returns:
        Per layer (batch, time), in steps.
    """
    return policy.core.spans(layer_inputs)


def memory_metrics(
    policy: ActorCritic, rollout: Rollout, evicted: tuple[int, ...], word: str | None, ranks: Ranks = ALONE
) -> dict[str, float]:
    """Metrics of one window of the rank's own rows, under the names that every log uses.

    Args:
        policy: the actor-critic, after its update.
        rollout: the window.
        evicted: per layer, how many memories were deleted after the window.
        word: the word whose steps' spans are reported apart, over the steps of all ranks, or None.
        ranks: that have windows of their own.

    Returns:
        `memory/size_mean` and so on, overall and as `.../layer_0`.
    """
    size = rollout.memory_size.to(torch.float32)  # (time, batch, layers)
    metrics = {
        "memory/size_mean": float(size.mean()),
        "memory/size_max": float(size.max()),
        "memory/evicted": float(sum(evicted)),
    }
    span_layers = spans(policy, rollout.layer_inputs)
    if span_layers:
        metrics["memory/span_mean"] = float(torch.stack(span_layers).mean())
        metrics["memory/span_max"] = float(torch.stack(span_layers).max())
    for layer, count in enumerate(evicted):
        metrics[f"memory/size_mean/layer_{layer}"] = float(size[..., layer].mean())
        metrics[f"memory/size_max/layer_{layer}"] = float(size[..., layer].max())
        metrics[f"memory/evicted/layer_{layer}"] = float(count)
    for layer, span in enumerate(span_layers or ()):
        metrics[f"memory/span_mean/layer_{layer}"] = float(span.mean())
        metrics[f"memory/span_max/layer_{layer}"] = float(span.max())
    if word is not None and span_layers:
        is_shown = shows_word(policy, rollout.observation, word).t()  # (batch, time)
        for group, name in ((is_shown, word), (~is_shown, "other")):
            sums = torch.stack([span[group].sum() for span in span_layers])  # (layers,)
            *totals, count = ranks.total(torch.cat([sums, sums.new_tensor([group.sum()])]))
            if count:
                names = [f"memory/span_mean/layer_{layer}/{name}" for layer in range(len(span_layers))]
                metrics |= {name: float(total / count) for name, total in zip(names, totals, strict=True)}
    return metrics
