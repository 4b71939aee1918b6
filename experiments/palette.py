"""The colours of drawn pictures: those of the trace page's light theme (`page/trace.css`), as (red, green, blue)."""

from __future__ import annotations

Colour = tuple[int, int, int]

PAGE: Colour = (0xF4, 0xF5, 0xF7)
SURFACE: Colour = (0xFF, 0xFF, 0xFF)
SUNKEN: Colour = (0xEE, 0xF0, 0xF3)
LINE: Colour = (0xD6, 0xDB, 0xE1)
TEXT: Colour = (0x17, 0x1C, 0x21)
MUTED: Colour = (0x55, 0x60, 0x6B)
MARKED: Colour = (0x00, 0x72, 0xB2)
PLAIN: Colour = (0x8F, 0x99, 0xA3)
NOW: Colour = (0xD5, 0x5E, 0x00)
GOOD: Colour = (0x00, 0x70, 0x4F)
BAD: Colour = (0xB3, 0x47, 0x00)
HEAT: tuple[Colour, ...] = (SUNKEN, (0x9E, 0xCA, 0xE6), MARKED, (0x00, 0x24, 0x3D))


def heat(share: float) -> Colour:
    """The colour of a share of attention in [0, 1]; by the square root, so that one per cent is seen."""
    place = min(max(share, 0.0), 1.0) ** 0.5 * (len(HEAT) - 1)
    low = min(int(place), len(HEAT) - 2)
    red, green, blue = (
        round(start + (end - start) * (place - low)) for start, end in zip(HEAT[low], HEAT[low + 1], strict=True)
    )
    return red, green, blue
