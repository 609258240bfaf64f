"""Pictures of a step: as text, and as images drawn with numpy alone."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

RENDER_MODES = ["ansi", "rgb_array"]


class Picture(Protocol):
    """One step of one world, ready to be drawn."""

    def draw(self, render_mode: str) -> str | NDArray[np.uint8]:
        """Text, or an image (height, width, 3) of uint8."""


def check_render_mode(render_mode: str | None) -> None:
    """Raises ValueError for a mode that is not known."""
    if render_mode is not None and render_mode not in RENDER_MODES:
        raise ValueError(f'render_mode must be None, "ansi" or "rgb_array", got {render_mode!r}')


def paint_disc(
    image: NDArray[np.uint8],
    row: float,
    column: float,
    radius: float,
    color: tuple[int, int, int],
) -> None:
    """Paints a disc with a soft edge, centred at (row, column) in pixels, onto an image."""
    height, width = image.shape[:2]
    top, left = (max(0, int(place - radius) - 1) for place in (row, column))
    bottom, right = (int(place + radius) + 2 for place in (row, column))
    rows, columns = np.arange(height) + 0.5, np.arange(width) + 0.5
    distance = np.hypot(rows[top:bottom, None] - row, columns[left:right] - column)
    share = (radius + 0.5 - distance).clip(0, 1)[..., None]
    patch = image[top:bottom, left:right]
    patch[:] = (patch * (1 - share) + np.array(color) * share).round().astype(np.uint8)
