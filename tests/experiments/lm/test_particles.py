"""The particles' flight against one written step by step, and its walls."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from rlmem.errors import UsageError
from rlmem.experiments.lm.particles import QUADRANTS, Square


def fly_slowly(rng: np.random.Generator, flight: list[float], num_steps: int, square: Square) -> list[list[int]]:
    """One particle's cells, a step at a time, straight from the task's description."""
    x, y, dx, dy = flight
    velocities = iter(rng.normal(0, square.velocity, (num_steps, 2)).tolist())
    cells, moves = [], 0
    for _ in range(num_steps):
        new_x, new_y = x + (moves + 1) * dx, y + (moves + 1) * dy
        if 0 <= new_x < square.side and 0 <= new_y < square.side:
            moves += 1
        else:
            x, y, moves = x + moves * dx, y + moves * dy, 0
            dx, dy = next(velocities)
        cells.append([math.floor(x + moves * dx), math.floor(y + moves * dy)])
    return cells


@pytest.mark.parametrize("side", [2, 8, 16])
@pytest.mark.parametrize("velocity", [0.05, 1.0, 5.0])
def test_equals_a_flight_step_by_step(side: int, velocity: float) -> None:
    square = Square(side, velocity)
    flight = square.start(np.random.default_rng(0))
    rng, slow_rng = np.random.default_rng(1), np.random.default_rng(1)
    for _ in range(3):
        cells, after = square.fly(rng, flight, 300)
        first = fly_slowly(slow_rng, flight[:4].tolist(), 300, square)
        second = fly_slowly(slow_rng, flight[4:].tolist(), 300, square)
        assert cells.tolist() == np.concatenate([first, second], axis=1).tolist()
        flight = after


def test_particles_stay_inside_and_get_everywhere() -> None:
    square = Square(8, 1.0)
    rng = np.random.default_rng(2)
    cells, _ = square.fly(rng, square.start(rng), 50_000)
    for x, y in (cells[:, :2].T, cells[:, 2:].T):
        visits = np.bincount(8 * y + x, minlength=64) / 50_000
        assert len(visits) == 64
        assert visits.min() > 0.2 / 64


def test_a_wall_costs_one_step_and_gives_a_new_velocity() -> None:
    square = Square(4, 1.0)
    flight = np.array([0.5, 0.5, 1.0, 0.0, 3.5, 3.5, 0.0, 0.0])
    cells, after = square.fly(np.random.default_rng(0), flight, 4)
    assert cells.tolist() == [[1, 0, 3, 3], [2, 0, 3, 3], [3, 0, 3, 3], [3, 0, 3, 3]]
    assert after[:2].tolist() == [3.5, 0.5]
    assert (after[2:4] == np.random.default_rng(0).normal(0, 1, (4, 2))[0]).all()
    assert after[4:].tolist() == flight[4:].tolist(), "who does not move meets no wall"


def test_quadrants() -> None:
    x, y = np.array([[0, 1, 2, 3, 1, 2]]), np.array([[1, 0, 1, 0, 2, 3]])
    named = [QUADRANTS[number] for number in Square(4, 1.0).quadrant(x, y)[0]]
    assert named == ["north-west", "north-west", "north-east", "north-east", "south-west", "south-east"]


@pytest.mark.parametrize(
    ("side", "velocity", "message"),
    [
        (7, 1.0, "--grid is 7, but its side must be even and at least 2"),
        (0, 1.0, "--grid is 0, but"),
        (8, 0.0, "--velocity is 0.0, but it must be a number above 0"),
        (8, -1.0, "--velocity is -1.0, but"),
        (8, math.inf, "--velocity is inf, but"),
        (8, math.nan, "--velocity is nan, but"),
    ],
)
def test_squares_that_cannot_be(side: int, velocity: float, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        Square(side, velocity)
