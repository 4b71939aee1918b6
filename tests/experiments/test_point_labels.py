"""Labels of points: each is written once, beside its point, and none covers another or a point."""

from __future__ import annotations

import itertools

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from rlmem.experiments.point_labels import PointLabel, label_points


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("apart", [0.0, 0.02, 0.1, 1.0])
def test_labels_do_not_overlap(scale: str, apart: float) -> None:
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    FigureCanvasAgg(figure)  # which measures text
    axes = figure.subplots(1, 2)[0]
    axes.set(xscale=scale, xlim=(1, 20), ylim=(0, 10), ylabel="score")
    places = [(4 + number * apart, 5.0 + 0.01 * number) for number in range(4)]
    axes.plot(*zip(*places, strict=True), "o")
    label_points(axes, [PointLabel(x, y, f"1,02{number}", "red") for number, (x, y) in enumerate(places)])
    assert [(text.get_text(), text.xy) for text in axes.texts] == [
        (f"1,02{number}", place) for number, place in enumerate(places)
    ]
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(first.overlaps(second) for first, second in itertools.combinations(boxes, 2))
    points = axes.transData.transform(places)
    assert not any(box.contains(*point) for box in boxes for point in points)
    for box, (x, y) in zip(boxes, points, strict=True):
        assert max(box.x0 - x, x - box.x1, box.y0 - y, y - box.y1) < 30, "beside its own point"


def test_a_lone_label_is_right_of_its_point_and_below() -> None:
    axes = Figure().subplots()
    axes.set(xlim=(0, 2), ylim=(0, 2))
    label_points(axes, [PointLabel(1, 1, "512", "red")])
    (text,) = axes.texts
    assert text.xyann[0] > 0 > text.xyann[1]  # type: ignore[attr-defined]
