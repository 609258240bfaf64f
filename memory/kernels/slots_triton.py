"""Sparse fast weights on a GPU: the recurrence of delta_rule.py, by slots (Triton; no decay).

One program walks through the steps of one head of one row, and touches the K slots that a step
writes and the K that it reads: what a step costs does not depend on the number of slots, which
counts where a start resets all of them. Letters as in delta_rule.py; c (of K) numbers the slots of
an address, so that a = (K) strengths, and kappa = a ⊗ k is (K, k). Tiles are (K, k, v), padded to
powers of two. This module needs the package triton; :mod:`.slots` has what calls it.

Barriers stand between a store and a load that may be of the same slot: what one thread of a program
stores another one loads.
"""
# mypy: disable-error-code=no-untyped-def

import triton
import triton.language as tl


@triton.jit
def forward(
    keys,  # (B, T, H, 2, k) write key, read key
    slots,  # (B, T, H, 2, K) int64, different ones in each address
    strengths,  # (B, T, H, 2, K)
    values,  # (B, T, H, v)
    rates,  # (B, T, H)
    starts,  # (B, T) int8; unused where there are none
    initial,  # (H, G, k, v)
    weights,  # (B, H, G, k, v) before the first step; overwritten by those after the last
    out,  # (B, T, H, 2, v) reads, errors
    kept,  # (B, T, H, 2, K, k, v) slots before they are written, and as they are read
    length,
    heads,
    num_slots,
    HAS_STARTS: tl.constexpr,
    ADDITIVE: tl.constexpr,
    KEEP: tl.constexpr,
    TOP_K: tl.constexpr,
    KEY: tl.constexpr,
    VALUE: tl.constexpr,
    TOP_K_PAD: tl.constexpr,
    KEY_PAD: tl.constexpr,
    VALUE_PAD: tl.constexpr,
):
    """Write, then read, step by step."""
    row = tl.program_id(0).to(tl.int64)
    batch = row // heads
    head = row % heads
    c = tl.arange(0, TOP_K_PAD)
    i = tl.arange(0, KEY_PAD)
    j = tl.arange(0, VALUE_PAD)
    block = (i[:, None] < KEY) & (j[None, :] < VALUE)
    within = i[:, None] * VALUE + j[None, :]
    tile = (c[:, None, None] < TOP_K) & block[None, :, :]
    in_tile = c[:, None, None] * (KEY * VALUE) + within[None, :, :]
    weights += row * num_slots * (KEY * VALUE)
    initial += head * num_slots * (KEY * VALUE)
    for t in range(length):
        step = (batch * length + t) * heads + head
        if HAS_STARTS:  # noqa: SIM102
            if tl.load(starts + batch * length + t) != 0:
                for g in range(num_slots):
                    whole = g * (KEY * VALUE) + within
                    tl.store(weights + whole, tl.load(initial + whole, mask=block), mask=block)
                tl.debug_barrier()

        write = 2 * step
        key = tl.load(keys + write * KEY + i, mask=i < KEY, other=0.0)
        strength = tl.load(strengths + write * TOP_K + c, mask=c < TOP_K, other=0.0)
        slot = tl.load(slots + write * TOP_K + c, mask=c < TOP_K, other=0)
        kappa = strength[:, None] * key[None, :]
        place = weights + slot[:, None, None] * (KEY * VALUE) + within[None, :, :]
        held = tl.load(place, mask=tile, other=0.0)
        error = tl.load(values + step * VALUE + j, mask=j < VALUE, other=0.0)
        if not ADDITIVE:
            error -= tl.sum(tl.sum(kappa[:, :, None] * held, 0), 0)
        written = tl.load(rates + step) * kappa[:, :, None] * error[None, None, :]
        tl.store(place, held + written, mask=tile)
        tl.store(out + (write + 1) * VALUE + j, error, mask=j < VALUE)
        if KEEP:
            tl.store(kept + write * (TOP_K * KEY * VALUE) + in_tile, held, mask=tile)
        tl.debug_barrier()

        read = write + 1
        query = tl.load(keys + read * KEY + i, mask=i < KEY, other=0.0)
        strength = tl.load(strengths + read * TOP_K + c, mask=c < TOP_K, other=0.0)
        slot = tl.load(slots + read * TOP_K + c, mask=c < TOP_K, other=0)
        rho = strength[:, None] * query[None, :]
        place = weights + slot[:, None, None] * (KEY * VALUE) + within[None, :, :]
        held = tl.load(place, mask=tile, other=0.0)
        tl.store(
            out + write * VALUE + j,
            tl.sum(tl.sum(rho[:, :, None] * held, 0), 0),
            mask=j < VALUE,
        )
        if KEEP:
            tl.store(kept + read * (TOP_K * KEY * VALUE) + in_tile, held, mask=tile)
        tl.debug_barrier()


@triton.jit
def backward(
    keys,  # as in `forward`, and so are the next five
    slots,
    strengths,
    rates,
    starts,
    out,
    kept,
    d_out,  # (B, T, H, 2, v)
    d_weights,  # (B, H, G, k, v) after the last step; overwritten by those before the first
    d_keys,  # these and the next three of the shapes of what they are the gradients of
    d_strengths,
    d_values,
    d_rates,
    d_initial,  # (B, H, G, k, v), zero before; to be summed over B; unused without starts
    length,
    heads,
    num_slots,
    HAS_STARTS: tl.constexpr,
    ADDITIVE: tl.constexpr,
    TOP_K: tl.constexpr,
    KEY: tl.constexpr,
    VALUE: tl.constexpr,
    TOP_K_PAD: tl.constexpr,
    KEY_PAD: tl.constexpr,
    VALUE_PAD: tl.constexpr,
):
    """The gradients of `forward`, from the last step to the first."""
    row = tl.program_id(0).to(tl.int64)
    batch = row // heads
    head = row % heads
    c = tl.arange(0, TOP_K_PAD)
    i = tl.arange(0, KEY_PAD)
    j = tl.arange(0, VALUE_PAD)
    block = (i[:, None] < KEY) & (j[None, :] < VALUE)
    within = i[:, None] * VALUE + j[None, :]
    tile = (c[:, None, None] < TOP_K) & block[None, :, :]
    in_tile = c[:, None, None] * (KEY * VALUE) + within[None, :, :]
    d_weights += row * num_slots * (KEY * VALUE)
    if HAS_STARTS:
        d_initial += row * num_slots * (KEY * VALUE)
    for back in range(length):
        t = length - 1 - back
        step = (batch * length + t) * heads + head
        write = 2 * step
        read = write + 1

        # y = Fᵀ rho
        query = tl.load(keys + read * KEY + i, mask=i < KEY, other=0.0)
        strength = tl.load(strengths + read * TOP_K + c, mask=c < TOP_K, other=0.0)
        slot = tl.load(slots + read * TOP_K + c, mask=c < TOP_K, other=0)
        d_read = tl.load(d_out + write * VALUE + j, mask=j < VALUE, other=0.0)
        held = tl.load(kept + read * (TOP_K * KEY * VALUE) + in_tile, mask=tile, other=0.0)
        d_rho = tl.sum(held * d_read[None, None, :], 2)
        d_key = tl.sum(strength[:, None] * d_rho, 0)
        tl.store(d_keys + read * KEY + i, d_key, mask=i < KEY)
        d_strength = tl.sum(query[None, :] * d_rho, 1)
        tl.store(d_strengths + read * TOP_K + c, d_strength, mask=c < TOP_K)
        rho = strength[:, None] * query[None, :]
        place = d_weights + slot[:, None, None] * (KEY * VALUE) + within[None, :, :]
        d_held = tl.load(place, mask=tile, other=0.0)
        tl.store(place, d_held + rho[:, :, None] * d_read[None, None, :], mask=tile)
        tl.debug_barrier()

        # F = F_before + beta kappa ⊗ e, with e = v - F_beforeᵀ kappa (additive rule: e = v)
        key = tl.load(keys + write * KEY + i, mask=i < KEY, other=0.0)
        strength = tl.load(strengths + write * TOP_K + c, mask=c < TOP_K, other=0.0)
        slot = tl.load(slots + write * TOP_K + c, mask=c < TOP_K, other=0)
        kappa = strength[:, None] * key[None, :]
        place = d_weights + slot[:, None, None] * (KEY * VALUE) + within[None, :, :]
        d_held = tl.load(place, mask=tile, other=0.0)
        rate = tl.load(rates + step)
        error = tl.load(out + read * VALUE + j, mask=j < VALUE, other=0.0)
        pulled = tl.sum(tl.sum(kappa[:, :, None] * d_held, 0), 0)
        tl.store(d_rates + step, tl.sum(pulled * error, 0))
        d_error = tl.load(d_out + read * VALUE + j, mask=j < VALUE, other=0.0) + rate * pulled
        tl.store(d_values + step * VALUE + j, d_error, mask=j < VALUE)
        d_kappa = rate * tl.sum(d_held * error[None, None, :], 2)
        if not ADDITIVE:
            held = tl.load(kept + write * (TOP_K * KEY * VALUE) + in_tile, mask=tile, other=0.0)
            d_kappa -= tl.sum(held * d_error[None, None, :], 2)
            tl.store(place, d_held - kappa[:, :, None] * d_error[None, None, :], mask=tile)
        d_key = tl.sum(strength[:, None] * d_kappa, 0)
        tl.store(d_keys + write * KEY + i, d_key, mask=i < KEY)
        d_strength = tl.sum(key[None, :] * d_kappa, 1)
        tl.store(d_strengths + write * TOP_K + c, d_strength, mask=c < TOP_K)
        tl.debug_barrier()

        if HAS_STARTS:  # noqa: SIM102
            if tl.load(starts + batch * length + t) != 0:  # F_before is F*
                for g in range(num_slots):
                    whole = g * (KEY * VALUE) + within
                    d_block = tl.load(d_weights + whole, mask=block, other=0.0)
                    before = tl.load(d_initial + whole, mask=block, other=0.0)
                    tl.store(d_initial + whole, before + d_block, mask=block)
                    tl.store(d_weights + whole, tl.zeros_like(d_block), mask=block)
                tl.debug_barrier()
