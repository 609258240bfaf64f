"""Kernels: in C for the CPU, compiled on first use where there is a compiler, in Triton for GPUs.

Each has a reference in torch, to which tests hold it, and which runs wherever the kernel cannot:
without a compiler or Triton, in half precision, under ``torch.func`` and ``torch.compile``.
:func:`without_kernels`, or the environment variable ``DRIFTWISE_KERNELS=0``, switches them off.
"""

from .compiler import compiled
from .fused_fast_weights import (
    FastWeightSizes,
    fast_weights,
    fast_weights_step,
    has_kernel,
    num_logits,
)
from .slot_check import has_slot_kernel
from .slots import slot_weights
from .switch import kernels_wanted, without_kernels

__all__ = [
    "FastWeightSizes",
    "compiled",
    "fast_weights",
    "fast_weights_step",
    "has_kernel",
    "has_slot_kernel",
    "kernels_wanted",
    "num_logits",
    "slot_weights",
    "without_kernels",
]
