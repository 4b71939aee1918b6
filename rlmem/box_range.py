"""Where the values of a Box lie: the one rule by which observations and actions are scaled."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

WIDEST_RANGE = 2.0**16  # wider bounds, such as the dtype's own, mean "unknown": scaled by them, all values look alike


def is_ranged(box: spaces.Box) -> NDArray[np.bool_]:
    """Which elements have bounds to scale by: both finite, and at most `WIDEST_RANGE` apart; flat, (size,)."""
    with np.errstate(over="ignore", invalid="ignore"):
        width = box.high.astype(np.float64) - box.low.astype(np.float64)
    flags: NDArray[np.bool_] = (width <= WIDEST_RANGE).ravel()
    return flags


def centre_and_half_width(box: spaces.Box) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The map from [-1, 1] to the box, value = centre + half_width * u, as two flat arrays (size,).

    Elements without a range keep their unit (half width 1) and are centred at 0, or at their bound nearest to 0.
    """
    ranged = is_ranged(box)
    low, high = box.low.astype(np.float64).ravel(), box.high.astype(np.float64).ravel()
    bounds = np.where(ranged, low, 0), np.where(ranged, high, 0)
    centre = np.where(ranged, (bounds[0] + bounds[1]) / 2, np.clip(0.0, low, high))
    return centre, np.where(ranged, (bounds[1] - bounds[0]) / 2, 1.0)
