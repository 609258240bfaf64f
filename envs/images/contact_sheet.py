"""Many small images in one, to look at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def contact_sheet(images: NDArray[np.uint8], scale: int = 1) -> NDArray[np.uint8]:
    """Images (rows, columns, H, W) side by side, dark ink on white paper.

    Args:
        images: Ink is 255, paper 0.
        scale: Side of the square of pixels that each pixel becomes.

    Returns:
        One grey image (rows * H * scale, columns * W * scale).
    """
    rows, columns, height, width = images.shape
    sheet = 255 - images.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
    return sheet.repeat(scale, axis=0).repeat(scale, axis=1)
