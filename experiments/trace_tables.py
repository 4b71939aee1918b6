"""What `rlmem trace` prints: the longest-kept observations, the erasures, the summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rlmem.agents.erasure import ErasureEffect
from rlmem.agents.tracing import EpisodeTrace, LayerMemories


def print_longest_kept(trace: EpisodeTrace, number: int, console: Console, count: int = 5) -> None:
    """Print the observations that some later step saw longest, with their share of attention.

    Args:
        trace: of an episode.
        number: of the episode.
        console: where to.
        count: how many rows.
    """
    if not trace.layers:
        return
    found = [
        (int(layer.kept_steps[slot]), position, int(slot))
        for position, layer in enumerate(trace.layers)
        for slot in np.argsort(-layer.kept_steps, kind="stable")[:count]
    ]
    title = f"episode {number} (seed {trace.seed}), {trace.num_steps} steps: the longest-kept observations"
    table = Table("kept", "layer", "made at step", "shows", "attention, mean", "attention, most", title=escape(title))
    for kept, position, slot in sorted(found, key=lambda one: -one[0])[:count]:
        layer = trace.layers[position]
        step = int(layer.birth[slot])
        label = escape(str(trace.labels[step]))
        table.add_row(f"{kept} steps", str(position + 1), str(step), label, *_attention(layer, slot))
    console.print(table)


def _attention(layer: LayerMemories, slot: int) -> tuple[str, str]:
    """The mean share over the later steps that saw the slot, and the largest with its step."""
    birth, end = int(layer.birth[slot]), int(layer.seen_until[slot])
    later = layer.attention[birth + 1 : end + 1, slot]
    if not len(later):
        return "-", "-"
    return f"{later.mean():.1%}", f"{later.max():.0%} at step {birth + 1 + int(later.argmax())}"


def print_erasures(effects: Sequence[ErasureEffect], console: Console) -> None:
    """Print the erasures of one episode.

    Args:
        effects: largest first.
        console: where to.
    """
    if not effects:
        return
    table = Table("erased", "made at step", "shows", "KL (nats)", "at step", "value", title="what erasing changes most")
    for one in effects:
        where = "in all layers" if one.erasure.layer is None else f"in layer {one.erasure.layer + 1}"
        what = f"the word {one.erasure.word}" if one.erasure.word is not None else where
        table.add_row(
            what, str(one.step), escape(one.label), f"{one.effect:.3f}", str(one.at), f"{one.value_change:+.3f}"
        )
    console.print(table)


def summary_lines(summary: dict[str, Any]) -> list[str]:
    """A summary in sentences; summary: from `summarise_memories`."""
    lines = []
    compared = summary.get("word_against_others")
    if compared is not None and compared["largest_ratio"] is not None:
        layer = compared["largest_ratio_layer"]
        word, other = compared["word_mean"][layer], compared["other_mean"][layer]
        what = "mean span" if compared["measure"] == "span" else "mean time kept"
        lines.append(
            f"{what} in layer {layer + 1}: {word:.1f} steps where a step shows the {summary['word']}, "
            f"{other:.1f} for the others ({compared['largest_ratio']:.1f} x)"
        )
    names = {
        "as_is": "as it is",
        "word_hidden": f"steps that show the {summary['word']} hidden",
        "others_hidden": "as many other steps hidden",
    }
    rates = [
        f"{names[name]} {one['success_rate']:.3f}" for name, one in summary["success"].items() if "success_rate" in one
    ]
    if rates:
        lines.append(f"success over {summary['episodes']} episodes: {'; '.join(rates)}")
    return lines
