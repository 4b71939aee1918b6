"""Two particles that fly about in a square, for the collision tasks (paper, A.2.3).

A particle starts anywhere in the square with a normally distributed velocity. At each step its velocity is added to its
position; where that would leave the square it stays where it is for this step and draws a new velocity. What is seen of
it is its cell. The particles collide at a step when they are in the same cell, which changes nothing for either; two
steps in one cell are two collisions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rlmem.errors import check
from rlmem.experiments.lm.generated_stream import Floats, Ints

QUADRANTS = ("north-west", "north-east", "south-west", "south-east")
FLIGHT_SIZE = 8
"""Numbers that say where two particles are and how they move: x, y, and the velocity's x, y, of each."""


@dataclass(frozen=True)
class Square:
    """Where the particles fly.

    Args:
        side: in cells, even, at least 2.
        velocity: standard deviation of each velocity's x and y, in cells a step.

    Raises:
        UsageError: the side is odd or below 2, or the velocity is no number above 0.
    """

    side: int
    velocity: float

    def __post_init__(self) -> None:
        check(
            self.side >= 2 and self.side % 2 == 0,
            f"--grid is {self.side}, but its side must be even and at least 2, to have four equal quadrants",
        )
        check(
            0 < self.velocity < math.inf,
            f"--velocity is {self.velocity}, but it must be a number above 0, or the particles never move",
        )

    def start(self, rng: np.random.Generator) -> Floats:
        """Two particles that have not moved yet, (FLIGHT_SIZE,)."""
        flights = [np.concatenate([rng.uniform(0, self.side, 2), rng.normal(0, self.velocity, 2)]) for _ in range(2)]
        return np.concatenate(flights)

    def fly(self, rng: np.random.Generator, flight: Floats, num_steps: int) -> tuple[Ints, Floats]:
        """Let the particles fly on.

        Args:
            rng: draws new velocities.
            flight: (FLIGHT_SIZE,), where they are.
            num_steps: how many steps.

        Returns:
            The cells (step, 4) int64 as x1, y1, x2, y2, and where the particles are then, (FLIGHT_SIZE,).
        """
        first, second = (self._fly_one(rng, flight[start : start + 4], num_steps) for start in (0, 4))
        positions = np.concatenate([first[0], second[0]], axis=1)  # (step, 4)
        return positions.astype(np.int64), np.concatenate([first[1], second[1]])

    def quadrant(self, x: Ints, y: Ints) -> Ints:
        """Quadrants of cells, by number in `QUADRANTS`; x runs east, y south."""
        half = self.side // 2
        return x // half + 2 * (y // half)

    def _fly_one(self, rng: np.random.Generator, flight: Floats, num_steps: int) -> tuple[Floats, Floats]:
        """One particle's positions (step, 2), and its new x, y and velocity (4,).

        Between two changes of velocity the flight is straight, so there is one round of the loop a change, not a step.
        """
        x, y, dx, dy = flight.tolist()
        new_velocities = iter(rng.normal(0, self.velocity, (num_steps, 2)).tolist())
        legs, sizes, left = [], [], num_steps
        while left > 0:
            size = self._moves(x, y, dx, dy, left)
            legs.append((x, y, dx, dy))
            sizes.append(size)
            x, y, left = x + size * dx, y + size * dy, left - size
            if left > 0:  # a step at the wall
                legs.append((x, y, 0.0, 0.0))
                sizes.append(1)
                dx, dy = next(new_velocities)
                left -= 1
        leg = np.repeat(np.array(legs), sizes, axis=0)  # (step, 4)
        moves = np.arange(num_steps) - np.repeat(np.cumsum(sizes) - sizes, sizes) + 1
        return leg[:, :2] + moves[:, None] * leg[:, 2:], np.array([x, y, dx, dy])

    def _moves(self, x: float, y: float, dx: float, dy: float, most: int) -> int:
        """How many steps go before the wall, at most so many."""
        side = self.side
        moves = int(min(_time_to_wall(x, dx, side), _time_to_wall(y, dy, side), most))
        # the division may round the wrong way; what counts is where the particle would be
        while moves > 0 and not (0 <= x + moves * dx < side and 0 <= y + moves * dy < side):
            moves -= 1
        return moves


def _time_to_wall(position: float, velocity: float, side: int) -> float:
    if velocity == 0:
        return math.inf
    return ((side if velocity > 0 else 0) - position) / velocity


def coordinate_names(side: int) -> tuple[str, ...]:
    """Names of the symbols of a cell: first those of its x, then those of its y."""
    return tuple(f"{axis}{number}" for axis in "xy" for number in range(side))
