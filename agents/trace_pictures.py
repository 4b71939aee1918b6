"""The pictures of an episode, each stored once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]


@dataclass(frozen=True)
class Pictures:
    """The different pictures of an episode.

    Args:
        images: (pictures, height, width, 3) uint8.
        index: (time,) int64, which of them belongs to each step.
    """

    images: Frame
    index: NDArray[np.int64]

    @classmethod
    def of(cls, frames: Sequence[Frame]) -> Pictures | None:
        """The pictures of each step, equal ones once; None if there are none, or not all of one size."""
        known: dict[bytes, int] = {}
        images: list[Frame] = []
        index = []
        for frame in frames:
            if frame.ndim != 3 or frame.shape != (images[0] if images else frame).shape:
                return None
            key = frame.tobytes()
            if key not in known:
                known[key] = len(images)
                images.append(frame)
            index.append(known[key])
        return cls(np.stack(images), np.array(index)) if images else None
