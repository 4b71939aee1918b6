"""Pictures of a Corridor: MiniGrid's grid folded into lines, and text.

A corridor of 200 cells as one strip would be far wider than any screen; both pictures break it into lines that are read
from west to east, top to bottom.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from minigrid.core.constants import COLORS
from minigrid.core.grid import Grid
from minigrid.core.world_object import Ball, Door, Wall, WorldObj

from rlmem.envs.corridor_specification import Layout, words_at

Frame = npt.NDArray[np.uint8]

_TEXT_COLUMNS = 64
_ONE_LINE_COLUMNS = 16
_GAP_COLOUR = 255


class AgentMarker(WorldObj):
    """The agent as a yellow diamond; MiniGrid's red triangle would show a heading, and a colour that has a meaning."""

    def __init__(self) -> None:
        """Make the marker."""
        super().__init__("agent", "yellow")

    def render(self, img: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Draw into one tile, (height, width, 3), in place, and return it."""
        distance_x, distance_y = (np.abs(np.linspace(-0.5, 0.5, size)) for size in img.shape[1::-1])
        img[distance_y[:, None] + distance_x <= 0.42] = COLORS[self.color]
        return img


def tile_object(words: tuple[str, ...]) -> WorldObj | None:
    """MiniGrid's object for a cell's words; None for a free cell."""
    if "agent" in words:
        return AgentMarker()
    if "object" in words:
        return Ball(words[1])
    if "door" in words:
        return Door(words[1])
    return Wall() if "block" in words else None


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
    seen = np.zeros((fold.width, 3), dtype=bool)
    seen[agent_column : agent_column + 3] = highlight  # the corridor's cell c is the grid's c + 1
    grid = build_grid(layout, agent_column, fold.width)
    strip = grid.render(tile_pixels, agent_pos=(-1, -1), highlight_mask=seen)
    gap = np.full((tile_pixels // 2, fold.columns * tile_pixels, 3), _GAP_COLOUR, dtype=np.uint8)
    pieces = [piece for line in np.split(strip, fold.num_lines, axis=1) for piece in (gap, line)][1:]
    return np.concatenate(pieces)


def draw_view(layout: Layout, agent_column: int, tile_pixels: int) -> Frame:
    """Draw only the 3 x 3 cells that the agent sees, (3 tile_pixels, 3 tile_pixels, 3)."""
    grid = build_grid(layout, agent_column, layout.length + 2).slice(agent_column, 0, 3, 3)
    frame: Frame = grid.render(tile_pixels, agent_pos=(-1, -1))
    return frame


def pad_to_square(frame: Frame) -> Frame:
    """Centre a frame (height, width, 3) on a white square: MiniGrid's window is square and would stretch it."""
    height, width, _ = frame.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.full((side, side, 3), _GAP_COLOUR, dtype=np.uint8)
    square[top : top + height, left : left + width] = frame
    return square


def draw_text(layout: Layout, agent_column: int) -> str:
    """Draw a corridor in letters.

    Returns:
        Blocks of three lines of at most 64 letters: # block, @ agent, r or b the object, R or B a door, space free.
    """
    blocks = []
    for start in range(-1, layout.length + 1, _TEXT_COLUMNS):
        columns = range(start, min(start + _TEXT_COLUMNS, layout.length + 1))
        rows = [[_letter(words_at(column, row, agent_column, layout)) for column in columns] for row in (-1, 0, 1)]
        blocks.append("\n".join("".join(row) for row in rows))
    return "\n\n".join(blocks)


def _letter(words: tuple[str, ...]) -> str:
    if not words:
        return " "
    if words[0] == "object":
        return words[1][0]
    if words[0] == "door":
        return words[1][0].upper()
    return "@" if words[0] == "agent" else "#"
