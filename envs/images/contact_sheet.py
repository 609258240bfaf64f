"""Many small images in one, to look at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arguments import check_count


def contact_sheet(images: NDArray[np.uint8], scale: int = 1) -> NDArray[np.uint8]:
    """Images (rows, columns, H, W) side by side, dark ink on white paper.

    Args:
        images: Ink is 255, paper 0.
        scale: Side of the square of pixels that each pixel becomes.

    Returns:
        One grey image (rows * H * scale, columns * W * scale).

    Raises:
        TypeError, ValueError: The images are not of this kind, or ``scale`` is not at least 1.
    """
    check_count("scale", scale, least=1)
    images = np.asarray(images)
    if images.ndim != 4 or images.dtype != np.uint8:
        raise ValueError(
            "images must be uint8 in the shape (rows, columns, H, W), "
            f"got {images.dtype} {images.shape}"
        )
    rows, columns, height, width = images.shape
    sheet = 255 - images.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
    return sheet.repeat(scale, axis=0).repeat(scale, axis=1)
