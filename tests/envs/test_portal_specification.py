"""The Multi-Room Portal's rules against a slow, independent world, and the distribution of its layouts."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rlmem.envs.grid_world import ACTIONS, COLOURS, concatenate_layouts
from rlmem.envs.portal_specification import (
    Layouts,
    PortalRules,
    Progress,
    draw_layouts,
    first_progress,
    observation_codes,
    observe,
    transition,
)
from rlmem.envs.vocabulary import decode_words, encode_words

DELTAS = {"north": (0, -1), "south": (0, 1), "west": (-1, 0), "east": (1, 0)}
colours = st.lists(st.sampled_from(COLOURS), min_size=4, max_size=4)
# Long runs in one direction, so that doors are reached in rooms of every size.
walks = st.lists(st.tuples(st.sampled_from(["west", "east", "west", "east", *ACTIONS]), st.integers(1, 6)), max_size=30)


class SlowPortal:
    """The design's section 5 in plain Python: a set of free cells around the centre (0, 0), and two doors."""

    def __init__(self, size: int, west: list[str], right: list[str]) -> None:
        self.half, self.west, self.right = size // 2, west, right
        self.room, self.furthest, self.mistakes = 1, 1, dict.fromkeys(range(1, len(west) + 1), 0)
        self.x = self.y = 0

    def at(self, x: int, y: int) -> set[str]:
        if (x, y) == (self.x, self.y):
            return {"agent", f"room-{self.room}"}
        if abs(x) <= self.half and abs(y) <= self.half:
            return set()
        if y == 0 and abs(x) == self.half + 1:
            other = {"red": "blue", "blue": "red"}
            west = self.west[self.room - 1]
            return {"door", west if x < 0 else other[west]}
        return {"block"}

    def look(self) -> list[list[set[str]]]:
        return [[self.at(self.x + dx, self.y + dy) for dx in (-1, 0, 1)] for dy in (-1, 0, 1)]

    def walk(self, action: str) -> tuple[float, bool, bool]:
        """Reward, terminated, success."""
        dx, dy = DELTAS[action]
        there = self.at(self.x + dx, self.y + dy)
        if "block" in there:
            return 0.0, False, False
        if "door" not in there:
            self.x, self.y = self.x + dx, self.y + dy
            return 0.0, False, False
        self.x = self.y = 0
        if self.right[self.room - 1] in there:
            reward = 0.1 * self.room
            self.room += 1
            self.furthest = max(self.furthest, self.room)
            is_last = self.room == len(self.west)
            return reward, is_last, is_last
        self.mistakes[self.room] += 1
        has_ended = self.mistakes[self.room] == 2
        self.room = 1
        return 0.0, has_ended, False


def as_layouts(west: list[str], right: list[str]) -> Layouts:
    return Layouts(*(np.array([[COLOURS.index(colour) for colour in words]]) for words in (west, right)))


def look(progress: Progress, layouts: Layouts, rules: PortalRules) -> Any:
    return observe(observation_codes(progress, layouts, rules), rules)[0]


@settings(deadline=None)  # the first look paints all observations
@given(st.sampled_from([3, 5, 7, 9, 13]), colours, colours, walks)
@example(3, ["red"] * 4, ["red"] * 4, [("west", 6)])
@example(5, ["red"] * 4, ["red", "blue", "red", "red"], [("west", 3), ("west", 3), ("west", 3), ("west", 3)])
@example(9, ["blue"] * 4, ["red"] * 4, [("north", 6), ("east", 6), ("south", 4), ("east", 1), ("west", 5)])
def test_transitions_and_observations_are_the_slow_worlds(
    size: int, west: list[str], right: list[str], walk: list[tuple[str, int]]
) -> None:
    rules, layouts = PortalRules(4, size), as_layouts(west, right)
    slow, progress = SlowPortal(size, west, right), first_progress(rules, 1)
    assert np.array_equal(look(progress, layouts, rules), encode_words(slow.look()))
    for action in itertools.chain.from_iterable([name] * times for name, times in walk):
        actions = np.array([ACTIONS.index(action)])
        progress, rewards, terminations, successes = transition(progress, layouts, actions, rules)
        expected = slow.walk(action)
        assert (rewards[0], terminations[0], successes[0]) == expected
        assert np.array_equal(look(progress, layouts, rules), encode_words(slow.look()))
        assert progress.rooms_visited[0] == slow.furthest
        if expected[1]:
            break


def test_the_slow_world_meets_every_kind_of_event() -> None:
    """The same comparison over long random play in the default rooms, where all ends occur."""
    rules, generator = PortalRules(num_rooms=5), np.random.default_rng(0)
    seen = dict.fromkeys(["right door", "wrong door", "second mistake", "last room"], 0)
    for _ in range(150):
        layouts = draw_layouts(rules, generator, 1)
        west, right = ([COLOURS[index] for index in field[0]] for field in vars(layouts).values())
        slow, progress, has_ended = SlowPortal(5, west, right), first_progress(rules, 1), False
        while not has_ended:
            action = ACTIONS[generator.choice([0, 1, 2, 3], p=[0.1, 0.1, 0.4, 0.4])]
            for _ in range(generator.integers(1, 4)):
                room = slow.room
                actions = np.array([ACTIONS.index(action)])
                progress, rewards, terminations, successes = transition(progress, layouts, actions, rules)
                expected = slow.walk(action)
                assert (rewards[0], terminations[0], successes[0]) == expected
                assert np.array_equal(look(progress, layouts, rules), encode_words(slow.look()))
                seen["right door"] += slow.room > room
                seen["wrong door"] += slow.room < room
                seen["second mistake"] += expected[1] and not expected[2]
                seen["last room"] += expected[2]
                has_ended = expected[1]
                if has_ended:
                    break
    assert min(seen.values()) > 10, seen


@pytest.mark.parametrize("size", [3, 5, 7, 9, 11, 15])
def test_what_every_cell_shows(size: int) -> None:
    """In large rooms one observation stands for many cells; it must be the right one for each."""
    rules = PortalRules(2, size)
    layouts, slow = as_layouts(["red", "blue"], ["red", "red"]), SlowPortal(size, ["red", "blue"], ["red", "red"])
    for cell, (y, x) in enumerate(itertools.product(range(size), repeat=2)):
        progress = first_progress(rules, 1)
        progress.cell[0] = cell
        slow.x, slow.y = x - size // 2, y - size // 2
        assert np.array_equal(look(progress, layouts, rules), encode_words(slow.look()))


def test_batches_walk_row_by_row() -> None:
    generator, rules = np.random.default_rng(0), PortalRules(6)
    layouts, progress = draw_layouts(rules, generator, 300), first_progress(rules, 300)
    for _ in range(60):
        before, actions = progress, generator.choice([0, 1, 2, 2, 3, 3], size=300)
        copies = [array.copy() for array in vars(before).values()]
        progress, *results = transition(before, layouts, actions, rules)
        for array, copy in zip(vars(before).values(), copies, strict=True):
            assert np.array_equal(array, copy), "the progress that is passed in stays as it is"
        for row in range(0, 300, 17):
            alone, *single = transition(before[[row]], layouts[[row]], actions[[row]], rules)
            assert [result[row] for result in results] == [result[0] for result in single]
            for ours, theirs in zip(vars(progress).values(), vars(alone).values(), strict=True):
                assert np.array_equal(ours[row], theirs[0])
        ended = np.flatnonzero(results[1])
        progress[ended] = first_progress(rules, len(ended))
    assert progress.rooms_visited.max() > 3


def test_layouts_are_uniform_and_independent() -> None:
    count = 20_000
    layouts = draw_layouts(PortalRules(num_rooms=3), np.random.default_rng(1), count)
    rows = np.concatenate([layouts.west_colour, layouts.right_colour], axis=1)
    kinds, counts = np.unique(rows, axis=0, return_counts=True)
    assert len(kinds) == 2**6
    chi_square = ((counts - count / 64) ** 2 / (count / 64)).sum()
    assert chi_square < 116  # 63 degrees of freedom: exceeded less than once in 10,000 seeds


def test_layouts_join_and_split() -> None:
    layouts = draw_layouts(PortalRules(), np.random.default_rng(3), 5)
    again = concatenate_layouts([layouts[:2], layouts[[2]], layouts[3:]])
    for ours, theirs in zip(vars(again).values(), vars(layouts).values(), strict=True):
        assert np.array_equal(ours, theirs)


def test_words_are_decoded() -> None:
    rules = PortalRules(room_size=3)
    progress = first_progress(rules, 1)
    progress.room[0], progress.cell[0] = 6, 3  # the seventh room, beside the west door
    layouts = as_layouts(["blue"] * 50, ["red"] * 50)
    block = ("block",)
    assert decode_words(look(progress, layouts, rules)) == (
        (block, (), ()),
        (("door", "blue"), ("agent", "room-7"), ()),
        (block, (), ()),
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_rooms": 1}, "num_rooms is 1, but .* pass 2 to 50"),
        ({"num_rooms": 51}, "num_rooms is 51, but .* pass 2 to 50"),
        ({"room_size": 1}, "room_size is 1, but .* an odd number, 3 or more"),
        ({"room_size": 6}, "room_size is 6, but .* an odd number, 3 or more"),
        ({"max_episode_steps": 0}, "max_episode_steps is 0"),
        ({"num_rooms": 20.0}, "num_rooms is 20.0, but it counts whole"),
        ({"room_size": None}, "room_size is None, but it counts whole"),
        ({"num_rooms": True}, "num_rooms is True, but it counts whole"),
    ],
)
def test_impossible_rules_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PortalRules(**arguments)
