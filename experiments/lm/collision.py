"""Collision: two particles fly about and change colours; where did two such colours last meet? (paper, 5.3 and A.2.3)

A step is 8 symbols: x1 y1 x2 y2, the particles' cells; c1 c2, their colours; q1 q2, the colours that are asked for. On
reading q2 the model is to say in which quadrant the last collision of these colours happened, one way round or the
other, this step's among them. Coordinates, colours and questions have symbols of their own; the particles share theirs.

Left open by the paper and chosen here: a colour that changes becomes one of the others with equal chance; what is not
an easy query asks for two colours drawn independently; before the first collision of these colours there is no answer,
and the step is neither trained nor scored (so that the output has a class for each quadrant and no fifth); the data
never repeats (the paper made 50M steps once). To a guess without memory all quadrants are alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlmem.errors import check, flag
from rlmem.experiments.lm.block import Split
from rlmem.experiments.lm.generated_stream import NO_ANSWER, Chunk, Floats, GeneratedStream, Ints
from rlmem.experiments.lm.horizon import Horizon, measure_horizon
from rlmem.experiments.lm.particles import FLIGHT_SIZE, QUADRANTS, Square, coordinate_names
from rlmem.experiments.lm.question_steps import StepOracle, chunk_of_steps

ENTRIES = 8
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange", "white", "black")
_STEPS = 512  # a chunk
_NEVER = -(1 << 40)  # a step before all others, exact as float64


@dataclass(frozen=True)
class CollisionOptions:
    """Say where particles of two colours last collided."""

    grid: int = 8
    """Side of the square, in cells, even."""
    num_colours: int = 2
    """Colours that a particle can have, 2 to 8."""
    colour_change: float = 0.05
    """Probability that a particle changes its colour at a step."""
    velocity: float = 1.0
    """Standard deviation of each velocity's x and y, in cells a step (the paper does not give it)."""
    easy_queries: float = 0.4
    """Share of the queries that ask for the colours of the last collision."""
    eval_symbols: int = 800_000
    """Symbols of the valid data, and of the test data, divided evenly among the rows."""

    def __post_init__(self) -> None:
        Square(self.grid, self.velocity)  # refuses what is no square
        check(
            2 <= self.num_colours <= len(COLOURS),
            f"--num-colours is {self.num_colours}, but it must be from 2 to {len(COLOURS)}",
        )
        for name in ("colour_change", "easy_queries"):
            value = getattr(self, name)
            check(0 <= value <= 1, f"{flag(name)} is {value}, but a probability is from 0 to 1")
        check(
            self.eval_symbols >= ENTRIES,
            f"--eval-symbols is {self.eval_symbols}, but a step has {ENTRIES} symbols",
        )


PAPER_OPTIONS = CollisionOptions(grid=16, num_colours=5, eval_symbols=20_000_000)
"""The paper's world; velocity and size of the test data are ours."""


class CollisionSource:
    """Steps of the collision task; a row is one long flight.

    What is carried over: the flight, the two colours, and of each pair of colours the step of its last collision
    (counted from the next chunk's start, so below 0) and the quadrant.
    """

    def __init__(self, options: CollisionOptions) -> None:
        self._options = options
        self._square = Square(options.grid, options.velocity)
        self._first_symbols = np.array([0, options.grid, 0, options.grid])  # of x1, y1, x2 and y2
        num = options.num_colours
        self._colours_of = np.array([(first, second) for second in range(num) for first in range(second + 1)])
        self._pair_of = np.empty((num, num), np.int64)
        for pair, (first, second) in enumerate(self._colours_of):
            self._pair_of[first, second] = self._pair_of[second, first] = pair

    def start(self, rng: np.random.Generator) -> Floats:
        """Two particles, and no collision yet."""
        num_pairs = len(self._colours_of)
        colours = rng.integers(0, self._options.num_colours, 2)
        return np.concatenate([self._square.start(rng), colours, np.full(num_pairs, _NEVER), np.zeros(num_pairs)])

    def make_chunk(self, rng: np.random.Generator, carry: Floats) -> tuple[Chunk, Floats]:
        """The next steps of a row."""
        num_pairs, steps = len(self._colours_of), np.arange(_STEPS)
        flight, first_colours, last_before, quadrant_before = np.split(
            carry, [FLIGHT_SIZE, FLIGHT_SIZE + 2, FLIGHT_SIZE + 2 + num_pairs]
        )
        cells, flight = self._square.fly(rng, flight, _STEPS)
        colours = self._change_colours(rng, first_colours.astype(np.int64))
        x, y, other_x, other_y = cells.T
        quadrant = self._square.quadrant(x, y)  # (step,)
        pair = self._pair_of[colours[:, 0], colours[:, 1]]
        is_collision = (x == other_x) & (y == other_y)

        is_of_pair = is_collision[:, None] & (pair[:, None] == np.arange(num_pairs))  # (step, pair)
        last = np.where(is_of_pair, steps[:, None], last_before.astype(np.int64))
        last = np.maximum.accumulate(last, axis=0)
        asked = self._ask(rng, last)
        asked_pair = self._pair_of[asked[:, 0], asked[:, 1]]
        when = last[steps, asked_pair]
        answer = np.where(when >= 0, quadrant[np.maximum(when, 0)], quadrant_before[asked_pair].astype(np.int64))

        grid, num = self._options.grid, self._options.num_colours
        entries = np.concatenate([cells + self._first_symbols, colours + 2 * grid, asked + 2 * grid + num], axis=1)
        chunk = chunk_of_steps(entries, answer, when > _NEVER, steps - when)
        quadrants = np.where(last[-1] >= 0, quadrant[np.maximum(last[-1], 0)], quadrant_before)
        ages = np.where(last[-1] == _NEVER, _NEVER, last[-1] - _STEPS)
        return chunk, np.concatenate([flight, colours[-1], ages, quadrants])

    def _change_colours(self, rng: np.random.Generator, first: Ints) -> Ints:
        """Colours of both particles at each step, (step, 2)."""
        is_change = rng.random((_STEPS, 2)) < self._options.colour_change
        other = rng.integers(1, self._options.num_colours, (_STEPS, 2))
        return (first + np.cumsum(is_change * other, axis=0)) % self._options.num_colours

    def _ask(self, rng: np.random.Generator, last: Ints) -> Ints:
        """The colours asked for at each step, (step, 2), from the last collision of each pair, (step, pair)."""
        any_colours = rng.integers(0, self._options.num_colours, (_STEPS, 2))
        newest = self._colours_of[last.argmax(axis=1)]
        newest = np.where(rng.random((_STEPS, 1)) < 0.5, newest, newest[:, ::-1])
        is_easy = (rng.random(_STEPS) < self._options.easy_queries) & (last.max(axis=1) > _NEVER)
        return np.where(is_easy[:, None], newest, any_colours)


def make_streams(options: CollisionOptions, split: Split, batch: int, seed: int) -> GeneratedStream:
    """The streams of a split: endless in training, of `eval_symbols` symbols in valid and test."""
    num_symbols = None if split == "train" else options.eval_symbols
    return GeneratedStream(CollisionSource(options), split, batch, seed, num_symbols)


def symbol_names(options: CollisionOptions) -> tuple[str, ...]:
    """Names of the symbols, by number."""
    colours = COLOURS[: options.num_colours]
    return (*coordinate_names(options.grid), *colours, *(f"{colour}?" for colour in colours))


def target_names(options: CollisionOptions) -> tuple[str, ...]:
    """Names of the classes to be predicted."""
    return QUADRANTS


def chance(options: CollisionOptions) -> float:
    """Share of the answers that a guess without memory gets right: always the same quadrant.

    Where the particles are now says a little more, for some collisions have only just happened: up to 0.29 was
    measured.
    """
    return 1 / len(QUADRANTS)


def horizon(options: CollisionOptions) -> Horizon:
    """How far back the collisions lie that are asked for, measured on eight rows of 100,000 steps."""
    return measure_horizon(GeneratedStream(CollisionSource(options), "valid", 8, 0, None), 100_000 * ENTRIES)


class CollisionOracle(StepOracle):
    """Remembers the last collision of each pair of colours, and answers all.

    Args:
        options: of the task.
        batch: number of rows.
    """

    def __init__(self, options: CollisionOptions, batch: int) -> None:
        super().__init__(ENTRIES, batch)
        self._half = options.grid // 2
        self._first_question = 2 * options.grid + options.num_colours
        self._first_colour = 2 * options.grid
        self._last: list[dict[tuple[int, ...], int]] = [{} for _ in range(batch)]

    def answer(self, row: int, step: list[int]) -> int:
        """The quadrant asked for by a step of 8 symbols, or `NO_ANSWER`."""
        (x, y, other_x, other_y), colours, asked = step[:4], step[4:6], step[6:]
        if (x, y) == (other_x, other_y):
            pair = tuple(sorted(colour - self._first_colour for colour in colours))
            self._last[row][pair] = (x >= self._half) + 2 * (y - 2 * self._half >= self._half)
        return self._last[row].get(tuple(sorted(colour - self._first_question for colour in asked)), NO_ANSWER)
