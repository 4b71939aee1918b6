"""A small pixel font for captions in pictures: the same pixels on every machine, and no font to be found."""

from __future__ import annotations

import numpy as np

from rlmem.envs.word_drawing import Frame

_HEIGHT, _ADVANCE = 7, 6  # pixels: a letter is 5 wide, and a gap

_GLYPHS = {
    " ": "..... ..... ..... ..... ..... ..... .....",
    "0": ".###. #...# #..## #.#.# ##..# #...# .###.",
    "1": "..#.. .##.. ..#.. ..#.. ..#.. ..#.. .###.",
    "2": ".###. #...# ....# ...#. ..#.. .#... #####",
    "3": ".###. #...# ....# ..##. ....# #...# .###.",
    "4": "...#. ..##. .#.#. #..#. ##### ...#. ...#.",
    "5": "##### #.... ####. ....# ....# #...# .###.",
    "6": ".###. #.... #.... ####. #...# #...# .###.",
    "7": "##### ....# ...#. ..#.. ..#.. ..#.. ..#..",
    "8": ".###. #...# #...# .###. #...# #...# .###.",
    "9": ".###. #...# #...# .#### ....# ....# .###.",
    "f": "..##. .#... ####. .#... .#... .#... .#...",
    "m": "..... ..... ##.#. #.#.# #.#.# #.#.# #.#.#",
    "o": "..... ..... .###. #...# #...# #...# .###.",
    "r": "..... ..... #.##. ##..# #.... #.... #....",
}


def draw_caption(text: str, height: int, width: int) -> Frame:
    """Write one line, black on white, as large as it fits and in the middle.

    Args:
        text: letters of the font: digits, space, and those of "room of".
        height: of the caption, in pixels.
        width: of the caption, in pixels.

    Returns:
        The caption, (height, width, 3); cut off where even the smallest letters do not fit.
    """
    letters = np.concatenate([_bitmap(letter) for letter in text], axis=1)[:, :-1]  # (7, letters * 6 - 1)
    scale = max(1, min(height // (_HEIGHT + 2), width // (letters.shape[1] + 2)))
    is_ink = letters.repeat(scale, axis=0).repeat(scale, axis=1)[:height, :width]
    caption = np.full((height, width, 3), 255, dtype=np.uint8)
    top, left = (height - is_ink.shape[0]) // 2, (width - is_ink.shape[1]) // 2
    caption[top : top + is_ink.shape[0], left : left + is_ink.shape[1]][is_ink] = 0
    return caption


def _bitmap(letter: str) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Where a letter has ink, (7, 6) with the gap behind it."""
    bitmap = np.zeros((_HEIGHT, _ADVANCE), dtype=bool)
    bitmap[:, :-1] = [[pixel == "#" for pixel in line] for line in _GLYPHS[letter].split()]
    return bitmap
