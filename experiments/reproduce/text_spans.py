"""Figures 9 and 12: for how long a model keeps each symbol of a passage, layer by layer, and with a word replaced.

The paper chose its passages by hand. Here it is a stretch of the test data around the capitalised word whose span
stands out most from its layer's mean, among the first `_LENGTH` symbols.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from rlmem.experiments.lm.passage import Passage
from rlmem.experiments.lm.replacement import compare_replacement, replace_word
from rlmem.experiments.lm.text_trace import TextTrace, trace_text
from rlmem.experiments.lm.word_spans import word_spans
from rlmem.experiments.reproduce.artefact import Drawn, Material
from rlmem.experiments.reproduce.coloured_text import cells_of, draw_text, num_rows
from rlmem.experiments.reproduce.symbol_class import mean_by_class
from rlmem.experiments.reproduce.trained_model import TrainedModel

_LENGTH = 4096
_CONTEXT = 90  # symbols before and after the word
_WIDTH = 100  # characters a line
_LEAST_LETTERS = 4
_REPLACEMENTS = ("somewhere", "SpongeBob SquarePants")  # the paper's: a word for no place, a rare name
_COLOURS = "Blues"


@dataclass(frozen=True)
class Chosen:
    """A word of a text, and where its span stands out.

    Args:
        word: its text.
        start: its first symbol.
        layer: 0 is the first.
    """

    word: str
    start: int
    layer: int


def draw_edited_passage(material: Material) -> Drawn:
    """Figure 9: the passage as it is, and with the word replaced by each of `_REPLACEMENTS`.

    Args:
        material: one run of Expire-Span on a text.
    """
    (record,) = material.finished
    trained = TrainedModel.open(record)
    passage, chosen = choose_passage(trained)
    original = trace_text(trained.model, passage)
    traces, spans, told = [original], {}, []
    for new in _REPLACEMENTS:
        replacement = replace_word(trained.spelling, passage, chosen.word, new)
        replaced = trace_text(trained.model, replacement.passage)
        layers = compare_replacement(original, replaced, replacement)
        spans[new] = [
            {"before": one.before_mean, "after": one.after_mean, "elsewhere": one.elsewhere_mean} for one in layers
        ]
        told.append(f"{new!r} {layers[chosen.layer].after_mean:.0f}")
        traces.append(replaced)
    before = spans[_REPLACEMENTS[0]][chosen.layer]["before"]
    return Drawn(
        summary=f"span of {chosen.word!r} in layer {chosen.layer + 1}: {before:.0f}; in its place {', '.join(told)}",
        table=_edit_table(chosen, spans),
        figure=spans_figure(
            [(f"({letter})", trace, chosen.layer) for letter, trace in zip("abc", traces, strict=True)],
            f"{material.title}; here {chosen.word!r}, in layer {chosen.layer + 1}",
        ),
        details={"word": chosen.word, "layer": chosen.layer, "passage": passage.text(), "spans": spans},
    )


def draw_layers(material: Material) -> Drawn:
    """Figure 12: one passage, a row a layer; and the mean span by layer and kind of symbol over a longer text.

    Args:
        material: one run of Expire-Span on a text.
    """
    (record,) = material.finished
    trained = TrainedModel.open(record)
    text = trained.read_passage("test", _LENGTH)
    whole = trace_text(trained.model, text)
    passage, _ = choose_passage(trained)
    trace = trace_text(trained.model, passage)
    classes = [mean_by_class(text.pieces, layer.span) for layer in whole.layers]
    words = [
        [(one.word, one.mean) for one in word_spans(text, layer.span)[:10]] for layer in whole.layers
    ]  # fmt: skip
    longest = [max(means, key=lambda name: means[name]) for means in classes]
    return Drawn(
        summary="kept longest: "
        + ", ".join(
            f"layer {number} {name} ({means[name]:.0f} steps)"
            for number, (name, means) in enumerate(zip(longest, classes, strict=True), start=1)
        ),
        table=_class_table(classes),
        figure=spans_figure(
            [(f"layer {number + 1}", trace, number) for number in range(len(trace.layers))], material.title
        ),
        details={"mean_span_by_class": classes, "longest_words": words, "passage": passage.text()},
    )


def choose_passage(trained: TrainedModel) -> tuple[Passage, Chosen]:
    """The stretch of the test data that is shown, and its word.

    Args:
        trained: the model.
    """
    text = trained.read_passage("test", _LENGTH)
    chosen = choose_word(trace_text(trained.model, text))
    start, stop = max(chosen.start - _CONTEXT, 0), chosen.start + len(chosen.word) + _CONTEXT
    return trained.spelling.passage(text.symbols[start:stop]), chosen


def choose_word(trace: TextTrace) -> Chosen:
    """The capitalised word that is kept longest against its layer's mean; any word where no one is capitalised.

    Args:
        trace: of a text.
    """
    words, word_of = trace.passage.words, trace.passage.word_of
    is_plain = [word.isalpha() and len(word) >= _LEAST_LETTERS for word in words]
    is_name = [plain and word[0].isupper() for plain, word in zip(is_plain, words, strict=True)]
    wanted = np.array(is_name if any(is_name) else is_plain if any(is_plain) else [bool(w.strip()) for w in words])
    best: tuple[float, int, int] = (-np.inf, 0, 0)
    for number, layer in enumerate(trace.layers):
        kept = np.full(len(words), -np.inf)
        np.maximum.at(kept, word_of, layer.span.astype(np.float64))
        ratio = np.where(wanted, kept / max(float(layer.span.mean()), 1.0), -np.inf)
        best = max(best, (float(ratio.max()), int(ratio.argmax()), number))
    _, word, layer_number = best
    return Chosen(words[word], int(np.searchsorted(word_of, word)), layer_number)


def spans_figure(rows: list[tuple[str, TextTrace, int]], title: str) -> Figure:
    """Passages coloured by the span of their symbols, as a share of the longest in the rows of that layer.

    Args:
        rows: a label, what was read, and the layer whose spans are shown.
        title: above the figure.
    """
    cells = [
        cells_of(trace.passage.pieces, trace.layers[layer].span.tolist(), trace.passage.joiner)
        for _, trace, layer in rows
    ]
    longest: dict[int, float] = {}
    for (_, _, layer), (_, values) in zip(rows, cells, strict=True):
        longest[layer] = max(longest.get(layer, 1e-6), *values)
    heights = [max(num_rows(text, _WIDTH), 2.5) for text, _ in cells]  # a label has two lines
    figure = Figure(figsize=(11, 0.5 + 0.15 * sum(heights) + 0.06 * len(rows)), layout="constrained")
    figure.suptitle(title, fontsize=10)
    axes = figure.subplots(len(rows), 1, height_ratios=heights, squeeze=False)[:, 0]
    mesh: Any = None
    for one, (label, _, layer), (text, values) in zip(axes, rows, cells, strict=True):
        shares = [value / longest[layer] for value in values]
        mesh = draw_text(one, text, shares, _WIDTH, _COLOURS, Normalize(0, 1))
        label = f"{label}\n1 = {longest[layer]:,.0f} steps"
        one.set_ylabel(label, fontsize=8, rotation=0, ha="right", va="center")
    figure.colorbar(mesh, ax=list(axes), label="share of the\nlongest span", shrink=0.8)
    return figure


def _edit_table(chosen: Chosen, spans: dict[str, list[dict[str, float]]]) -> str:
    lines = [
        f"| layer | span of `{chosen.word}` | " + " | ".join(f"`{new}` in its place" for new in spans) + " |",
        "| --- " * (2 + len(spans)) + "|",
    ]
    for number, first in enumerate(next(iter(spans.values()))):
        after = " | ".join(f"{layers[number]['after']:.1f}" for layers in spans.values())
        lines.append(f"| {number + 1} | {first['before']:.1f} | {after} |")
    return "\n".join(lines)


def _class_table(classes: list[dict[str, float]]) -> str:
    names = list(classes[0])
    lines = [f"| layer | {' | '.join(names)} |", "| --- " * (1 + len(names)) + "|"]
    for number, means in enumerate(classes, start=1):
        lines.append(f"| {number} | {' | '.join(f'{means[name]:.1f}' for name in names)} |")
    return "\n".join(lines)
