"""Sparse addresses: which K of G slots a step touches, and how strongly."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def sparse_address(
    logits: Tensor, num_slots: int, top_k: int, *, columns: int = 0, straight_through: bool = False
) -> tuple[Tensor, Tensor]:
    """The K slots of the largest logits: their numbers, and how strongly each is addressed.

    Args:
        logits: (..., G), one for each slot; with ``columns``, (..., G / columns + columns).
        num_slots: G; a single slot has no logits.
        top_k: K.
        columns: of the grid of a product address (see :func:`slot_grid`), or 0 for none.
        straight_through: all alike, with the gradients of their softmax over all slots, instead of
            the softmax of the chosen, scaled to unit length.

    Returns:
        Numbers of slots and strengths, both (..., K), the largest first.
    """
    if num_slots == 1:  # nothing to choose, and no logits
        slot = torch.zeros(*logits.shape[:-1], 1, dtype=torch.long, device=logits.device)
        return slot, logits.new_ones(slot.shape)
    if columns:
        slot, top = _top_k_of_grid(logits, columns, top_k)
    else:
        slot = arg_top_k(logits.detach(), top_k)
        top = logits.gather(-1, slot)
    if straight_through:
        if columns:
            axes = logits.tensor_split([num_slots // columns], -1)
            total = axes[0].logsumexp(-1, keepdim=True) + axes[1].logsumexp(-1, keepdim=True)
            probability = (top - total).exp()
        else:
            probability = logits.softmax(-1).gather(-1, slot)
        return slot, top_k**-0.5 + (probability - probability.detach())
    # Scaling to unit length cancels the softmax's own normaliser.
    return slot, F.normalize((top - top[..., :1].detach()).exp(), dim=-1)


def slot_grid(num_slots: int) -> tuple[int, int]:
    """Rows and columns of the most nearly square grid of so many slots, (1, G) for a prime G.

    Where a slot's logit is the sum of its row's and its column's, as in the product keys of Lample
    et al. (2019, arXiv:1907.05242), G slots need some 2 sqrt(G) logits instead of G.
    """
    rows = next(n for n in range(math.isqrt(num_slots), 0, -1) if num_slots % n == 0)
    return rows, num_slots // rows


def _top_k_of_grid(logits: Tensor, columns: int, k: int) -> tuple[Tensor, Tensor]:
    """Numbers and logits of the k largest sums of a row's and a column's logit, (..., k)."""
    row_logits, column_logits = logits.tensor_split([logits.shape[-1] - columns], -1)
    rows, row_top = _largest(row_logits, k)
    among, column_top = _largest(column_logits, k)
    # The k largest sums are all made of the k largest of both.
    sums = (row_top.unsqueeze(-1) + column_top.unsqueeze(-2)).flatten(-2)
    slots = (rows.unsqueeze(-1) * columns + among.unsqueeze(-2)).flatten(-2)
    best = arg_top_k(sums.detach(), k)
    return slots.gather(-1, best), sums.gather(-1, best)


def _largest(logits: Tensor, k: int) -> tuple[Tensor, Tensor]:
    where = arg_top_k(logits.detach(), min(k, logits.shape[-1]))
    return where, logits.gather(-1, where)


def arg_top_k(logits: Tensor, k: int) -> Tensor:
    """Numbers of the k largest logits, the largest first, (..., k)."""
    # The CPU's topk keeps a heap where a row is longer than 64 k, and else quickselects, which
    # takes up to three times as long as k passes of max (mispredicted branches: measure on fresh
    # numbers). Of the smallest tensors, what counts is the number of calls.
    if k > 4 or (k > 1 and (logits.shape[-1] > 64 * k or logits.numel() <= 1024)):
        return logits.topk(k, -1).indices
    found = [logits.max(-1, keepdim=True).indices]
    while len(found) < k:
        logits = logits.scatter(-1, found[-1], float("-inf"))
        found.append(logits.max(-1, keepdim=True).indices)
    return torch.cat(found, -1) if k > 1 else found[0]
