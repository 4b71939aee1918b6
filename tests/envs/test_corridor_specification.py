"""The Corridor's rules against a slow, independent world, and the distribution of its layouts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rlmem.envs.corridor_specification import (
    SIDES,
    CorridorRules,
    Layout,
    Layouts,
    draw_layouts,
    observation_codes,
    observe,
    transition,
)
from rlmem.envs.grid_world import ACTIONS, COLOURS, concatenate_layouts
from rlmem.envs.vocabulary import decode_words, encode_words

layouts_in_words = st.builds(Layout, st.integers(3, 12), st.sampled_from(COLOURS), st.sampled_from(SIDES))
walks = st.lists(st.sampled_from(["north", "south", "west", "east", "east", "east"]), min_size=1, max_size=40)


class SlowCorridor:
    """The design's section 5, on a dictionary of cells; what is not in it is a block."""

    def __init__(self, layout: Layout) -> None:
        self.cells: dict[tuple[int, int], set[str]] = {(x, 0): set() for x in range(layout.length)}
        self.cells[0, -1] = {"object", layout.object_colour}
        red, blue = (-1, 1) if layout.red_door == "north" else (1, -1)
        self.cells[layout.length - 1, red] = {"door", "red"}
        self.cells[layout.length - 1, blue] = {"door", "blue"}
        self.colour = layout.object_colour
        self.x = 0

    def look(self) -> list[list[set[str]]]:
        return [
            [
                {"agent"} if (x, y) == (self.x, 0) else self.cells.get((x, y), {"block"})
                for x in range(self.x - 1, self.x + 2)
            ]
            for y in (-1, 0, 1)
        ]

    def walk(self, action: str) -> tuple[float, bool]:
        dx, dy = {"north": (0, -1), "south": (0, 1), "west": (-1, 0), "east": (1, 0)}[action]
        entered = self.cells.get((self.x + dx, dy), {"block"})
        if "door" in entered:
            return float(self.colour in entered), True
        if not entered:
            self.x += dx
        return 0.0, False


def as_arrays(layout: Layout) -> Layouts:
    fields = (layout.length, COLOURS.index(layout.object_colour), SIDES.index(layout.red_door))
    return Layouts(*(np.array([field]) for field in fields))


@given(layouts_in_words, walks)
@example(Layout(3, "red", "north"), ["east", "east", "north"])
@example(Layout(3, "blue", "north"), ["north", "south", "east", "east", "east", "south"])
def test_transitions_and_observations_are_the_slow_worlds(layout: Layout, walk: list[str]) -> None:
    slow, layouts, columns = SlowCorridor(layout), as_arrays(layout), np.zeros(1, dtype=np.int64)
    assert np.array_equal(observe(observation_codes(columns, layouts))[0], encode_words(slow.look()))
    for action in walk:
        columns, rewards, entered = transition(columns, layouts, np.array([ACTIONS.index(action)]))
        assert (rewards[0], entered[0]) == slow.walk(action)
        assert np.array_equal(observe(observation_codes(columns, layouts))[0], encode_words(slow.look()))
        if entered[0]:
            break


@given(layouts_in_words, st.data())
def test_what_an_observation_shows(layout: Layout, data: st.DataObject) -> None:
    column = data.draw(st.integers(0, layout.length - 1))
    cells = decode_words(observe(observation_codes(np.array([column]), as_arrays(layout)))[0])
    words = [word for row in cells for cell in row for word in cell]
    assert cells[1][1] == ("agent",)
    assert words.count("agent") == 1
    assert words.count("object") == (column <= 1), "the object is seen from the first two cells only"
    assert words.count("door") == (2 if column >= layout.length - 2 else 0)
    if layout.length > 3:
        assert not {"object", "door"} <= set(words)
    assert not any(word.startswith("room-") for word in words)


def test_batches_walk_row_by_row() -> None:
    generator = np.random.default_rng(0)
    layouts = draw_layouts(CorridorRules(3, 6), generator, count=500)
    columns = generator.integers(layouts.length)
    actions = generator.integers(4, size=500)
    together = [*transition(columns, layouts, actions), observation_codes(columns, layouts)]
    for row in range(500):
        alone = transition(columns[row : row + 1], layouts[[row]], actions[row : row + 1])
        codes = observation_codes(columns[row : row + 1], layouts[[row]])
        assert [batch[row] for batch in together] == [single[0] for single in (*alone, codes)]


def test_layouts_are_uniform_and_independent() -> None:
    count = 80_000
    layouts = draw_layouts(CorridorRules(3, 12), np.random.default_rng(1), count)
    rows = np.stack([layouts.length, layouts.object_colour, layouts.red_door], axis=1)
    kinds, counts = np.unique(rows, axis=0, return_counts=True)
    assert [tuple(kind) for kind in kinds.tolist()] == list(itertools.product(range(3, 13), range(2), range(2)))
    expected = count / 40
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 81  # 39 degrees of freedom: exceeded once in 10,000 seeds


def test_default_lengths_reach_both_ends() -> None:
    lengths = draw_layouts(CorridorRules(), np.random.default_rng(2), 20_000).length
    assert (lengths.min(), lengths.max()) == (3, 200)
    assert abs(lengths.mean() - 101.5) < 5 * 57.2 / np.sqrt(20_000)


def test_layouts_join_and_split() -> None:
    layouts = draw_layouts(CorridorRules(), np.random.default_rng(3), 5)
    again = concatenate_layouts([layouts[:2], layouts[[2]], layouts[3:]])
    assert [again.in_words(row) for row in range(5)] == [layouts.in_words(row) for row in range(5)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"min_length": 2}, "min_length is 2"),
        ({"min_length": 9, "max_length": 8}, "max_length is 8, below min_length 9"),
        ({"max_episode_steps": 0}, "max_episode_steps is 0"),
        ({"max_length": 20.0}, "max_length is 20.0, but it counts whole"),
        ({"min_length": None}, "min_length is None, but it counts whole"),
        ({"max_episode_steps": True}, "max_episode_steps is True, but it counts whole"),
    ],
)
def test_impossible_rules_are_refused(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CorridorRules(**arguments)
