"""Text with a colour behind each character, as the paper's figures 9, 10 and 12 have it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Normalize

_LAST_GLYPH = 0x250  # beyond, the font may lack a character
_DARK = 0.5
_ROW_HEIGHT = 1.6  # of a character's width


def cells_of(pieces: Sequence[str], values: Sequence[float], joiner: str) -> tuple[str, list[float]]:
    """Characters and a value for each; symbols that show nothing, such as a letter's second byte, are left out.

    Args:
        pieces: what symbols show as.
        values: of each symbol.
        joiner: between two symbols; it has the value of the one before.
    """
    text, spread = "", []
    for piece, value in zip(pieces, values, strict=True):
        shown = piece + (joiner if piece else "")
        text += "".join(_printable(character) for character in shown)
        spread += [float(value)] * len(shown)
    return text, spread


def num_rows(text: str, width: int) -> int:
    """Lines of so many characters that a text takes."""
    return -(-len(text) // width)


def draw_text(axes: Axes, text: str, values: Sequence[float], width: int, colours: str, norm: Normalize) -> QuadMesh:
    """Draw characters in lines of equal length, each on its colour.

    Args:
        axes: emptied of ticks and frame.
        text: printable characters.
        values: of each character.
        width: characters a line.
        colours: name of a colour map.
        norm: from values to [0, 1].

    Returns:
        What a colour bar is made for.
    """
    rows = num_rows(text, width)
    grid = np.full(rows * width, np.nan)
    grid[: len(values)] = values
    mesh = axes.pcolormesh(
        np.arange(width + 1), np.arange(rows + 1), np.ma.masked_invalid(grid.reshape(rows, width)),
        cmap=colours, norm=norm, linewidth=0,
    )  # fmt: skip
    for place, character in enumerate(text):
        row, column = divmod(place, width)
        if character != " ":
            red, green, blue, _ = mesh.to_rgba(grid[place])
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < _DARK  # as bright as it looks (ITU-R BT.601)
            axes.text(
                column + 0.5, row + 0.55, character, ha="center", va="center", fontsize=7, family="monospace",
                color="white" if dark else "black", parse_math=False,
            )  # fmt: skip
    axes.set(xlim=(0, width), ylim=(rows, 0), xticks=[], yticks=[], aspect=_ROW_HEIGHT)
    axes.set_frame_on(False)
    return mesh


def _printable(character: str) -> str:
    if character == "\n":
        return "¶"
    return character if character.isprintable() and ord(character) < _LAST_GLYPH else "·"
