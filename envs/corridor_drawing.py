"""Pictures of a Corridor: MiniGrid's grid folded into lines, and text.

A corridor of 200 cells as one strip would be far wider than any screen; both pictures break it into lines that are read
from west to east, top to bottom.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from minigrid.core.grid import Grid

from rlmem.envs.corridor_specification import Layout, words_at
from rlmem.envs.word_drawing import WHITE, Frame, letter, render_grid, tile_object

_TEXT_COLUMNS = 64
_ONE_LINE_COLUMNS = 16


class Fold(NamedTuple):
    """How a long picture is broken into lines."""

    columns: int
    """tiles from west to east in one line"""
    num_lines: int
    """lines, each 3 tiles high"""
    tile_pixels: int
    """a tile's side"""

    @property
    def width(self) -> int:
        """Tiles from west to east in all lines together."""
        return self.columns * self.num_lines


def choose_fold(max_length: int) -> Fold:
    """Choose the fold of a picture that holds `max_length` cells and a wall at both ends.

    One fold for all corridors of an environment, so that its frames have one size: about square where the longest
    corridor is long, one line of larger tiles up to 14 cells.
    """
    cells = max_length + 2
    if cells <= _ONE_LINE_COLUMNS:
        return Fold(cells, 1, 32)
    columns = max(_ONE_LINE_COLUMNS, math.ceil(math.sqrt(4 * cells)))  # a line is 3 tiles and a gap high
    return Fold(columns, math.ceil(cells / columns), 16)


def build_grid(layout: Layout, agent_column: int | None, width: int) -> Grid:
    """Build MiniGrid's grid, `width` by 3 tiles, the corridor's first cell at (1, 1).

    Args:
        layout: the corridor.
        agent_column: where the agent's marker goes, counted from the corridor's first cell; None: no marker.
        width: tiles from west to east, at least the corridor's length + 2; the rest is wall.

    Returns:
        The grid.
    """
    grid = Grid(width, 3)
    for x in range(width):
        for y in range(3):
            grid.set(x, y, tile_object(words_at(x - 1, y - 1, agent_column, layout)))
    return grid


def draw_frame(layout: Layout, agent_column: int, fold: Fold, tile_pixels: int, highlight: bool) -> Frame:
    """Draw a corridor.

    Args:
        layout: the corridor.
        agent_column: where the agent is.
        fold: the environment's fold.
        tile_pixels: a tile's side, usually the fold's.
        highlight: brighten the 3 x 3 cells that the agent sees.

    Returns:
        The frame, (height, width, 3).
    """
    grid = build_grid(layout, agent_column, fold.width)
    strip = render_grid(grid, tile_pixels, (agent_column + 1, 1) if highlight else None)
    gap = np.full((tile_pixels // 2, fold.columns * tile_pixels, 3), WHITE, dtype=np.uint8)
    pieces = [piece for line in np.split(strip, fold.num_lines, axis=1) for piece in (gap, line)][1:]
    return np.concatenate(pieces)


def draw_view(layout: Layout, agent_column: int, tile_pixels: int) -> Frame:
    """Draw only the 3 x 3 cells that the agent sees, (3 tile_pixels, 3 tile_pixels, 3)."""
    grid = build_grid(layout, agent_column, layout.length + 2).slice(agent_column, 0, 3, 3)
    return render_grid(grid, tile_pixels)


def draw_text(layout: Layout, agent_column: int) -> str:
    """Draw a corridor in letters.

    Returns:
        Blocks of three lines of at most 64 letters: # block, @ agent, r or b the object, R or B a door, space free.
    """
    blocks = []
    for start in range(-1, layout.length + 1, _TEXT_COLUMNS):
        columns = range(start, min(start + _TEXT_COLUMNS, layout.length + 1))
        rows = [[letter(words_at(column, row, agent_column, layout)) for column in columns] for row in (-1, 0, 1)]
        blocks.append("\n".join("".join(row) for row in rows))
    return "\n\n".join(blocks)
