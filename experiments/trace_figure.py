"""The timeline of an episode's memories as a figure for papers. Functions return a figure; callers save it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from rlmem.agents.trace_words import shows
from rlmem.agents.tracing import EpisodeTrace, LayerMemories

# Okabe and Ito's, which colour-blind readers tell apart; the word's steps are drawn above the others
_WORD_COLOUR, _OTHER_COLOUR = "#D55E00", "#56B4E9"
_RAMP_PIECES = 8  # a fading line is drawn in so many pieces
_HEIGHT_INCHES = 2.6


def timeline_figure(trace: EpisodeTrace, title: str, word: str | None) -> Figure:
    """A line for each memory from its birth to its expiry, fading over its ramp; one panel a layer.

    Args:
        trace: of an episode, with at least one layer.
        title: above the figure.
        word: steps that show it are drawn in a colour of their own; None: all are alike.
    """
    num_layers = len(trace.layers)
    figure = Figure(figsize=(6.4, _HEIGHT_INCHES * num_layers + 0.5), layout="constrained")
    panels = figure.subplots(num_layers, 1, squeeze=False)[:, 0]
    is_word = _shows_word(trace, word)
    for number, (axes, layer) in enumerate(zip(panels, trace.layers, strict=True)):
        _draw_layer(axes, layer, is_word)
        axes.set(xlim=(-1, trace.num_steps), ylim=(trace.num_steps, -1), ylabel=f"layer {number + 1}\nmade at step")
        axes.grid(alpha=0.2)
    panels[-1].set_xlabel("step of the episode")
    if is_word.any():
        names = ((_WORD_COLOUR, f"shows the {word}"), (_OTHER_COLOUR, "other"))
        handles = [Line2D([], [], color=colour, linewidth=2, label=name) for colour, name in names]
        panels[0].legend(handles=handles, fontsize=7, loc="lower left")
    figure.suptitle(title, fontsize=10)
    return figure


def _shows_word(trace: EpisodeTrace, word: str | None) -> NDArray[np.bool_]:
    if word is None or trace.cells is None:
        return np.zeros(trace.num_steps, dtype=np.bool_)
    return np.array([shows(row, word) for row in trace.cells])


def _draw_layer(axes: Axes, layer: LayerMemories, is_word: NDArray[np.bool_]) -> None:
    width = max(0.6, 0.8 * 72 * _HEIGHT_INCHES / len(is_word))
    for is_group, colour, order in ((False, _OTHER_COLOUR, 2), (True, _WORD_COLOUR, 3)):
        segments, colours = [], []
        for slot in np.flatnonzero(is_word[layer.birth] == is_group):
            birth, full, seen = (int(one[slot]) for one in (layer.birth, layer.full_until, layer.seen_until))
            pieces = [(birth, full + 1, 1.0)]
            if seen > full:
                ends = np.linspace(full + 1, seen + 1, min(_RAMP_PIECES, seen - full) + 1)
                shares = [float(layer.mask[int((start + end) / 2), slot]) for start, end in pairwise(ends)]
                pieces += list(zip(ends[:-1], ends[1:], shares, strict=True))
            segments += [[(start, birth), (end, birth)] for start, end, _ in pieces]
            colours += [(*to_rgb(colour), alpha) for _, _, alpha in pieces]
        axes.add_collection(
            LineCollection(segments, colors=colours, linewidths=width * (1.6 if is_group else 1), zorder=order)
        )
