"""Sparse fast weights on a GPU, from keys and addresses to reads and errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from .fused_fast_weights import FastWeightSizes, differentiable

KEPT_BYTES = 2**30  # at most, of the slots that a backward pass computes again

Reference = Callable[..., tuple[Tensor, Tensor]]


def slot_weights(
    sizes: FastWeightSizes,
    reference: Reference,
    slot: Tensor,
    keys: Tensor,
    strength: Tensor,
    value: Tensor,
    rate: Tensor,
    weights: Tensor,
    initial: Tensor,
    starts: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The recurrence over whole sequences, with gradients; in the precision of ``weights``.

    Nothing but arguments and results is kept for the backward pass, which runs forward again, in
    parts of the rows whose slots fit into a gigabyte.

    Args:
        sizes: of the layer.
        reference: the same function of ``keys`` to ``initial`` in torch, which gives the gradients
            of gradients.
        slot: (B, T, H, 2, K) int64, the slots that are written, and those that are read.
        keys: (B, T, H, 2, k) write and read keys.
        strength: (B, T, H, 2, K) of the addresses.
        value: (B, T, H, v).
        rate: (B, T, H).
        weights: (B, H, G, k, v) fast weights before the first step.
        initial: (H, G, k, v) learned initial fast weights.
        starts: (B, T) bool, or None.

    Returns:
        Reads and errors side by side (B, T, H, 2 v), and the fast weights after the last step.
    """
    dtype = weights.dtype
    made = (x.to(dtype).contiguous() for x in (keys, strength, value, rate))
    flags = None if starts is None else starts.to(torch.int8).contiguous()
    fixed = sizes, reference, slot.contiguous(), flags
    out, final = _SlotWeights.apply(*fixed, *made, weights, initial)
    return out.flatten(-2), final


class _SlotWeights(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        sizes: FastWeightSizes,
        reference: Reference,
        slot: Tensor,
        starts: Tensor | None,
        *inputs: Tensor,
    ) -> tuple[Tensor, Tensor]:
        *made, weights, initial = inputs
        final = weights.clone(memory_format=torch.contiguous_format)
        out = _forward(sizes, slot, starts, made, final, initial, None)
        ctx.sizes, ctx.reference = sizes, reference
        ctx.save_for_backward(slot, starts, out, *inputs)
        ctx.set_materialize_grads(False)
        return out, final

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        slot, starts, out, *inputs = ctx.saved_tensors
        if torch.is_grad_enabled():  # gradients of these gradients are wanted
            reads_and_errors, final = ctx.reference(*inputs)
            outputs = reads_and_errors.unflatten(-1, (2, -1)), final
            return *[None] * 4, *differentiable(outputs, tuple(inputs), grads)
        *made, weights, initial = inputs
        d_out, d_final = grads
        d_out = torch.zeros_like(out) if d_out is None else d_out.contiguous()
        d_weights = weights.new_zeros(weights.shape)
        if d_final is not None:
            d_weights += d_final
        d_made, d_initial = [torch.empty_like(x) for x in made], torch.zeros_like(initial)

        each = *slot.shape[1:], *initial.shape[2:]  # of the slots that are kept for a row
        rows = max(1, KEPT_BYTES // (math.prod(each) * out.element_size()))
        for first in range(0, len(out), rows):
            part = slice(first, first + rows)  # of tensors that are batch first: still contiguous
            flags = None if starts is None else starts[part]
            own = [x[part] for x in made]
            kept = out.new_empty(len(own[0]), *each)
            before = weights[part].clone(memory_format=torch.contiguous_format)
            _forward(ctx.sizes, slot[part], flags, own, before, initial, kept)
            d_initial += _backward(
                ctx.sizes, slot[part], flags, own, out[part], kept,
                d_out[part], d_weights[part], [x[part] for x in d_made],
            )  # fmt: skip
        return *[None] * 4, *d_made, d_weights, d_initial


def _forward(
    sizes: FastWeightSizes,
    slot: Tensor,
    starts: Tensor | None,
    made: Sequence[Tensor],
    weights: Tensor,
    initial: Tensor,
    kept: Tensor | None,
) -> Tensor:
    """Reads and errors (B, T, H, 2, v); ``weights`` move on, and ``kept`` is filled."""
    from . import slots_triton  # needs the package

    keys, strength, value, rate = made
    out = value.new_empty(*rate.shape, 2, sizes.value_size)
    tensors = (keys, slot, strength, value, rate, starts, initial.contiguous(), weights, out, kept)
    _launch(slots_triton.forward, sizes, tensors, starts, KEEP=kept is not None)
    return out


def _backward(
    sizes: FastWeightSizes,
    slot: Tensor,
    starts: Tensor | None,
    made: Sequence[Tensor],
    out: Tensor,
    kept: Tensor,
    d_out: Tensor,
    d_weights: Tensor,
    d_made: Sequence[Tensor],
) -> Tensor | float:
    """The gradient of the initial weights; ``d_weights`` move back, and ``d_made`` is filled."""
    from . import slots_triton

    keys, strength, _, rate = made
    d_keys, d_strength, d_value, d_rate = d_made
    d_initial = None if starts is None else torch.zeros_like(d_weights)  # of each row
    tensors = (
        keys, slot, strength, rate, starts, out, kept, d_out, d_weights,
        d_keys, d_strength, d_value, d_rate, d_initial,
    )  # fmt: skip
    _launch(slots_triton.backward, sizes, tensors, starts)
    return 0.0 if d_initial is None else d_initial.sum(0)


def _launch(
    kernel: Any,
    sizes: FastWeightSizes,
    tensors: Sequence[Tensor | None],
    starts: Tensor | None,
    **options: bool,
) -> None:
    """Run a kernel, one program for each head of each row."""
    import triton

    batch, length, heads = next(x for x in tensors if x is not None).shape[:3]
    given = {"TOP_K": sizes.top_k, "KEY": sizes.key_size, "VALUE": sizes.value_size}
    padded = {f"{name}_PAD": triton.next_power_of_2(size) for name, size in given.items()}
    numbers = math.prod(padded.values())
    with torch.cuda.device_of(tensors[0]):
        kernel[(batch * heads,)](
            *tensors,
            length,
            heads,
            sizes.num_slots,
            HAS_STARTS=starts is not None,
            ADDITIVE=sizes.additive,
            **options,
            **given,
            **padded,
            num_warps=min(max(numbers // 256, 1), 8),
            num_stages=1,  # steps must not be overlapped: they read what was written
        )


@cache
def has_triton() -> bool:
    """Whether Triton is installed."""
    return find_spec("triton") is not None
