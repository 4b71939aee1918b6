"""The cells that an agent sees, drawn as words."""

from __future__ import annotations

from rlmem.agents.step_words import StepWords
from rlmem.experiments.canvas import Box, Canvas
from rlmem.experiments.palette import LINE, MARKED, MUTED, SUNKEN, TEXT

_GAP = 2
_BLOCKED = ("block", "unseen")


def draw_words(canvas: Canvas, box: Box, words: StepWords) -> None:
    """Draw the view: walls and what cannot be seen are dark and without words, what is notable is framed.

    Args:
        canvas: to draw on.
        box: where.
        words: of the observation.
    """
    rows = len(words.cells) // words.columns
    width, height = box.width // words.columns, box.height // rows
    size = max(8, min(13, width // 7))
    for number, cell in enumerate(words.cells):
        row, column = divmod(number, words.columns)
        left, top = box.left + column * width, box.top + row * height
        place = Box(left, top, left + width - _GAP, top + height - _GAP)
        named = cell.split()
        is_blocked = any(word in _BLOCKED for word in named)
        is_thing = bool(named) and not is_blocked and "agent" not in named
        canvas.rectangle(place, MARKED if is_thing else LINE if is_blocked else SUNKEN)
        if is_thing:
            canvas.rectangle(place.inside(2), SUNKEN)
        if named and not is_blocked:
            colour = TEXT if is_thing or "agent" in named else MUTED
            canvas.paragraph(place.inside(2), cell, size=size, colour=colour, is_bold=is_thing, is_centred=True)
