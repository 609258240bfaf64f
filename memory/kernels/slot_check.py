"""When the kernel for GPUs is used: on a device where it once was found to be right."""

from __future__ import annotations

import warnings
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor

from ..delta_rule import Writes, sequential
from .fused_fast_weights import FastWeightSizes
from .slots import has_triton, slot_weights
from .switch import kernels_wanted

CLOSE = 1e-4
"""Relative difference that single precision may make over a few steps."""
SIZES = FastWeightSizes(
    num_slots=5,
    top_k=2,
    key_size=8,
    value_size=12,
    additive=False,
    decay=False,
    straight_through=False,
)


def has_slot_kernel(sizes: FastWeightSizes, *tensors: Tensor) -> bool:
    """Whether the kernel can take these tensors: what was generated, then fast weights.

    It is for several slots, since a single one has no others to leave alone, and without decay,
    which touches them all. Before it is first used on a device, it is tried there.
    """
    return (
        kernels_wanted()
        and sizes.num_slots > 1
        and not sizes.decay
        and {x.dtype for x in tensors[1:]} in ({torch.float32}, {torch.float64})
        and all(x.device.type == "cuda" for x in tensors)
        and not torch.compiler.is_compiling()
        and not any(is_functorch_wrapped_tensor(x) for x in tensors)
        and has_triton()
        and works_on(tensors[0].device)
    )


@cache
def works_on(device: torch.device) -> bool:
    """Whether the kernel runs there and finds the right numbers; if not, it says so in a warning.

    There are more drivers, processors and versions of Triton than tests can try.
    """
    try:
        difference = largest_difference(device)
    except Exception as error:  # of the compiler, of the driver
        reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    else:
        if difference <= CLOSE:
            return True
        reason = f"its numbers differ by {difference:.1e}"
    warnings.warn(f"SparseFastWeights runs without its kernel on {device}: {reason}", stacklevel=2)
    return False


def largest_difference(device: torch.device) -> float:
    """Relative difference of values and gradients from the equations, over a few steps."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    batch, length, heads = 3, 20, 2
    steps = batch, length, heads
    slot = drawn(*steps, 2, SIZES.num_slots).topk(SIZES.top_k).indices.to(device)
    starts = (drawn(batch, length) < 0.2).to(device)
    inputs = [
        F.normalize(drawn(*steps, 2, SIZES.key_size), dim=-1),
        drawn(*steps, 2, SIZES.top_k),
        drawn(*steps, SIZES.value_size),
        drawn(*steps),
        drawn(heads, SIZES.num_slots, SIZES.key_size, SIZES.value_size),
    ]
    inputs = [x.to(device).requires_grad_() for x in inputs]

    def equations(*given: Tensor) -> tuple[Tensor, Tensor]:
        keys, strength, value, rate, weights, first = given
        address = strength.new_zeros(*steps, 2, SIZES.num_slots).scatter(-1, slot, strength)
        (key, query), (write, read) = keys.unbind(-2), address.unbind(-2)
        writes = Writes(key, write, value, rate, query, read)
        reads, errors, weights = sequential(writes, weights, first, starts)
        return torch.cat((reads, errors), -1), weights

    with torch.enable_grad():
        keys, strength, value, rate, initial = inputs
        weights = initial.expand(batch, *initial.shape)
        pairs = []
        for out, final in (
            slot_weights(
                SIZES, equations, slot, keys, strength, value, rate, weights, initial, starts
            ),
            equations(keys, strength, value, rate, weights, initial),
        ):
            loss = out.square().sum() + final.square().sum()
            gradients = torch.autograd.grad(loss, inputs)
            pairs.append([out.detach(), final.detach(), *gradients])
        found, expected = pairs
    return max(
        float((one - other).norm() / other.norm())
        for one, other in zip(found, expected, strict=True)
    )
