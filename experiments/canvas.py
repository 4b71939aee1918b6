"""A picture to be drawn on: text, boxes and other pictures, without a screen. Lengths are in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rlmem.agents.trace_pictures import Frame
from rlmem.experiments.palette import LINE, PAGE, SURFACE, TEXT, Colour

Align = Literal["left", "middle", "right"]

_ANCHORS: dict[Align, str] = {"left": "lm", "middle": "mm", "right": "rm"}
_RADIUS = 6


class Box(NamedTuple):
    """A rectangle; right and bottom are the first pixels outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """From left to right."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """From top to bottom."""
        return self.bottom - self.top

    def inside(self, margin: int) -> Box:
        """The box without a margin on every side."""
        return Box(self.left + margin, self.top + margin, self.right - margin, self.bottom - margin)


class Canvas:
    """A picture in the making.

    Args:
        width: even, as video formats want it.
        height: likewise.
    """

    def __init__(self, width: int, height: int) -> None:
        assert width % 2 == height % 2 == 0, f"a canvas of {width} x {height} has an odd side"
        self._image = Image.new("RGB", (width, height), PAGE)
        self._draw = ImageDraw.Draw(self._image)

    def pixels(self) -> Frame:
        """What has been drawn."""
        return np.array(self._image)

    def text(
        self,
        x: float,
        middle: float,
        text: str,
        *,
        size: int = 13,
        colour: Colour = TEXT,
        is_bold: bool = False,
        align: Align = "left",
        width: float | None = None,
    ) -> float:
        """Write one line.

        Args:
            x: where it begins, has its middle or ends, as `align` says.
            middle: of its height.
            text: without line breaks.
            size: of the letters.
            colour: of the letters.
            is_bold: thicker letters.
            align: where x is.
            width: the line is cut to it; None: it is not.

        Returns:
            The width that the line takes.
        """
        font = _font(size, is_bold)
        shown = text if width is None else _cut(text, font, width)
        self._draw.text((x, middle), shown, fill=colour, font=font, anchor=_ANCHORS[align])
        return font.getlength(shown)

    def paragraph(
        self,
        box: Box,
        text: str,
        *,
        size: int = 13,
        colour: Colour = TEXT,
        is_bold: bool = False,
        is_centred: bool = False,
    ) -> int:
        """Write text over as many lines as the box has room for, the last one cut; returns the bottom of it."""
        font = _font(size, is_bold)
        height = round(size * 1.35)
        lines = wrap(text, font, box.width)
        room = max(1, box.height // height)
        if len(lines) > room:
            lines = [*lines[: room - 1], _cut(" ".join(lines[room - 1 :]), font, box.width)]
        top = box.top + (box.height - height * len(lines)) / 2 if is_centred else box.top
        x, anchor = ((box.left + box.right) / 2, "mm") if is_centred else (box.left, "lm")
        for number, line in enumerate(lines):
            self._draw.text((x, top + (number + 0.5) * height), line, fill=colour, font=font, anchor=anchor)
        return round(top + height * len(lines))

    def rectangle(self, box: Sequence[float], colour: Colour) -> None:
        """Fill (left, top, right, bottom), at least one pixel of it."""
        left, top = round(box[0]), round(box[1])
        right, bottom = max(left + 1, round(box[2])), max(top + 1, round(box[3]))
        self._draw.rectangle((left, top, right - 1, bottom - 1), fill=colour)

    def card(self, box: Box, fill: Colour = SURFACE, outline: Colour = LINE) -> None:
        """A panel with round corners and a thin edge."""
        self._draw.rounded_rectangle((*box[:2], box.right - 1, box.bottom - 1), _RADIUS, fill=fill, outline=outline)

    def picture(self, picture: Frame, box: Box, *, is_centred: bool = True, is_middle: bool = False) -> Box:
        """Put a picture into a box, as large as fits; returns where it is.

        Small pictures grow by whole numbers, so that their tiles stay sharp.

        Args:
            picture: (height, width, 3).
            box: where.
            is_centred: in the middle of its width, not at the left.
            is_middle: in the middle of its height, not at the top.
        """
        height, width, _ = picture.shape
        scale = min(box.width / width, box.height / height)
        scale = float(int(scale)) if scale >= 1 else scale
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        method = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BOX
        image = Image.fromarray(picture).resize(size, method)
        left = box.left + ((box.width - size[0]) // 2 if is_centred else 0)
        top = box.top + ((box.height - size[1]) // 2 if is_middle else 0)
        self._image.paste(image, (left, top))
        return Box(left, top, left + size[0], top + size[1])


def text_width(text: str, size: int = 13, is_bold: bool = False) -> float:
    """How wide one line is."""
    return _font(size, is_bold).getlength(text)


@cache
def _font(size: int, is_bold: bool) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and has arrows."""
    name = "DejaVuSans-Bold.ttf" if is_bold else "DejaVuSans.ttf"
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", name)
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def _cut(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """The text, with an ellipsis in place of what is too much."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


def wrap(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """Lines of whole words that fit, as far as words do."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return [_cut(line, font, width) for line in lines]
