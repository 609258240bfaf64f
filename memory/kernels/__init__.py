"""Kernels written in C, compiled on first use where the machine has a compiler.

Each has a reference in torch, to which tests hold it, and which runs wherever the kernel cannot:
without a compiler, on a GPU, in half precision, under ``torch.func`` and ``torch.compile``.
:func:`without_kernels`, or the environment variable ``DRIFTWISE_KERNELS=0``, switches them off.
"""

from .compiler import compiled
from .fused_fast_weights import FastWeightSizes, fast_weights, fast_weights_step, has_kernel
from .switch import kernels_wanted, without_kernels

__all__ = [
    "FastWeightSizes",
    "compiled",
    "fast_weights",
    "fast_weights_step",
    "has_kernel",
    "kernels_wanted",
    "without_kernels",
]
