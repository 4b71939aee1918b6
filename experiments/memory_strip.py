"""One layer's live memories as a strip over their age: a bar each, as high as its soft mask, and attention below it.

Now is at the right; further left is longer ago, so that memories wander left and shrink as they are forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rlmem.agents.live_play import SeenMemories
from rlmem.experiments.canvas import Box, Canvas, text_width
from rlmem.experiments.palette import LINE, MARKED, MUTED, NOW, PLAIN, SUNKEN, TEXT, heat

_HEADING, _LABELS, _HEAT, _TICKS = 20, 16, 12, 16  # heights
_SCALE = 20  # width of the numbers at the left
_GAP = 4
_MOST_LABELS = 4
_SMALL = 11
_TICK_STEPS = (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 5000, 10_000)
LEAST_HEIGHT = _HEADING + _LABELS + _HEAT + _TICKS + 2 * _GAP + 30
"""Below it a strip has no room for bars."""


@dataclass(frozen=True)
class Ages:
    """Where an age is on a strip.

    Args:
        left: of the strip, where age `oldest` begins.
        right: of the strip, where age 0 ends.
        oldest: the largest age with a place, at least 1; what is older is drawn at the left edge.
    """

    left: int
    right: int
    oldest: int

    @property
    def unit(self) -> float:
        """Pixels a step."""
        return (self.right - self.left) / (self.oldest + 1)

    def span(self, age: int, covers: int = 1) -> tuple[float, float]:
        """Left and right of what is so old; of a pooled slot, over all the steps that it stands for."""
        first = self.right - min(age + covers, self.oldest + 1) * self.unit
        last = self.right - min(age, self.oldest) * self.unit
        gap = 1 if self.unit >= 3 else 0
        return first, max(last - gap, first + 1)

    def ticks(self, num_most: int = 9) -> list[int]:
        """Round ages to write below, 0 first."""
        step = next((one for one in _TICK_STEPS if self.oldest / one <= num_most), self.oldest)
        return list(range(0, self.oldest + 1, step))


def draw_layer(
    canvas: Canvas, box: Box, number: int, memories: SeenMemories, labels: Sequence[str], oldest: int
) -> None:
    """Draw one layer's memories at one step, the last one that has a label.

    Args:
        canvas: to draw on.
        box: where, at least `LEAST_HEIGHT` high.
        number: of the layer, 0 being the first.
        memories: what the step sees.
        labels: of every step so far, "-" for nothing notable.
        oldest: the age at the left edge, in steps.
    """
    step = len(labels) - 1
    _draw_heading(canvas, box, number, memories, labels)
    ages = Ages(box.left + _SCALE, box.right, max(1, oldest))
    bars = Box(ages.left, box.top + _HEADING + _LABELS, ages.right, box.bottom - _HEAT - _TICKS - 2 * _GAP)
    heats = Box(ages.left, bars.bottom + _GAP, ages.right, bars.bottom + _GAP + _HEAT)
    canvas.rectangle(bars, SUNKEN)
    canvas.rectangle((bars.left, bars.top, bars.right, bars.top + 1), LINE)
    canvas.rectangle(heats, SUNKEN)
    for value, middle in (("1", bars.top + 3), ("0", bars.bottom - 5)):
        canvas.text(bars.left - 5, middle, value, size=_SMALL, colour=MUTED, align="right")
    age = step - memories.birth
    is_marked = np.array([labels[int(birth)] != "-" for birth in memories.birth])
    for slot in np.argsort(is_marked, kind="stable"):  # what is notable comes last and is drawn above the rest
        left, right = ages.span(int(age[slot]), int(memories.covers[slot]))
        colour = NOW if age[slot] == 0 else MARKED if is_marked[slot] else PLAIN
        canvas.rectangle((left, bars.bottom - bars.height * float(memories.mask[slot]), right, bars.bottom), colour)
    for slot in np.argsort(memories.attention, kind="stable"):
        left, right = ages.span(int(age[slot]), int(memories.covers[slot]))
        canvas.rectangle((left, heats.top, right, heats.bottom), heat(float(memories.attention[slot])))
    _draw_labels(canvas, bars, ages, memories, labels)
    _draw_ticks(canvas, heats.bottom + _TICKS // 2 + 1, ages)


def _draw_heading(canvas: Canvas, box: Box, number: int, memories: SeenMemories, labels: Sequence[str]) -> None:
    middle = box.top + 8
    width = canvas.text(box.left, middle, f"Layer {number + 1}", is_bold=True)
    count = memories.num_memories
    width += (
        canvas.text(box.left + width + 10, middle, f"{count} {'memory' if count == 1 else 'memories'}", size=12) + 10
    )
    if count:
        age = len(labels) - 1 - int(memories.birth[0])
        label = labels[int(memories.birth[0])]
        name = f"step {memories.birth[0]}" if label == "-" else label
        text = f"oldest: {name}, {age} {'step' if age == 1 else 'steps'} ago"
        canvas.text(box.right, middle, text, size=12, colour=MUTED, align="right", width=box.width - width - 20)


def _draw_labels(canvas: Canvas, bars: Box, ages: Ages, memories: SeenMemories, labels: Sequence[str]) -> None:
    """Names of what is notable, strongest attention first, where they do not meet."""
    taken: list[tuple[float, float]] = []
    for slot in np.argsort(-memories.attention, kind="stable"):
        birth = int(memories.birth[slot])
        age = len(labels) - 1 - birth
        if labels[birth] == "-" or age == 0 or len(taken) == _MOST_LABELS:
            continue
        share = float(memories.attention[slot])
        text = labels[birth] + (f" {share:.0%}" if share >= 0.01 else "")
        width = min(text_width(text, _SMALL), bars.width / 2)
        left, right = ages.span(age, int(memories.covers[slot]))
        middle = (left + right) / 2
        start = min(max(middle - width / 2, bars.left), bars.right - width)
        if any(start < end + 8 and begin - 8 < start + width for begin, end in taken):
            continue
        taken.append((start, start + width))
        canvas.text(start, bars.top - 9, text, size=_SMALL, colour=TEXT, width=width + 1)
        canvas.rectangle((middle - 0.5, bars.top - 3, middle + 0.5, bars.top), TEXT)


def _draw_ticks(canvas: Canvas, middle: int, ages: Ages) -> None:
    for age in ages.ticks():
        left, right = ages.span(age)
        if age == 0:
            canvas.text(ages.right, middle, "now", size=_SMALL, colour=NOW, align="right")
            continue
        text = f"{age} ago" if age == ages.ticks()[-1] else str(age)
        half = text_width(text, _SMALL) / 2
        if right + half < ages.right - 30:
            canvas.text(
                max((left + right) / 2, ages.left + half), middle, text, size=_SMALL, colour=MUTED, align="middle"
            )
