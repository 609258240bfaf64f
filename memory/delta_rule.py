"""The fast-weight recurrence: a readable reference, and the chunked form that training uses.

Letters: b batch, t (and s <= t) time, h head, g slot, k key, v value.

A head's fast weights F hold G slots, each a (k, v) matrix. With the write key
``kappa_t = a_t ⊗ k_t`` (address ⊗ key) and the read key ``rho_t = b_t ⊗ q_t`` (read address ⊗
query), both in R^(G k), every step writes and then reads:

    F̄_t = F* + gamma_t (F_{t-1} - F*)    forget towards the learned initial F* (gamma = 1: keep)
    e_t = v_t - F̄_tᵀ kappa_t             what the slots do not yet hold (additive rule: e_t = v_t)
    F_t = F̄_t + beta_t kappa_t ⊗ e_t     write
    y_t = F_tᵀ rho_t                      read

A start at t first sets F_{t-1} = F*.

The chunked form. Let D = F - F*; a start sets D to zero. Unrolling D over a chunk that begins with
D_0,

    e_t = v_t - F*ᵀ kappa_t - Γ_t D_0ᵀ kappa_t - Σ_{s<t} Γ_ts (kappa_t · kappa_s) beta_s e_s,

where Γ_ts is the product of the gammas of s+1..t, and zero if a start lies there. So all errors of
a chunk solve one unit lower triangular (C x C) system, and because kappa factors,
``kappa_t · kappa_s = (a_t · a_s)(k_t · k_s)``: the system is as small as that of a single slot. The
number of slots appears only where a chunk begins and ends. (WY form of DeltaNet: Yang et al. 2024,
"Parallelizing Linear Transformers with the Delta Rule"; the decay as in Gated DeltaNet, 2025.)
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .segments import segment_masks, split_time


class Writes(NamedTuple):
    """What the slow network generates for every step: one fast-weight write and one read.

    Attributes:
        key: (B, T, H, k) write keys, unit length.
        address: (B, T, H, G) write addresses over the slots, mostly zero.
        value: (B, T, H, v) values to store.
        rate: (B, T, H) update rates beta in (0, 1).
        query: (B, T, H, k) read keys.
        read_address: (B, T, H, G) read addresses over the slots.
        log_decay: (B, T, H) logarithms of gamma, at most zero; None keeps everything.
    """

    key: Tensor
    address: Tensor
    value: Tensor
    rate: Tensor
    query: Tensor
    read_address: Tensor
    log_decay: Tensor | None = None


def sequential(
    writes: Writes,
    weights: Tensor,
    initial: Tensor,
    starts: Tensor | None = None,
    *,
    additive: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the recurrence one step after the other, exactly as the equations read (the oracle).

    Args:
        writes: what to write and read, (B, T, ...).
        weights: (B, H, G, k, v) fast weights before the first step.
        initial: (H, G, k, v) learned initial fast weights F*.
        starts: (B, T) bool, True where the weights return to ``initial`` before the step.
        additive: store the value itself instead of the delta rule's error.

    Returns:
        The reads (B, T, H, v), the errors (B, T, H, v) and the weights (B, H, G, k, v) at the end.
    """
    reads, errors = [], []
    for t in range(writes.key.shape[1]):
        if starts is not None:
            weights = torch.where(starts[:, t, None, None, None, None], initial, weights)
        if writes.log_decay is not None:
            gamma = writes.log_decay[:, t, :, None, None, None].exp()
            weights = initial + gamma * (weights - initial)
        error = writes.value[:, t]
        if not additive:
            stored = (writes.address[:, t], writes.key[:, t], weights)
            error = error - torch.einsum("bhg,bhk,bhgkv->bhv", *stored)
        update = (writes.address[:, t], writes.key[:, t], writes.rate[:, t, :, None] * error)
        weights = weights + torch.einsum("bhg,bhk,bhv->bhgkv", *update)
        wanted = (writes.read_address[:, t], writes.query[:, t], weights)
        reads.append(torch.einsum("bhg,bhk,bhgkv->bhv", *wanted))
        errors.append(error)
    return torch.stack(reads, 1), torch.stack(errors, 1), weights


def chunked(
    writes: Writes,
    weights: Tensor | None,
    initial: Tensor,
    starts: Tensor | None = None,
    *,
    additive: bool = False,
    chunk_size: int = 32,
) -> tuple[Tensor, Tensor, Tensor]:
    """Equal to :func:`sequential`, values and gradients, in matrix products and one solve a chunk.

    One limit: what a start cuts off is multiplied by zero, so that a NaN or an infinity before the
    start still spoils what follows it.

    Args:
        writes: as in :func:`sequential`.
        weights: as there; None says that they are ``initial``, which saves the first chunk's reads.
        initial: as there.
        starts: as there.
        additive: as there.
        chunk_size: steps solved together; T need not be a multiple of it.

    Returns:
        As :func:`sequential`.
    """
    # Time last but one, so that every product below is one batched matrix product.
    parts = [
        x.transpose(1, 2).split(chunk_size, 2)
        for x in (
            writes.key, writes.address, writes.query, writes.read_address,
            writes.value, writes.rate.unsqueeze(-1),
        )
    ]  # fmt: skip
    start_parts = split_time(starts, chunk_size, len(parts[0]))
    decay_parts = split_time(writes.log_decay, chunk_size, len(parts[0]))
    slots = initial.shape[1]
    # torch solves no triangular system in half precision.
    solved_in = torch.promote_types(writes.value.dtype, torch.float32)
    initial = initial.flatten(1, 2)  # (h, g k, v)
    current = initial if weights is None else weights.flatten(2, 3)

    reads, errors = [], []
    for i, (k, a, q, b, value, beta) in enumerate(zip(*parts, strict=True)):
        length = k.shape[2]
        # The write keys, and under them the read keys: (b, h, 2t, ...).
        keys, addresses = torch.cat((k, q), 2), torch.cat((a, b), 2)
        joint = _joint(addresses, keys)
        overlap = (keys @ k.mT) * (addresses @ (beta * a).mT)  # (b, h, 2t, s)
        left = _what_is_left(start_parts[i], decay_parts[i])
        if left is None:
            stored = joint @ current
            overlap_write, overlap_read = overlap[:, :, :length], overlap[:, :, length:].tril()
            kept, faded = current, beta
        else:
            between, since_begin, until_end = left
            deviation = current - initial
            stored = joint @ initial + since_begin.repeat(1, 1, 2, 1) * (joint @ deviation)
            overlap_write, overlap_read = (overlap * between.repeat(1, 1, 2, 1)).split(length, 2)
            kept, faded = initial + since_begin[:, :, -1:] * deviation, beta * until_end
        stored_write, stored_read = stored.split(length, 2)
        # The solver reads what lies below the diagonal and takes the diagonal to be one.
        error = value if additive else torch.linalg.solve_triangular(
            overlap_write.to(solved_in), (value - stored_write).to(solved_in),
            upper=False, unitriangular=True,
        ).to(value.dtype)  # fmt: skip
        reads.append(stored_read + overlap_read @ error)
        errors.append(error)
        current = kept + joint[:, :, :length].mT @ (faded * error)

    final = current.unflatten(-2, (slots, -1))
    return torch.cat(reads, 2).transpose(1, 2), torch.cat(errors, 2).transpose(1, 2), final


def log_decay(made: Tensor) -> Tensor:
    """Logarithm of gamma from what the slow weights generate; begins near sigmoid(4) = 0.98."""
    # Below exp(-30) nothing is left of what was, and sums of larger logarithms would lose those
    # next to them to rounding.
    return F.logsigmoid(made + 4.0).clamp(min=-30.0)


def _joint(address: Tensor, key: Tensor) -> Tensor:
    """Outer product of address and key, (b, h, t, g k)."""
    return (address.unsqueeze(-1) * key.unsqueeze(-2)).flatten(-2)


def _what_is_left(
    starts: Tensor | None, log_decay: Tensor | None
) -> tuple[Tensor, Tensor, Tensor] | None:
    """How much of what step s wrote is left at step t of a chunk: 0 across a start and for s > t.

    Returns:
        From s to t, (b, h, t, s); from before the chunk to t, (b, h, t, 1); from s to the chunk's
        end, (b, h, s, 1); the first two dimensions may be 1. None if nothing is ever forgotten.
    """
    if starts is not None:
        same, before_any = segment_masks(starts)
        between, since_begin = same.unsqueeze(1), before_any[:, None, :, None]
    elif log_decay is not None:
        length = log_decay.shape[1]
        between = log_decay.new_ones(1, 1, length, length, dtype=torch.bool).tril()
        since_begin = between[..., :1]
    else:
        return None
    if log_decay is not None:
        # Differences of sums: half precision would leave nothing of them.
        wide = torch.promote_types(log_decay.dtype, torch.float32)
        total = log_decay.mT.to(wide).cumsum(-1)  # (b, h, t)
        # Masked before the exponential: what lies above the diagonal would overflow.
        ratio = total[..., :, None] - total[..., None, :]
        between = ratio.masked_fill(~between, float("-inf")).exp().to(log_decay.dtype)
        since_begin = total.unsqueeze(-1).exp().to(log_decay.dtype) * since_begin
    return between, since_begin, between[..., -1, :, None]
