"""One picture of what each layer retained in an episode: its memories over time, and the longest-kept observations.

In a timeline, a memory is a line from the step that made it (down) over the steps that saw it (to the right). It is
pale where the memory was kept, the paler the further it is on its ramp, and dark where a step attended to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlmem.agents.retained_observations import RetainedObservation
from rlmem.agents.trace_pictures import Frame
from rlmem.agents.trace_words import shows
from rlmem.agents.tracing import EpisodeTrace, LayerMemories
from rlmem.experiments.canvas import Box, Canvas, text_width
from rlmem.experiments.palette import HEAT, MARKED, MUTED, NOW, SURFACE, TEXT, Colour

_MARGIN, _GAP = 12, 10
_TITLE, _HEADER, _AXIS, _LEGEND = 50, 30, 22, 24
_ROW, _PICTURE, _BADGE = 60, 54, 18
_TIMELINE, _LIST = 316, 376
_BAND = 3  # the least height of a listed memory's line

_PALE, _DARK = HEAT[1], HEAT[3]
_WORD_PALE: Colour = (0xF8, 0xCB, 0xA6)
_WORD_DARK: Colour = (0x8F, 0x33, 0x00)


@dataclass(frozen=True)
class RetainedPage:
    """What the picture is made of.

    Args:
        trace: of an episode, with at least one layer.
        ranked: per layer, its longest-kept observations.
        pictures: of their steps, (height, width, 3), as far as there are any.
        title: in the first line.
        note: in the second line.
        word: steps that show it have a colour of their own; None: all are alike.
        rows: observations listed for a layer, at most.
    """

    trace: EpisodeTrace
    ranked: Sequence[Sequence[RetainedObservation]]
    pictures: Mapping[int, Frame]
    title: str
    note: str
    word: str | None
    rows: int


def draw_retained(page: RetainedPage) -> Frame:
    """Draw it, (height, width, 3) uint8; the size depends on the numbers of layers and rows alone."""
    panel = _HEADER + page.rows * _ROW + _AXIS + _GAP
    width = 2 * _MARGIN + _BADGE + 6 + _TIMELINE + _GAP + _LIST
    canvas = Canvas(width + width % 2, _TITLE + len(page.trace.layers) * panel + _LEGEND + _MARGIN // 2)
    inside = width - 2 * _MARGIN
    canvas.text(_MARGIN, 18, page.title, size=16, is_bold=True, width=inside)
    canvas.text(_MARGIN, 38, page.note, colour=MUTED, width=inside)
    is_word = _shows_word(page.trace, page.word)
    for number, (layer, ranked) in enumerate(zip(page.trace.layers, page.ranked, strict=True)):
        top = _TITLE + number * panel
        canvas.card(Box(_MARGIN // 2, top, width - _MARGIN // 2, top + panel - _GAP // 2))
        _draw_header(canvas, top + _HEADER // 2, number, layer)
        left = _MARGIN + _BADGE + 6
        box = Box(left, top + _HEADER, left + _TIMELINE, top + _HEADER + page.rows * _ROW)
        _draw_timeline(canvas, box, layer, ranked, is_word)
        _draw_list(canvas, box.right + _GAP, box.top, page, ranked, is_word)
    _draw_legend(canvas, _TITLE + len(page.trace.layers) * panel + _LEGEND // 2, page.word if is_word.any() else None)
    return canvas.pixels()


def _shows_word(trace: EpisodeTrace, word: str | None) -> NDArray[np.bool_]:
    if word is None or trace.cells is None:
        return np.zeros(trace.num_steps, dtype=np.bool_)
    return np.array([shows(row, word) for row in trace.cells])


def _draw_header(canvas: Canvas, middle: int, number: int, layer: LayerMemories) -> None:
    used = canvas.text(_MARGIN, middle, f"layer {number + 1}", size=14, is_bold=True)
    seen = float((layer.mask > 0).sum(1).mean()) - 1
    canvas.text(_MARGIN + used + 10, middle, f"a step sees {seen:.1f} memories on average", colour=MUTED)


def _draw_timeline(
    canvas: Canvas,
    box: Box,
    layer: LayerMemories,
    ranked: Sequence[RetainedObservation],
    is_word: NDArray[np.bool_],
) -> None:
    num_steps = len(is_word)
    canvas.picture(timeline_picture(layer, [one.slot for one in ranked], is_word, box.width, box.height), box)
    for step in _ticks(num_steps):
        x = box.left + (step + 0.5) / num_steps * box.width
        canvas.rectangle((x, box.bottom, x + 1, box.bottom + 4), MUTED)
        canvas.text(
            x, box.bottom + 12, f"step {step}" if step == 0 else str(step), size=11, colour=MUTED, align="middle"
        )
    middles = [box.top + (one.step + 0.5) / num_steps * box.height for one in ranked]
    for number, middle in _spread(middles, _BADGE + 1, box.top + _BADGE / 2, box.bottom - _BADGE / 2):
        _draw_badge(canvas, box.left - _BADGE - 5, middle, number, is_word[ranked[number].step])
        canvas.rectangle((box.left - 4, middles[number] - 1, box.left - 1, middles[number] + 1), MUTED)


def timeline_picture(
    layer: LayerMemories, listed: Sequence[int], is_word: NDArray[np.bool_], width: int, height: int
) -> Frame:
    """A layer's memories over time, birth downwards, (height, width, 3).

    Where there are more steps than pixels, a pixel shows the largest of its steps, so that no memory is lost.

    Args:
        layer: the memories.
        listed: slots whose lines are a few pixels high at least.
        is_word: (time,), the steps of another colour.
        width: in pixels.
        height: in pixels.
    """
    num_steps = len(is_word)
    sources = _by_birth(layer, num_steps)
    pixels = [_resized(_resized(one, height, 0), width, 1) for one in sources]
    is_word_row = _resized(is_word, height, 0)
    is_listed = np.zeros(height, dtype=np.bool_)
    for birth in layer.birth[list(listed)].tolist():
        first = min(_first_pixel(birth, num_steps, height), height - _BAND)
        band = slice(first, first + _BAND)
        for array, source in zip(pixels, sources, strict=True):
            line = _resized(source[birth], width, 0)
            array[band] = np.where(is_listed[band, None], np.maximum(array[band], line), line)
        is_word_row[band] = (is_word_row[band] & is_listed[band]) | is_word[birth]
        is_listed[band] = True
    mask, share = (array[..., None] for array in pixels)
    pale, dark = (
        np.where(is_word_row[:, None, None], np.array(word, dtype=np.float64), np.array(other, dtype=np.float64))
        for word, other in ((_WORD_PALE, _PALE), (_WORD_DARK, _DARK))
    )
    colours = np.array(SURFACE) * (1 - mask) + pale * mask
    colours = colours * (1 - share) + dark * share
    picture: Frame = np.rint(colours).astype(np.uint8)
    return picture


def _by_birth(layer: LayerMemories, num_steps: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How much of the memories of each birth was seen, and their attention's square root, (birth, time)."""
    kept, attended = np.zeros((2, num_steps, num_steps))
    np.maximum.at(kept, layer.birth, layer.mask.T)
    np.maximum.at(attended, layer.birth, np.sqrt(layer.attention.T))  # so that one per cent is seen
    np.fill_diagonal(attended, 0)  # a step's share of its own attention is no memory
    return kept, attended


def _resized(array: NDArray[Any], size: int, axis: int) -> NDArray[Any]:
    """Another length along an axis: the largest of the values that fall together, or values repeated."""
    length = array.shape[axis]
    starts = np.arange(size) * length // size
    resized: NDArray[Any] = (
        np.maximum.reduceat(array, starts, axis=axis) if length > size else np.take(array, starts, axis=axis)
    )
    return resized


def _first_pixel(step: int, num_steps: int, size: int) -> int:
    """The first of `size` pixels in which `_resized` shows a step."""
    return step * size // num_steps if num_steps > size else -(-step * size // num_steps)


def _ticks(num_steps: int) -> list[int]:
    """A few round steps of an episode, 0 first."""
    units = (unit * 10**power for power in range(6) for unit in (1, 2, 5))
    unit = next(one for one in units if num_steps / one <= 5)
    return list(range(0, num_steps, unit))


def _spread(middles: Sequence[float], apart: float, top: float, bottom: float) -> list[tuple[int, float]]:
    """Places near the wanted ones that do not overlap, in order from the top: (index, place)."""
    order = sorted(range(len(middles)), key=lambda index: middles[index])
    places: list[float] = []
    for index in order:
        places.append(max(middles[index], places[-1] + apart if places else top))
    for position in reversed(range(len(places))):
        places[position] = min(
            places[position], bottom if position == len(places) - 1 else places[position + 1] - apart
        )
    return list(zip(order, places, strict=True))


def _draw_badge(canvas: Canvas, left: float, middle: float, number: int, is_word: bool) -> None:
    x, top = round(left), round(middle - _BADGE / 2)
    colour = NOW if is_word else MARKED
    canvas.card(Box(x, top, x + _BADGE, top + _BADGE), fill=colour, outline=colour)
    canvas.text(x + _BADGE / 2, middle, str(number + 1), size=11, colour=SURFACE, is_bold=True, align="middle")


def _draw_list(
    canvas: Canvas,
    left: int,
    top: int,
    page: RetainedPage,
    ranked: Sequence[RetainedObservation],
    is_word: NDArray[np.bool_],
) -> None:
    if not ranked:
        canvas.text(left, top + _ROW / 2, "no step was seen by a later one", colour=MUTED)
    text_left = left + _BADGE + 8 + (_PICTURE + 8 if page.pictures else 0)
    for number, one in enumerate(ranked):
        row = top + number * _ROW
        _draw_badge(canvas, left, row + _PICTURE / 2, number, is_word[one.step])
        picture = page.pictures.get(one.step)
        if picture is not None:
            x = left + _BADGE + 8
            canvas.picture(picture, Box(x, row, x + _PICTURE, row + _PICTURE))
        _draw_texts(canvas, Box(text_left, row, left + _LIST, row + _PICTURE), one)


def _draw_texts(canvas: Canvas, box: Box, one: RetainedObservation) -> None:
    alike = f"×{one.num_alike}" if one.num_alike > 1 else ""
    right = text_width(alike, 12) + 8
    label = "nothing notable" if one.label == "-" else one.label
    made = f"step {one.step}" if one.covers == 1 else f"steps {one.step - one.covers + 1} to {one.step}"
    end = ", to the end" if one.is_kept_to_the_end else ""
    plural = "" if one.kept_steps == 1 else "s"
    canvas.text(
        box.left, box.top + 9, label, is_bold=True, colour=MUTED if one.label == "-" else TEXT, width=box.width - right
    )
    canvas.text(box.right, box.top + 9, alike, size=12, colour=MUTED, align="right")
    canvas.text(box.left, box.top + 27, f"kept {one.kept_steps} step{plural} from {made}{end}", width=box.width)
    most = f"most {one.attention_most:.0%} at step {one.attention_most_at}"
    attention = f"mean attention {one.attention_mean:.1%}, {most}"
    canvas.text(box.left, box.top + 45, attention, size=12, colour=MUTED, width=box.width)


def _draw_legend(canvas: Canvas, middle: int, word: str | None) -> None:
    entries: list[tuple[Colour, str]] = [(_PALE, "kept"), (_DARK, "attended to")]
    if word is not None:
        entries.append((NOW, f"shows the {word}"))
    x = float(_MARGIN + _BADGE + 6)
    for colour, text in entries:
        canvas.rectangle((x, middle - 6, x + 12, middle + 6), colour)
        x += 18 + canvas.text(x + 18, middle, text, size=12, colour=MUTED) + 18
    canvas.text(x, middle, "×n: so many steps look alike", size=12, colour=MUTED)
