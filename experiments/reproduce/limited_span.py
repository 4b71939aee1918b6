"""Figure 10: memories older than a limit hidden at evaluation, and which predictions get worse.

The paper cuts 16k to 1,024; here, too, L is cut to its sixteenth part. A word's loss is the sum over its symbols.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rlmem.experiments.lm.passage import Passage
from rlmem.experiments.reproduce.artefact import Drawn, Material
from rlmem.experiments.reproduce.coloured_text import cells_of, draw_text
from rlmem.experiments.reproduce.symbol_class import mean_by_class
from rlmem.experiments.reproduce.token_losses import token_losses
from rlmem.experiments.reproduce.trained_model import TrainedModel

_CUT = 16
_LENGTH = 500_000  # symbols of the test data, at most
_NUM_LISTED = 20
_NUM_DRAWN = 6
_CONTEXT = 45  # symbols before and after


@dataclass(frozen=True)
class WorseWord:
    """A word that is harder to predict without old memories.

    Args:
        word: its text.
        place: of its first symbol in the test data.
        increase: of its loss, in bits.
        last_seen: so many symbols earlier it was seen before; None: never.
        before: the text before it.
        after: the text after it.
    """

    word: str
    place: int
    increase: float
    last_seen: int | None
    before: str
    after: str


def draw_limited_span(material: Material) -> Drawn:
    """Read the test data twice and compare.

    Args:
        material: one run of Expire-Span on a text.
    """
    (record,) = material.finished
    trained = TrainedModel.open(record)
    limit = max(1, trained.config.model.max_span // _CUT)
    full = token_losses(trained, "test", length=_LENGTH)
    limited = token_losses(trained, "test", reach=limit, length=_LENGTH)
    increase = limited.bits - full.bits
    passage = trained.spelling.passage(full.targets)
    words = worse_words(passage, increase)
    bits = float(full.bits.mean()), float(limited.bits.mean())
    farther = [word.last_seen for word in words if word.last_seen is not None and word.last_seen > limit]
    table = _table(words)
    return Drawn(
        summary=f"L {trained.config.model.max_span:,} cut to {limit:,}: {bits[0]:.3f} bits become {bits[1]:.3f}; "
        f"of the {len(words)} words that get worst {len(farther)} were last seen farther back than that",
        table=table,
        figure=limited_figure(passage, increase, words, material.title),
        details={
            "limit": limit,
            "num_symbols": len(increase),
            "bits": bits[0],
            "bits_limited": bits[1],
            "increase_by_class": mean_by_class(passage.pieces, increase),
            "worse_words": [asdict(word) for word in words],
        },
    )


def worse_words(passage: Passage, increase: NDArray[np.float32], num: int = _NUM_LISTED) -> list[WorseWord]:
    """The words whose loss rose most, the worst first.

    Args:
        passage: what was predicted.
        increase: (length,), of each symbol's loss in bits.
        num: how many, at most; only words that did get worse.
    """
    sums = np.bincount(passage.word_of, weights=increase, minlength=len(passage.words))
    order = np.argsort(-sums, kind="stable")[:num]
    chosen = [int(number) for number in order if sums[number] > 0 and passage.words[number].strip()]
    return [_worse_word(passage, number, float(sums[number])) for number in chosen]


def _worse_word(passage: Passage, number: int, increase: float) -> WorseWord:
    place, stop = (int(np.searchsorted(passage.word_of, one)) for one in (number, number + 1))
    earlier = [one for one in range(number) if passage.words[one] == passage.words[number]]
    last = int(np.searchsorted(passage.word_of, earlier[-1])) if earlier else None
    return WorseWord(
        passage.words[number],
        place,
        increase,
        None if last is None else place - last,
        passage.text(max(place - _CONTEXT, 0), place),
        passage.text(stop, stop + _CONTEXT),
    )


def limited_figure(passage: Passage, increase: NDArray[np.float32], words: list[WorseWord], title: str) -> Figure:
    """The worst words in their passages, and the increase by kind of symbol.

    Args:
        passage: what was predicted.
        increase: (length,), in bits.
        words: the worst.
        title: above the figure.
    """
    drawn = words[:_NUM_DRAWN]
    figure = Figure(figsize=(11, 1.6 + 0.5 * len(drawn) + 1.4), layout="constrained")
    figure.suptitle(title, fontsize=10)
    rows = figure.subplots(len(drawn) + 1, 1, height_ratios=[*[1] * len(drawn), 4], squeeze=False)[:, 0]
    largest = max((float(np.abs(increase).max()), 1e-3))
    norm = TwoSlopeNorm(0, -largest, largest)
    mesh: Any = None
    for axes, word in zip(rows, drawn, strict=False):
        start, stop = max(word.place - _CONTEXT, 0), word.place + 2 * _CONTEXT
        text, values = cells_of(passage.pieces[start:stop], increase[start:stop].tolist(), passage.joiner)
        mesh = draw_text(axes, text, values, len(text), "PuOr_r", norm)
        seen = "never before" if word.last_seen is None else f"last seen {word.last_seen:,} symbols before"
        axes.set_title(f"{word.word.strip()!r}: {word.increase:+.1f} bits, {seen}", fontsize=7, loc="left", pad=2)
    if mesh is not None:
        figure.colorbar(mesh, ax=list(rows[:-1]), label="change in bits", shrink=0.8)
    _draw_classes(rows[-1], mean_by_class(passage.pieces, increase))
    return figure


def _draw_classes(axes: Axes, means: dict[str, float]) -> None:
    axes.bar(list(means), list(means.values()), color="#0072B2")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylabel("mean change in bits", fontsize=8)
    axes.grid(axis="y", alpha=0.3)


def _table(words: list[WorseWord]) -> str:
    lines = ["| word | bits more | last seen, symbols before | before it |", "| --- | --- | --- | --- |"]
    for word in words:
        seen = "never" if word.last_seen is None else f"{word.last_seen:,}"
        lines.append(f"| `{_plain(word.word)}` | {word.increase:.2f} | {seen} | `{_plain(word.before)}` |")
    return "\n".join(lines)


def _plain(text: str) -> str:
    """A text that breaks neither a line nor a cell."""
    return text.replace("\n", "¶").replace("|", "¦").replace("`", "'")
