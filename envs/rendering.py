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
