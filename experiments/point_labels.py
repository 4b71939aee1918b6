"""Labels beside the points of a figure, put where they cover neither each other nor a point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

_SIZE = 7  # of the font, in points
_WIDTH = 0.62  # of a character, as a share of that
_AWAY = 5  # points from the point's middle to its label
_DOWN_AND_UP = (-_AWAY - _SIZE, _AWAY - 2, -_AWAY - 2 * _SIZE, _AWAY - 2 + _SIZE)  # of a label's lower edge


@dataclass(frozen=True)
class PointLabel:
    """A point and what to write beside it.

    Args:
        x: in data.
        y: likewise.
        text: one line.
        colour: of the text.
    """

    x: float
    y: float
    text: str
    colour: str


def label_points(axes: Axes, labels: Sequence[PointLabel]) -> None:
    """Write the labels: right of the point and below if there is room, else above, farther away, or left of it.

    Args:
        axes: with its points drawn and its scales and limits set.
        labels: of the points, all of them.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None, "axes belong to a figure"
    figure.draw_without_rendering()  # the layout decides where points are
    scale = figure.dpi / 72
    places = [axes.transData.transform((label.x, label.y)) / scale for label in labels]  # in points
    taken = [Bbox.from_bounds(x - _AWAY / 2, y - _AWAY / 2, _AWAY, _AWAY) for x, y in places]
    for label, (x, y) in zip(labels, places, strict=True):
        width = _WIDTH * _SIZE * len(label.text)
        offsets = [(side, down) for side in (_AWAY, -_AWAY - width) for down in _DOWN_AND_UP]
        boxes = [Bbox.from_bounds(x + side, y + down, width, _SIZE) for side, down in offsets]
        free = [number for number, box in enumerate(boxes) if not box.count_overlaps(taken)]
        chosen = free[0] if free else 0
        taken.append(boxes[chosen])
        axes.annotate(
            label.text, (label.x, label.y), xytext=offsets[chosen], textcoords="offset points", fontsize=_SIZE,
            color=label.colour, va="bottom",
        )  # fmt: skip
