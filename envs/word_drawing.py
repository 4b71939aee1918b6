"""How cells are drawn, from their words, in MiniGrid's tiles and in letters."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from minigrid.core.constants import COLORS
from minigrid.core.grid import Grid
from minigrid.core.world_object import Ball, Door, Wall, WorldObj

Frame = npt.NDArray[np.uint8]

WHITE = 255


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


def letter(words: tuple[str, ...]) -> str:
    """A letter for a cell's words: # block, @ agent, r or b an object, R or B a door, space free."""
    if not words:
        return " "
    if words[0] == "object":
        return words[1][0]
    if words[0] == "door":
        return words[1][0].upper()
    return "@" if words[0] == "agent" else "#"


def render_grid(grid: Grid, tile_pixels: int, agent_cell: tuple[int, int] | None = None) -> Frame:
    """Draw a grid.

    Args:
        grid: MiniGrid's grid, the agent's marker in it.
        tile_pixels: a tile's side.
        agent_cell: (x, y), around which 3 x 3 cells are brightened; None: nowhere.

    Returns:
        The frame, (tiles from north to south * tile_pixels, from west to east * tile_pixels, 3).
    """
    seen = np.zeros((grid.width, grid.height), dtype=bool)
    if agent_cell is not None:
        x, y = agent_cell
        seen[x - 1 : x + 2, y - 1 : y + 2] = True
    frame: Frame = grid.render(tile_pixels, agent_pos=(-1, -1), highlight_mask=seen)
    return frame


def pad_to_square(frame: Frame) -> Frame:
    """Centre a frame (height, width, 3) on a white square: MiniGrid's window is square and would stretch it."""
    height, width, _ = frame.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.full((side, side, 3), WHITE, dtype=np.uint8)
    square[top : top + height, left : left + width] = frame
    return square
