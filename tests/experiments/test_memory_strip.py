"""What is drawn of a layer's memories, read back from the pixels."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

from rlmem.agents.live_play import SeenMemories
from rlmem.experiments import palette
from rlmem.experiments.canvas import Box, Canvas
from rlmem.experiments.memory_strip import Ages, draw_layer
from rlmem.experiments.palette import HEAT, MARKED, NOW, PLAIN, SUNKEN, heat

BOX = Box(10, 10, 430, 210)
LABELS = ["red object", "-", "-", "-", "-"]


def seen(**arrays: Any) -> SeenMemories:
    count = len(arrays["birth"])
    given = {"covers": np.ones(count, np.int64), "attention": np.full(count, 1 / count, np.float32), **arrays}
    types = {"birth": np.int64, "covers": np.int64, "mask": np.float32, "attention": np.float32}
    return SeenMemories(**{name: np.asarray(given[name], kind) for name, kind in types.items()})


def drawn(memories: SeenMemories, labels: list[str] = LABELS, oldest: int = 9) -> np.ndarray[Any, Any]:
    canvas = Canvas(440, 220)
    draw_layer(canvas, BOX, 0, memories, labels, oldest)
    return canvas.pixels()


def heights(pixels: np.ndarray[Any, Any], colour: palette.Colour) -> list[int]:
    """Of the bars of a colour, from left to right, by the middle of each; without the attention below."""
    is_colour = (pixels[:174] == colour).all(-1).sum(0)
    starts = np.flatnonzero((is_colour > 20) & (np.roll(is_colour, 1) <= 20))
    return [int(is_colour[start + 2]) for start in starts]


def test_bars_are_as_high_as_the_soft_mask_and_coloured_by_what_they_show() -> None:
    pixels = drawn(seen(birth=[0, 2, 4], mask=[1, 0.5, 1]))
    (notable,), (other,), (now,) = heights(pixels, MARKED), heights(pixels, PLAIN), heights(pixels, NOW)
    assert notable == now
    assert other == pytest.approx(notable / 2, abs=1)


def test_a_bar_wanders_left_with_age() -> None:
    def left_of(step: int) -> int:
        labels = ["red object", *["-"] * step]
        pixels = drawn(seen(birth=[0, step], mask=[1, 1]), labels)
        return int(np.flatnonzero((pixels[100] == MARKED).all(-1))[0])

    unit = Ages(BOX.left + 20, BOX.right, 9).unit
    places = [left_of(step) for step in (1, 2, 5, 9)]
    assert places == pytest.approx([BOX.right - (step + 1) * unit for step in (1, 2, 5, 9)], abs=1)


def test_a_pooled_slot_is_as_broad_as_the_steps_it_stands_for() -> None:
    pixels = drawn(seen(birth=[2, 4], covers=[2, 1], mask=[1, 1]), ["-"] * 5)
    widths = [int((pixels[100] == colour).all(-1).sum()) for colour in (PLAIN, NOW)]
    assert widths[0] == pytest.approx(2 * widths[1], abs=2)


def test_what_is_older_than_the_strip_stands_at_its_edge() -> None:
    ages = Ages(0, 100, 9)
    assert ages.span(9) == (0, 9)
    assert ages.span(30)[0] == 0


def test_attention_is_coloured_under_each_bar() -> None:
    pixels = drawn(seen(birth=[0, 2, 4], mask=[1, 1, 1], attention=[0.81, 0.01, 0.18]))
    assert (pixels == heat(0.81)).all(-1).any()
    assert (pixels == heat(0.01)).all(-1).any()
    assert heat(0) == SUNKEN == HEAT[0]
    assert heat(1) == HEAT[-1]
    assert heat(1 / 9) == HEAT[1]
    assert heat(0.01) != heat(0)


def test_a_notable_memory_is_named_once_where_names_would_meet() -> None:
    named = drawn(seen(birth=[0, 4], mask=[1, 1]))
    unnamed = drawn(seen(birth=[0, 4], mask=[1, 1]), ["-"] * 5)
    row = slice(BOX.top + 20, BOX.top + 34)
    assert (named[row] < 100).any()
    assert not (unnamed[row] < 100).any()
    twice = drawn(seen(birth=[0, 1, 4], mask=[1, 1, 1], attention=[0.5, 0.5, 0]), ["red object"] * 2 + ["-"] * 3)
    once = drawn(seen(birth=[0, 1, 4], mask=[1, 1, 1], attention=[0.5, 0.5, 0]))
    np.testing.assert_array_equal(twice[row, :, 0] < 100, once[row, :, 0] < 100)


@pytest.mark.parametrize(("oldest", "expected"), [(4, [0, 1, 2, 3, 4]), (20, [0, 5, 10, 15, 20]), (200, [0, 25])])
def test_ticks_are_round_and_few(oldest: int, expected: list[int]) -> None:
    ticks = Ages(0, 400, oldest).ticks()
    assert ticks[: len(expected)] == expected
    assert len(ticks) <= 10


def test_the_colours_are_those_of_the_pages_light_theme() -> None:
    style = files("rlmem.experiments").joinpath("page", "trace.css").read_text(encoding="utf-8")
    light = dict(re.findall(r"--([\w-]+): #([0-9a-f]{6})", style.partition("}")[0]))
    named = {
        name: getattr(palette, name.upper())
        for name in ("page", "surface", "sunken", "line", "text", "muted", "marked", "plain", "now", "good", "bad")
    }
    named |= {f"heat-{number}": colour for number, colour in enumerate(HEAT)}
    assert {name: "".join(f"{part:02x}" for part in colour) for name, colour in named.items()} == {
        name: light[name] for name in named
    }
