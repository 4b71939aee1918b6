"""Collision without colours: where did the two particles last meet, or meet the last three times? (paper, A.1.4, A.2.3)

A step is 5 symbols: x1 y1 x2 y2, the particles' cells, and the question. On reading it the model is to say the
quadrant of the last collision (class 0 to 3), or the label of the last three, newest first: 16 a + 4 b + c. This step's
collision is among them. With both kinds of question in one stream, each is asked at half of the steps by a symbol of
its own, and the labels are the classes 4 to 67.

Chosen here, where the paper says nothing: the question is a symbol too; as long as there were too few collisions, a
step is neither trained nor scored; the data never repeats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rlmem.errors import check
from rlmem.experiments.lm.block import Split
from rlmem.experiments.lm.generated_stream import NO_ANSWER, Chunk, Floats, GeneratedStream, Ints
from rlmem.experiments.lm.horizon import Horizon, measure_horizon
from rlmem.experiments.lm.particles import FLIGHT_SIZE, QUADRANTS, Square, coordinate_names
from rlmem.experiments.lm.question_steps import StepOracle, chunk_of_steps

ENTRIES = 5
QUESTIONS = ("last", "last-three")
_STEPS = 768  # a chunk
_KEPT = 3  # collisions
_NEVER = -(1 << 40)  # a step before all others, exact as float64


@dataclass(frozen=True)
class CollisionEasyOptions:
    """Say where two particles last collided."""

    question: Literal["last", "last-three", "both"] = "last"
    """What is asked: the quadrant of the last collision, the label of the last three, or either."""
    grid: int = 8
    """Side of the square, in cells, even."""
    velocity: float = 1.0
    """Standard deviation of each velocity's x and y, in cells a step (the paper does not give it)."""
    crowded: float = 0.0
    """Share of the training text in which the particles keep to the four cells in the middle, where every fourth step
    is a collision: a small model learns from it what a collision is, which it hardly finds where they are rare."""
    eval_symbols: int = 400_000
    """Symbols of the valid data, and of the test data, divided evenly among the rows."""

    def __post_init__(self) -> None:
        known = (*QUESTIONS, "both")
        check(self.question in known, f"--question is {self.question!r}, but it must be one of {', '.join(known)}")
        Square(self.grid, self.velocity)  # refuses what is no square
        check(0 <= self.crowded <= 1, f"--crowded is {self.crowded}, but a share is from 0 to 1")
        check(
            self.eval_symbols >= ENTRIES,
            f"--eval-symbols is {self.eval_symbols}, but a step has {ENTRIES} symbols",
        )

    @property
    def questions(self) -> tuple[str, ...]:
        """The kinds of question that are asked, by the number of their symbol."""
        return QUESTIONS if self.question == "both" else (self.question,)


PAPER_OPTIONS = CollisionEasyOptions(grid=16, eval_symbols=10_000_000)
"""The paper's square; question, velocity and size of the test data are ours."""


class CollisionEasySource:
    """Steps of the easy collision task; a row is one long flight.

    What is carried over: the flight, and of the last three collisions, the oldest first, the steps (counted from the
    next chunk's start, so below 0) and the quadrants.

    Args:
        options: of the task.
        split: of the data.
    """

    def __init__(self, options: CollisionEasyOptions, split: Split) -> None:
        self._options = options
        self._crowded = options.crowded if split == "train" else 0.0
        self._middle = Square(2, options.velocity)
        self._square = Square(options.grid, options.velocity)
        self._first_symbols = np.array([0, options.grid, 0, options.grid])  # of x1, y1, x2 and y2

    def start(self, rng: np.random.Generator) -> Floats:
        """Two particles, and no collision yet."""
        return np.concatenate([self._square.start(rng), np.full(_KEPT, _NEVER), np.zeros(_KEPT)])

    def make_chunk(self, rng: np.random.Generator, carry: Floats) -> tuple[Chunk, Floats]:
        """The next steps of a row."""
        flight, whens_before, quadrants_before = np.split(carry, [FLIGHT_SIZE, FLIGHT_SIZE + _KEPT])
        cells, flight = self._fly(rng, flight)
        x, y, other_x, other_y = cells.T
        is_collision = (x == other_x) & (y == other_y)
        whens = np.concatenate([whens_before.astype(np.int64), np.flatnonzero(is_collision)])
        quadrants = np.concatenate([quadrants_before.astype(np.int64), self._square.quadrant(x, y)[is_collision]])

        newest = np.cumsum(is_collision) + _KEPT - 1  # (step,), place among `whens`
        kind = rng.integers(0, len(self._options.questions), _STEPS)
        is_three = np.array([question == "last-three" for question in self._options.questions])[kind]
        label = 16 * quadrants[newest] + 4 * quadrants[newest - 1] + quadrants[newest - 2]
        first_label = len(QUADRANTS) if self._options.question == "both" else 0
        answer = np.where(is_three, first_label + label, quadrants[newest])
        oldest = np.where(is_three, whens[newest - 2], whens[newest])

        entries = np.concatenate([cells + self._first_symbols, kind[:, None] + 2 * self._options.grid], axis=1)
        chunk = chunk_of_steps(entries, answer, oldest > _NEVER, np.arange(_STEPS) - oldest)
        ages = np.where(whens[-_KEPT:] == _NEVER, _NEVER, whens[-_KEPT:] - _STEPS)
        return chunk, np.concatenate([flight, ages, quadrants[-_KEPT:]])

    def _fly(self, rng: np.random.Generator, flight: Floats) -> tuple[Ints, Floats]:
        """The next steps' cells, (step, 4), and the flight after them; one in the middle lets the long one wait."""
        if self._crowded and rng.random() < self._crowded:
            cells, _ = self._middle.fly(rng, self._middle.start(rng), _STEPS)
            return cells + self._options.grid // 2 - 1, flight
        return self._square.fly(rng, flight, _STEPS)


def make_streams(options: CollisionEasyOptions, split: Split, batch: int, seed: int) -> GeneratedStream:
    """The streams of a split: endless in training, of `eval_symbols` symbols in valid and test."""
    num_symbols = None if split == "train" else options.eval_symbols
    return GeneratedStream(CollisionEasySource(options, split), split, batch, seed, num_symbols)


def symbol_names(options: CollisionEasyOptions) -> tuple[str, ...]:
    """Names of the symbols, by number."""
    return (*coordinate_names(options.grid), *(f"{question}?" for question in options.questions))


def target_names(options: CollisionEasyOptions) -> tuple[str, ...]:
    """Names of the classes to be predicted."""
    short = [name[0] + name[name.index("-") + 1] for name in QUADRANTS]  # nw, ne, sw, se
    threes = tuple(f"{a}, {b}, {c}" for a in short for b in short for c in short)
    names = {"last": QUADRANTS, "last-three": threes}
    return tuple(name for question in options.questions for name in names[question])


def chance(options: CollisionEasyOptions) -> float:
    """Share of the answers that a guess without memory gets right, a constant one for each kind of question.

    Where the particles are now says a little more, for some collisions have only just happened: up to 0.31 was measured
    where the last one is asked for.

    All quadrants are alike, but three collisions in one quadrant are likelier than three in three, as slow particles
    stay together: for the labels it is the commonest one's share, measured on eight rows of 50,000 steps.
    """
    shares = [1 / len(QUADRANTS) if question == "last" else _commonest_label(options) for question in options.questions]
    return sum(shares) / len(shares)


def _commonest_label(options: CollisionEasyOptions) -> float:
    only_labels = CollisionEasyOptions("last-three", options.grid, options.velocity)
    chunk = GeneratedStream(CollisionEasySource(only_labels, "valid"), "valid", 8, 0, None).next_chunk(50_000 * ENTRIES)
    assert chunk is not None, "the stream is endless"
    labels = chunk.targets[chunk.is_trained]
    return float(np.bincount(labels).max() / len(labels))


def horizon(options: CollisionEasyOptions) -> Horizon:
    """How far back the collisions lie that are asked for, measured on eight rows of 100,000 steps."""
    return measure_horizon(
        GeneratedStream(CollisionEasySource(options, "valid"), "valid", 8, 0, None), 100_000 * ENTRIES
    )


class CollisionEasyOracle(StepOracle):
    """Remembers the last three collisions, and answers all.

    Args:
        options: of the task.
        batch: number of rows.
    """

    def __init__(self, options: CollisionEasyOptions, batch: int) -> None:
        super().__init__(ENTRIES, batch)
        self._options = options
        self._last: list[list[int]] = [[] for _ in range(batch)]

    def answer(self, row: int, step: list[int]) -> int:
        """The class that answers a step of 5 symbols, or `NO_ANSWER`."""
        x, y, other_x, other_y, asked = step
        if (x, y) == (other_x, other_y):
            half = self._options.grid // 2
            newest = (x >= half) + 2 * (y - 2 * half >= half)
            self._last[row] = [newest, *self._last[row]][:_KEPT]
        last = self._last[row]
        if self._options.questions[asked - 2 * self._options.grid] == "last":
            return last[0] if last else NO_ANSWER
        if len(last) < _KEPT:
            return NO_ANSWER
        label = 16 * last[0] + 4 * last[1] + last[2]
        return label + (len(QUADRANTS) if self._options.question == "both" else 0)
