"""What attention sees, and where: windows across calls, documents, and rotary positions."""

from __future__ import annotations

import torch
from torch import Tensor


def window_mask(starts: Tensor | None, known: Tensor | None, length: int, window: int) -> Tensor:
    """What the positions of a piece of text attend to.

    Position t sees itself and the ``window`` positions before it, those of earlier pieces included,
    as far as no start lies in between.

    Args:
        starts: (B, T) bool, where a row is reset before it reads t; None where none is.
        known: (B, W) bool, which of the last W positions before the piece hold something; None
            where there are none.
        length: T.
        window: W.

    Returns:
        (B or 1, 1, T, W + T) bool, or (B or 1, 1, T, T) where ``known`` is None.
    """
    device = starts.device if starts is not None else known.device if known is not None else None
    t = torch.arange(length, device=device).unsqueeze(1)
    s = torch.arange(length, device=device)
    mask = ((s <= t) & (t - s <= window)).unsqueeze(0)
    if starts is not None:
        segment = starts.cumsum(1)
        mask = mask & (segment.unsqueeze(2) == segment.unsqueeze(1))
    if known is not None:
        # Slot j of the state is W - j positions before the piece.
        earlier = known.unsqueeze(1) & (torch.arange(window, device=device) >= t)
        if starts is not None:
            earlier = earlier & (segment == 0).unsqueeze(2)
        mask = torch.cat((earlier, mask.expand(len(known), -1, -1)), 2)
    return mask.unsqueeze(1)


def rotary_table(length: int, head_size: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the angles of positions 0 to length - 1, each (length, head_size / 2).

    (Su et al. 2021, arXiv:2104.09864.) The angles are computed in float64: thousands of positions
    times a frequency lose all but a few digits in half precision.

    Args:
        length: Positions.
        head_size: An even number.
        like: A tensor of the wanted dtype and device.
    """
    half = head_size // 2
    exponent = torch.arange(half, dtype=torch.float64, device=like.device) / half
    position = torch.arange(length, dtype=torch.float64, device=like.device)
    angle = torch.outer(position, 10_000.0**-exponent)
    return angle.cos().to(like.dtype), angle.sin().to(like.dtype)


def rotate(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate the pairs (i, i + head_size / 2) of x (..., T, head_size) by the angles of its T."""
    cos, sin = table
    first, second = x.chunk(2, -1)
    return torch.cat((first * cos - second * sin, first * sin + second * cos), -1)
