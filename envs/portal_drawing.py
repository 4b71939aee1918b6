"""Pictures of the Multi-Room Portal: the room that the agent is in, under a caption with its number, and text."""

from __future__ import annotations

import numpy as np
from minigrid.core.grid import Grid

from rlmem.envs.pixel_letters import draw_caption
from rlmem.envs.portal_specification import Room, words_at
from rlmem.envs.word_drawing import Frame, letter, render_grid, tile_object


def choose_tile_pixels(room_size: int) -> int:
    """A tile's side: 32 in small rooms, less in large ones, so that frames stay handy; even, as video wants it."""
    return max(8, min(32, 480 // (room_size + 2) // 2 * 2))


def build_grid(room: Room, agent: tuple[int, int] | None, room_size: int) -> Grid:
    """Build MiniGrid's grid of a room and its walls, the room's north-west cell at (1, 1).

    Args:
        room: the room.
        agent: (column, row) where the agent's marker goes; None: no marker.
        room_size: cells from wall to wall.

    Returns:
        The grid, room_size + 2 tiles square.
    """
    grid = Grid(room_size + 2, room_size + 2)
    for x, y in np.ndindex(room_size + 2, room_size + 2):
        grid.set(x, y, tile_object(words_at(x - 1, y - 1, agent, room, room_size)))
    return grid


def caption(room: Room, num_rooms: int) -> str:
    """What is written above a room."""
    return f"room {room.number} of {num_rooms}"


def draw_frame(
    room: Room, agent: tuple[int, int], room_size: int, num_rooms: int, tile_pixels: int, highlight: bool
) -> Frame:
    """Draw a room under its caption.

    Args:
        room: the room.
        agent: (column, row) of the agent.
        room_size: cells from wall to wall.
        num_rooms: for the caption.
        tile_pixels: a tile's side; the caption is as high, and never below 10 pixels.
        highlight: brighten the 3 x 3 cells that the agent sees.

    Returns:
        The frame, (height, width, 3).
    """
    seen_around = (agent[0] + 1, agent[1] + 1) if highlight else None
    picture = render_grid(build_grid(room, agent, room_size), tile_pixels, seen_around)
    return np.concatenate([draw_caption(caption(room, num_rooms), max(10, tile_pixels), picture.shape[1]), picture])


def draw_view(room: Room, agent: tuple[int, int], room_size: int, tile_pixels: int) -> Frame:
    """Draw only the 3 x 3 cells that the agent sees, (3 tile_pixels, 3 tile_pixels, 3)."""
    return render_grid(build_grid(room, agent, room_size).slice(*agent, 3, 3), tile_pixels)


def draw_text(room: Room, agent: tuple[int, int], room_size: int, num_rooms: int) -> str:
    """Draw a room in letters under its caption: # block, @ agent, R or B a door, space free."""
    around = range(-1, room_size + 1)
    rows = ["".join(letter(words_at(x, y, agent, room, room_size)) for x in around) for y in around]
    return "\n".join([caption(room, num_rooms), *rows])
