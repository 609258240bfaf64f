"""From large black-and-white images to small grey ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def shrink(ink: NDArray[np.bool_], size: int) -> NDArray[np.uint8]:
    """Area averaging: each new pixel is the share of its square that is inked, times 255.

    Pixels on the edge of a square count by the part that lies within. All numbers on the way are
    integers, so that the result is the same on every machine.

    Args:
        ink: Images (..., S, S), True where there is ink.
        size: Side of the new images, at most S.

    Returns:
        Images (..., size, size), 255 where all is ink; halves are rounded up.
    """
    large = ink.shape[-1]
    # In a unit that divides both: old pixel i is [i * size, (i + 1) * size), the new one
    # [j * large, (j + 1) * large).
    new, old = np.arange(size)[:, None] * large, np.arange(large) * size
    overlap = np.minimum(new + large, old + size) - np.maximum(new, old)
    weights = overlap.clip(0).astype(np.float32)  # exact: sums stay below 2 ** 24
    # Plain matrix products: along the columns, then along the rows.
    narrow = ink.reshape(-1, large).astype(np.float32) @ weights.T
    turned = np.swapaxes(narrow.reshape(-1, large, size), 1, 2).reshape(-1, large) @ weights.T
    total = np.swapaxes(turned.reshape(*ink.shape[:-2], size, size), -1, -2)
    area = large * large
    return ((510 * total.astype(np.int64) + area) // (2 * area)).astype(np.uint8)
