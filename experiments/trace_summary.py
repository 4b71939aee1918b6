"""What an agent keeps, word by word, and whether it needs it: a summary over many episodes, as JSON and a figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rlmem.actor_critic import ActorCritic
from rlmem.agents.erased_play import play_recorded, success_with_erased, success_with_steps_erased
from rlmem.agents.first_episodes import Outcome, VectorEnv
from rlmem.agents.memory_metrics import shows_word
from rlmem.agents.trace_words import cell_texts, shows, view_leaf, words_shown
from rlmem.agents.tracing import LayerMemories, trace_memories
from rlmem.errors import UsageError, check
from rlmem.experiments.evaluation_report import summarise_outcome
from rlmem.experiments.tasks import TASKS, TaskOptions, make_envs
from rlmem.experiments.training_run import evaluation_seeds

NOTHING = "nothing"
"""Stands for the steps that show nothing notable."""

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_MAX_WORDS_DRAWN = 12


@dataclass(frozen=True)
class _Steps:
    """Many episodes' steps, one after the other: the words that each shows, and per layer for how long it was kept."""

    words: list[set[str]]
    is_word: NDArray[np.bool_]
    kept: NDArray[np.float64]  # (steps, layers)
    spans: NDArray[np.float64] | None  # (steps, layers)


def summarise_memories(
    policy: ActorCritic, task: str, options: TaskOptions, episodes: int, seed: int, word: str | None
) -> dict[str, Any]:
    """Play episodes and say what was kept, and what came of taking it away.

    Args:
        policy: the weights.
        task: a name of `TASKS`.
        options: keywords of its environment.
        episodes: how many.
        seed: the episodes' seeds are drawn from this one.
        word: whose steps are compared with the others and hidden, or None.

    Returns:
        JSON-able. `words`: for each word, its steps and per layer their mean span e_i (where it is learned) and for how
        many steps they were seen, which an episode's end cuts short. `word_against_others`: the mean spans (or steps
        seen) of the word's steps and of the others, their ratio, and the layer where that is largest. `success`: as it
        is, with the word's steps hidden from every layer once it is out of view, and with as many other steps hidden.

    Raises:
        UsageError: the policy is recurrent, sees no words, or does not know the word.
    """
    check(
        bool(policy.core.layer_list()),
        f"the memory {policy.config.memory} is one state without single memories to summarise; leave out --summary",
    )
    seeds = evaluation_seeds(seed, episodes)
    environments = partial(make_envs, task, options)
    played, observations = play_recorded(policy, environments, seeds)
    texts = [_texts(policy, observation) for observation in observations]
    memories = [trace_memories(policy, observation) for observation in observations]
    steps = _join(texts, memories, word)
    summary: dict[str, Any] = {"episodes": episodes, "seed": seed, "word": word, "words": _by_word(steps)}
    hidden = {"as_is": played}
    if word is not None:
        check(bool(steps.is_word.any()), f"no step of {episodes} episodes shows the word {word!r}; choose another")
        summary["word_against_others"] = _against_others(steps)
        hidden |= _play_hidden(policy, environments, seeds, texts, word)
        summary["hidden_steps_mean"] = float(steps.is_word.sum() / episodes)
    summary["success"] = {name: summarise_outcome(one, TASKS[task].score) for name, one in hidden.items()}
    return summary


def _texts(policy: ActorCritic, observation: tuple[NDArray[Any], ...]) -> NDArray[np.str_]:
    view = view_leaf(policy.observation_space, observation)
    if view is None:
        raise UsageError("this agent's observations hold no words to summarise; leave out --summary")
    return cell_texts(*view)


def _join(texts: Sequence[NDArray[np.str_]], memories: Sequence[tuple[LayerMemories, ...]], word: str | None) -> _Steps:
    rows = [row for episode in texts for row in episode]
    lengths = [len(episode) for episode in texts]
    kept = [[layer.kept_steps[:length] for layer in layers] for layers, length in zip(memories, lengths, strict=True)]
    spans = [[layer.span for layer in layers if layer.span is not None] for layers in memories]
    return _Steps(
        words=[words_shown(row) or {NOTHING} for row in rows],
        is_word=np.array([word is not None and shows(row, word) for row in rows]),
        kept=np.concatenate([np.stack(one, axis=1) for one in kept]).astype(np.float64),
        spans=np.concatenate([np.stack(one, axis=1) for one in spans]).astype(np.float64) if spans[0] else None,
    )


def _by_word(steps: _Steps) -> dict[str, Any]:
    words = sorted(set().union(*steps.words))
    figures = {}
    for word in words:
        is_shown = np.array([word in shown for shown in steps.words])
        figures[word] = {
            "steps": int(is_shown.sum()),
            "kept_steps_mean": _means(steps.kept, is_shown),
            "span_mean": None if steps.spans is None else _means(steps.spans, is_shown),
        }
    return figures


def _against_others(steps: _Steps) -> dict[str, Any]:
    measured = steps.kept if steps.spans is None else steps.spans
    word, other = _means(measured, steps.is_word), _means(measured, ~steps.is_word)
    ratios = [of_word / of_other if of_other > 0 else None for of_word, of_other in zip(word, other, strict=True)]
    known = [ratio for ratio in ratios if ratio is not None]
    best = ratios.index(max(known)) if known else None
    return {
        "measure": "kept_steps" if steps.spans is None else "span",
        "word_mean": word,
        "other_mean": other,
        "ratio": ratios,
        "largest_ratio": None if best is None else ratios[best],
        "largest_ratio_layer": best,
    }


def _means(values: NDArray[np.float64], is_chosen: NDArray[np.bool_]) -> list[float]:
    """Per layer; values: (steps, layers); 0 for no steps."""
    return [round(float(mean), 4) for mean in values[is_chosen].mean(0)] if is_chosen.any() else [0.0] * values.shape[1]


def _play_hidden(
    policy: ActorCritic,
    environments: Callable[[int], VectorEnv],
    seeds: Sequence[int],
    texts: Sequence[NDArray[np.str_]],
    word: str,
) -> dict[str, Outcome]:
    return {
        "word_hidden": success_with_erased(
            policy, environments, seeds, lambda observation: shows_word(policy, observation, word)
        ),
        "others_hidden": success_with_steps_erased(policy, environments, seeds, other_steps(texts, word, seeds[0])),
    }


def other_steps(texts: Sequence[NDArray[np.str_]], word: str, seed: int) -> list[NDArray[np.int64]]:
    """For each episode as many steps that do not show a word as there are steps that do, drawn at random.

    Args:
        texts: for each episode, (time, cells) text from `cell_texts`.
        word: the word.
        seed: of the draw.
    """
    generator = np.random.default_rng(seed)
    chosen = []
    for episode in texts:
        is_word = np.array([shows(row, word) for row in episode])
        others = np.flatnonzero(~is_word)
        chosen.append(np.sort(generator.choice(others, min(int(is_word.sum()), len(others)), replace=False)))
    return chosen


def summary_figure(summary: dict[str, Any], title: str) -> Figure:
    """For how long each word is kept, layer by layer, and the success with memories hidden.

    Args:
        summary: from `summarise_memories`.
        title: above the figure.
    """
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    kept, success = figure.subplots(1, 2, width_ratios=(2, 1))
    figure.suptitle(title, fontsize=10)
    is_span = all(one["span_mean"] is not None for one in summary["words"].values())
    name = "span_mean" if is_span else "kept_steps_mean"
    words = sorted(summary["words"], key=lambda word: -max(summary["words"][word][name]))[:_MAX_WORDS_DRAWN]
    num_layers = len(summary["words"][words[0]][name])
    for layer in range(num_layers):
        heights = [summary["words"][word][name][layer] for word in words]
        places = np.arange(len(words)) + (layer - (num_layers - 1) / 2) * 0.8 / num_layers
        colour = _COLOURS[layer % len(_COLOURS)]
        kept.bar(places, heights, 0.8 / num_layers, label=f"layer {layer + 1}", color=colour)
    kept.set_xticks(range(len(words)), words, rotation=30, ha="right", fontsize=8)
    kept.set(ylabel="mean span $e_i$ (steps)" if is_span else "steps kept, mean")
    kept.legend(fontsize=7)
    _draw_success(success, summary)
    return figure


def _draw_success(axes: Any, summary: dict[str, Any]) -> None:
    labels = {"as_is": "as it is", "word_hidden": f"{summary['word']}\nhidden", "others_hidden": "others\nhidden"}
    figures = {name: one for name, one in summary["success"].items() if "success_rate" in one}
    rates = [one["success_rate"] for one in figures.values()]
    ends = [one["success_rate_interval"] for one in figures.values()]
    errors = [[rate - low for rate, (low, _) in zip(rates, ends, strict=True)]]
    errors.append([high - rate for rate, (_, high) in zip(rates, ends, strict=True)])
    axes.bar([labels[name] for name in figures], rates, 0.6, color="#56B4E9", yerr=errors if rates else None, capsize=3)
    axes.set(ylabel="success rate", ylim=(0, 1.05))
