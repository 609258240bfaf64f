"""Writes to a few of many slots, and reads from them, for one step of all rows and heads.

Letters used for shapes: B rows, H heads, G slots, K of them addressed, k and v widths of keys and
values.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class SlotAccess(NamedTuple):
    """One write and one read for every step and head, in this order where both have an axis."""

    keys: Tensor  # (..., H, 2, k)
    slot: Tensor  # (..., H, 2, K) numbers of the addressed slots, all different
    strength: Tensor  # (..., H, 2, K)
    value: Tensor  # (..., H, v)
    rate: Tensor  # (..., H)
    log_decay: Tensor | None  # (..., H)


def step_slots(
    access: SlotAccess, weights: Tensor, initial: Tensor, start: Tensor | None, *, additive: bool
) -> tuple[Tensor, Tensor]:
    """Reads and errors (B, H, 2 v) of one step, and the weights after it.

    Args:
        access: what to write, and where to write and read.
        weights: (B, H, G, k, v), contiguous; may be overwritten.
        initial: (H, G, k, v) what rows begin with and fade to.
        start: (B,) rows that begin anew, or None.
        additive: add values, whatever is held there.
    """
    if start is not None:
        weights = _reset(weights, initial, start)
    if access.log_decay is not None:
        gamma = access.log_decay.exp()[:, :, None, None, None].to(weights.dtype)
        weights = torch.lerp(initial, weights, gamma)
    slots = weights.flatten(0, 2)  # of all rows and heads
    kappa, rho = _joint(access).unbind(2)
    to_write, to_read = _places(access, weights).unbind(2)
    held = _held(weights, to_write)
    error = access.value
    if not additive:
        error = error - (kappa @ held).squeeze(-2)
    written = torch.addcmul(held, kappa.mT, (access.rate.unsqueeze(-1) * error).unsqueeze(-2))
    # Not index_add_, which is slower: the slots of one address are all different.
    slots.index_copy_(0, to_write.flatten(), written.view(-1, *slots.shape[1:]))
    read = (rho @ _held(weights, to_read)).squeeze(-2)
    return torch.cat((read, error), -1), weights


def read_slots(access: SlotAccess, weights: Tensor) -> Tensor:
    """One read (B, H, v) of what is there."""
    rho, to_read = _joint(access)[:, :, 1], _places(access, weights)[:, :, 1]
    return (rho @ _held(weights, to_read)).squeeze(-2)


def _joint(access: SlotAccess) -> Tensor:
    """Kappa and rho of the addressed slots, (B, H, 2, 1, K k)."""
    joint = access.strength.unsqueeze(-1) * access.keys.unsqueeze(-2)
    return joint.flatten(-2).unsqueeze(-2)


def _places(access: SlotAccess, weights: Tensor) -> Tensor:
    """Where the addressed slots are among those of all rows and heads, (B, H, 2, K)."""
    rows, heads, slots = weights.shape[:3]
    first = torch.arange(0, rows * heads * slots, slots, device=weights.device)
    return access.slot + first.view(rows, heads, 1, 1)


def _held(weights: Tensor, places: Tensor) -> Tensor:
    """What addressed slots hold, (B, H, K k, v)."""
    rows, heads, _, keys, values = weights.shape
    held = weights.flatten(0, 2).index_select(0, places.flatten())
    return held.view(rows, heads, places.shape[-1] * keys, values)


def _reset(weights: Tensor, initial: Tensor, start: Tensor) -> Tensor:
    """Put rows back to the initial weights, in place where that saves a copy."""
    if start.device.type != "cpu":  # where asking whether there are any would be a wait
        return torch.where(start.view(-1, 1, 1, 1, 1), initial, weights)
    if start.any():
        weights[start] = initial
    return weights
