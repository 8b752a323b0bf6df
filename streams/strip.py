"""The burnt-in clock: one row of 48 black and white cells across the top of a picture, the wall clock in milliseconds in 42 bits and a check.

Machines read it from any scaled or recompressed copy, so that the age of a picture is measured in the picture itself. No I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

CELLS: Final = 48
"""42 bits of milliseconds since 1970, most significant first, then 6 bits of checksum (sum of the seven 6-bit groups modulo 64)."""


def strip_rows(height: int) -> int:
    """How many rows of a picture of `height` rows the strip takes (a twenty-fourth, at least 4)."""
    return max(4, height // 24)


def strip_bits(wall_ms: int) -> list[int]:
    """The 48 cells of a time, 1 is white."""
    value = wall_ms & ((1 << 42) - 1)
    check = sum((value >> shift) & 63 for shift in range(0, 42, 6)) & 63
    return [(value << 6 | check) >> (CELLS - 1 - n) & 1 for n in range(CELLS)]


def draw_strip(picture: np.ndarray[Any, Any], wall_ms: int) -> None:
    """Write the clock into the top rows of `picture` (H × W or H × W × C, uint8) in place."""
    rows, width = strip_rows(picture.shape[0]), picture.shape[1]
    for n, bit in enumerate(strip_bits(wall_ms)):
        picture[:rows, n * width // CELLS:(n + 1) * width // CELLS] = 235 if bit else 16


def read_strip(picture: np.ndarray[Any, Any]) -> int | None:
    """Read the clock (milliseconds since 1970) from the top rows of `picture` of any size from 96 columns up; None where the check fails."""
    row, width = strip_rows(picture.shape[0]) // 2, picture.shape[1]
    value = 0
    for n in range(CELLS):
        cell = picture[row, (2 * n + 1) * width // (2 * CELLS)]
        value = value << 1 | int(float(cell.mean()) > 125)
    wall_ms = value >> 6
    return wall_ms if sum((wall_ms >> shift) & 63 for shift in range(0, 42, 6)) & 63 == value & 63 else None
