"""A passage coloured by span, as the paper's figures 9 and 12. Functions return a figure; callers save it.

Text stands in lines of equal length, in a typewriter face whose advance is known, so that a rectangle lies behind each
symbol; a block of lines for each layer and reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from rlmem.errors import check
from rlmem.experiments.lm.passage import Passage
from rlmem.experiments.lm.text_readings import Readings
from rlmem.experiments.lm.text_summary import visible
from rlmem.experiments.lm.text_trace import Floats, TextTrace
from rlmem.experiments.palette import MUTED, NOW, TEXT, Colour, heat

_FACE = FontProperties(family="DejaVu Sans Mono")  # comes with matplotlib
_FONT_POINTS, _ADVANCE, _LINE_POINTS, _HEAD_POINTS, _GAP_POINTS = 7.5, 0.602, 11.5, 13.0, 7.0
_MARGIN_POINTS, _SCALE_POINTS = 12.0, 34.0
_FEWEST_COLUMNS = 60  # for title and scale
_LEAD_IN = 40  # symbols before the first replaced word
_LEVELS = 256
_LEGIBLE = 0.6  # from this share of the scale on text is white


@dataclass(frozen=True)
class FigureText:
    """Which part of a passage a figure shows.

    Args:
        name: of the reading, above its block where there are several.
        trace: of it.
        start: the first symbol.
        stop: one past the last.
        marked: what is underlined: first and one past the last symbol of each place.
    """

    name: str
    trace: TextTrace
    start: int
    stop: int
    marked: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class _Cell:
    """A symbol's place: its line, its first column, how many columns it takes, what stands there."""

    line: int
    column: int
    text: str
    step: int


def figure_parts(readings: Readings, start: int | None, length: int) -> list[FigureText]:
    """The same part of the passage as it is and with words replaced.

    Args:
        readings: of the passage.
        start: the first symbol in the original; None: its first, or a little before the first replaced word.
        length: how many symbols.

    Raises:
        UsageError: the passage ends before `start`.
    """
    trace = readings.original
    if start is None:
        first = min((int(one.replacement.old_places[0, 0]) for one in readings.replaced), default=0)
        start = max(0, first - _LEAD_IN)
    check(
        start < trace.passage.length,
        f"--figure-start is {start:,}, but the passage has {trace.passage.length:,} symbols; lower it",
    )
    replaced = [(first, last) for one in readings.replaced for first, last in one.replacement.old_places.tolist()]
    parts = [FigureText(readings.names[0], trace, start, min(start + length, trace.passage.length), tuple(replaced))]
    for name, one in zip(readings.names[1:], readings.replaced, strict=False):
        begin = int(np.searchsorted(np.maximum.accumulate(one.replacement.original), start))
        places = tuple((first, last) for first, last in one.replacement.new_places.tolist())
        parts.append(FigureText(name, one.trace, begin, min(begin + length, one.trace.passage.length), places))
    return parts


def text_figure(parts: Sequence[FigureText], layers: Sequence[int], title: str, columns: int = 100) -> Figure:
    """A block of coloured text for each layer, and in it for each reading.

    Args:
        parts: at least one, the original first.
        layers: numbers of the layers, from 0.
        title: above the figure; "" for none.
        columns: characters a line, at most.

    Returns:
        A figure as large as the text needs.
    """
    blocks = [(part, layer, _cells(part, columns)) for layer in layers for part in parts]
    heights = [_HEAD_POINTS + _LINE_POINTS * (cells[-1].line + 1) + _GAP_POINTS for _, _, cells in blocks]
    used = max(cell.column + len(cell.text) for _, _, cells in blocks for cell in cells)
    width = max(used, _FEWEST_COLUMNS) * _FONT_POINTS * _ADVANCE + 2 * _MARGIN_POINTS
    top = 2 * _MARGIN_POINTS if title else _MARGIN_POINTS
    height = top + sum(heights) + _SCALE_POINTS
    figure = Figure(figsize=(width / 72, height / 72))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    if title:
        axes.text(_MARGIN_POINTS, _MARGIN_POINTS, title, fontsize=9, va="center", weight="bold", color=_rgb(TEXT))
    scale = _scale([part.trace.layers[layer].span[part.start : part.stop] for part, layer, _ in blocks])
    for (part, layer, cells), block_height in zip(blocks, heights, strict=True):
        span = part.trace.layers[layer].span
        name = f"layer {layer + 1}" + (f", {part.name}" if len(parts) > 1 else "")
        mean = f"mean span {span[part.start : part.stop].mean():,.0f}"
        axes.text(_MARGIN_POINTS, top + 7, f"{name}: {mean}", fontsize=7.5, va="center", color=_rgb(MUTED))
        _draw_cells(axes, cells, span, scale, top + _HEAD_POINTS)
        _draw_marks(axes, cells, part.marked, top + _HEAD_POINTS)
        top += block_height
    _draw_scale(figure, scale, (_MARGIN_POINTS / width, 17 / height, 150 / width, 6 / height))
    return figure


def _cells(part: FigureText, columns: int) -> list[_Cell]:
    """Where each symbol stands: lines break where they are full (between words where symbols are words) and at ends."""
    passage, cells = part.trace.passage, []
    line = column = 0
    for step, text in _shown(passage, part.start, part.stop):
        text = text[:columns]
        if column and column + len(text) > columns:
            line, column = line + 1, 0
        cells.append(_Cell(line, column, text, step))
        column += len(text) + len(passage.joiner)
        if passage.pieces[step] == "\n":
            line, column = line + 1, 0
    return cells


def _shown(passage: Passage, start: int, stop: int) -> Iterator[tuple[int, str]]:
    """Steps and what is drawn of them: what the face lacks becomes a box."""
    known = get_font(findfont(_FACE)).get_charmap()
    for step in range(start, stop):
        piece = visible(passage.pieces[step]) if passage.pieces[step].isspace() else passage.pieces[step]
        yield step, "".join(one if ord(one) in known else "□" for one in piece)


def _scale(spans: Sequence[Floats]) -> Normalize:
    """Logarithmic from the shortest span to the longest; near alike ones lie in the middle of it."""
    values = np.concatenate(list(spans))
    low, high = max(float(values.min()), 1.0), max(float(values.max()), 1.0)
    missing = max(1.0, 1.5 * low / high) ** 0.5
    return LogNorm(low / missing, high * missing, clip=True)


def _draw_cells(axes: Axes, cells: Sequence[_Cell], span: Floats, scale: Normalize, top: float) -> None:
    advance = _FONT_POINTS * _ADVANCE
    shares = np.asarray(scale(np.maximum(span[[cell.step for cell in cells]], 1e-6)), dtype=float)
    boxes = [
        Rectangle(
            (_MARGIN_POINTS + cell.column * advance, top + cell.line * _LINE_POINTS + 0.4),
            len(cell.text) * advance,
            _LINE_POINTS - 0.8,
        )
        for cell in cells
    ]
    axes.add_collection(PatchCollection(boxes, facecolors=_colours(shares), linewidths=0))
    for cell, is_light in zip(cells, shares >= _LEGIBLE, strict=True):  # one by one: hinting bends a line's advance
        if cell.text.strip():
            axes.text(
                _MARGIN_POINTS + (cell.column + len(cell.text) / 2) * advance, top + (cell.line + 0.5) * _LINE_POINTS,
                cell.text, fontproperties=_FACE, fontsize=_FONT_POINTS, ha="center", va="center_baseline",
                color="white" if is_light else _rgb(TEXT), parse_math=False,
            )  # fmt: skip


def _draw_marks(axes: Axes, cells: Sequence[_Cell], places: Sequence[tuple[int, int]], top: float) -> None:
    advance = _FONT_POINTS * _ADVANCE
    for cell in cells:
        if any(start <= cell.step < stop for start, stop in places):
            left, below = _MARGIN_POINTS + cell.column * advance, top + (cell.line + 1) * _LINE_POINTS - 0.6
            axes.plot([left, left + len(cell.text) * advance], [below, below], color=_rgb(NOW), linewidth=1.2)


def _draw_scale(figure: Figure, scale: Normalize, place: tuple[float, float, float, float]) -> None:
    axes = figure.add_axes(place)
    shares = np.linspace(0, 1, _LEVELS)
    axes.imshow(shares[None], aspect="auto", cmap=ListedColormap(_colours(shares)))
    axes.set(yticks=[], xticks=[0, _LEVELS - 1], xticklabels=[f"{scale.vmin:,.0f}", f"{scale.vmax:,.0f}"])
    axes.tick_params(labelsize=6.5, length=0, pad=2, colors=_rgb(MUTED))
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.text(1.06, 0.5, "span, symbols", transform=axes.transAxes, fontsize=6.5, va="center", color=_rgb(MUTED))


def _colours(shares: NDArray[np.float64]) -> list[tuple[float, float, float]]:
    return [_rgb(heat(float(share) ** 2)) for share in shares]  # `heat` takes the root


def _rgb(colour: Colour) -> tuple[float, float, float]:
    red, green, blue = (one / 255 for one in colour)
    return red, green, blue
