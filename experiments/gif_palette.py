"""The colours of a GIF: those that drawings are made of exactly, and near ones for all others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rlmem.agents.trace_pictures import Frame

_COLOURS = 255  # and one for what stays as it was, which Pillow adds
_EXACT = 128  # of them: the most frequent; the others are spread by median cut
_UNKNOWN = -1


class Palette:
    """Colours chosen from some pictures, for these and others like them.

    Args:
        samples: at least one picture (height, width, 3), all of one size.
    """

    def __init__(self, samples: Sequence[Frame]) -> None:
        packed, count = np.unique(np.concatenate([_pack(sample).ravel() for sample in samples]), return_counts=True)
        exact = packed[np.argsort(-count, kind="stable")[:_EXACT]]
        spread = Image.fromarray(np.concatenate(list(samples))).quantize(_COLOURS - len(exact)).getpalette() or []
        colours = [*_unpack(exact).ravel().tolist(), *spread]
        self._colours = np.array(colours[: 3 * _COLOURS], dtype=np.int64).reshape(-1, 3)
        self._index_of = np.full(1 << 24, _UNKNOWN, dtype=np.int16)  # by packed colour, filled as colours come

    def apply(self, picture: Frame) -> Image.Image:
        """The picture in these colours, each pixel in the nearest one."""
        packed = _pack(picture)
        new = np.unique(packed[self._index_of[packed] == _UNKNOWN])
        for start in range(0, len(new), 4096):  # a table of distances of 4096 × 255 at once
            some = new[start : start + 4096]
            distance = ((_unpack(some)[:, None] - self._colours) ** 2).sum(2)
            self._index_of[some] = distance.argmin(1)
        indices = self._index_of[packed].astype(np.uint8)
        image = Image.frombytes("P", (picture.shape[1], picture.shape[0]), indices.tobytes())
        image.putpalette(self._colours.astype(np.uint8).tobytes())
        return image


def _pack(picture: Frame) -> NDArray[np.int32]:
    """Each pixel's colour as one number, (height, width)."""
    wide = picture.astype(np.int32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def _unpack(packed: NDArray[np.int32]) -> NDArray[np.int64]:
    """(colours, 3) of (colours,)."""
    return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1).astype(np.int64)
