"""Sparse fast weights on a CPU, from what the slow weights generate to reads and errors."""

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor

from ..delta_rule import log_decay
from .compiler import compiled
from .switch import kernels_wanted

SOURCE = Path(__file__).with_name("fast_weights.c")
PIECE = 16  # steps; handed to the C file
REALS = {torch.float32: "float", torch.float64: "double"}
STEPS_PER_THREAD = 2_000  # of one head; less is not worth waking a thread


class FastWeightSizes(NamedTuple):
    """A layer, as far as the kernel must know it."""

    num_slots: int
    top_k: int
    key_size: int
    value_size: int
    additive: bool
    decay: bool
    straight_through: bool
    columns: int = 0
    """Of the grid of slots whose rows and columns have the logits; 0 where each slot has one."""


def num_logits(sizes: FastWeightSizes) -> int:
    """Logits of one address."""
    if sizes.num_slots == 1:
        return 0
    return sizes.num_slots // sizes.columns + sizes.columns if sizes.columns else sizes.num_slots


Reference = Callable[[Tensor, Tensor, Tensor, Tensor | None], tuple[Tensor, Tensor]]


def has_kernel(sizes: FastWeightSizes, *tensors: Tensor) -> bool:
    """Whether the kernel can take these tensors."""
    return (
        kernels_wanted()
        and plain_on_cpu(*tensors)
        and _library(tensors[0].dtype, sizes.key_size, sizes.value_size) is not None
    )


def plain_on_cpu(*tensors: Tensor) -> bool:
    """Whether these are numbers of one precision on a CPU, which nobody transforms or compiles."""
    dtype = tensors[0].dtype
    return (
        dtype in REALS
        and all(x.dtype == dtype and x.device.type == "cpu" for x in tensors)
        and not torch.compiler.is_compiling()
        and not any(is_functorch_wrapped_tensor(x) for x in tensors)
    )


def fast_weights(
    sizes: FastWeightSizes,
    reference: Reference,
    made: Tensor,
    weights: Tensor,
    initial: Tensor,
    starts: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The recurrence over whole sequences, with gradients.

    Args:
        sizes: of the layer.
        reference: the same function of the last four arguments in torch, which gives the gradients
            of gradients.
        made: (B, T, H, W), what the slow weights generate: key, query, value, the logits of both
            addresses (if there is more than one slot), rate, and decay (if any), in this order.
        weights: (B, H, G, k, v) fast weights before the first step.
        initial: (H, G, k, v) learned initial fast weights.
        starts: (B, T) bool, or None.

    Returns:
        Reads and errors side by side (B, T, H, 2 v), and the fast weights after the last step.
    """
    return _FastWeights.apply(sizes, reference, made, weights, initial, starts)


def fast_weights_step(
    sizes: FastWeightSizes, made: Tensor, weights: Tensor, initial: Tensor, start: Tensor | None
) -> Tensor:
    """One step without gradients, which overwrites the contiguous ``weights``.

    Args and returns as for :func:`fast_weights`, without the dimension of time.
    """
    start = None if start is None else start[:, None]
    call = _Call(sizes, made.detach()[:, None], initial.detach(), start)
    return call.forward(weights, keep=False)[0][:, 0]


class _FastWeights(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        sizes: FastWeightSizes,
        reference: Reference,
        made: Tensor,
        weights: Tensor,
        initial: Tensor,
        starts: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        call = _Call(sizes, made, initial, starts)
        final = weights.clone(memory_format=torch.contiguous_format)
        out, pieces = call.forward(final, keep=any(ctx.needs_input_grad))
        ctx.call, ctx.reference = call, reference
        ctx.save_for_backward(made, weights, initial, starts, out, pieces)
        ctx.set_materialize_grads(False)
        return out, final

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        made, weights, initial, starts, out, pieces = ctx.saved_tensors
        d_out, d_final = grads
        if torch.is_grad_enabled():  # gradients of these gradients are wanted
            inputs = (made, weights, initial)
            outputs = ctx.reference(*inputs, starts)
            return None, None, *differentiable(outputs, inputs, grads), None
        d_weights = weights.new_zeros(weights.shape)
        if d_final is not None:
            d_weights += d_final
        d_out = torch.zeros_like(out) if d_out is None else d_out.contiguous()
        d_made, d_initial = ctx.call.backward(out, pieces, d_out, d_weights)
        return None, None, d_made, d_weights, d_initial, None


def differentiable(
    outputs: tuple[Tensor, ...], inputs: tuple[Tensor, ...], grads: tuple[Tensor | None, ...]
) -> list[Tensor | None]:
    """Gradients of those inputs that need them, which can be differentiated again."""
    given = [(y, grad) for y, grad in zip(outputs, grads, strict=True) if grad is not None]
    wanted = [x for x in inputs if x.requires_grad]
    found = iter(
        torch.autograd.grad(
            [y for y, _ in given],
            wanted,
            [grad for _, grad in given],
            create_graph=True,
            allow_unused=True,
        )
    )
    return [next(found) if x.requires_grad else None for x in inputs]


class _Writes(ctypes.Structure):
    """``Writes`` of the C file."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("length", "heads", "width", "slots", "top_k")),
        ("additive", ctypes.c_int64),
        ("straight_through", ctypes.c_int64),
        ("columns", ctypes.c_int64),
        ("made", ctypes.c_void_p),
        ("activated", ctypes.c_void_p),
        ("rate", ctypes.c_void_p),
        ("decay", ctypes.c_void_p),
        ("starts", ctypes.c_void_p),
        ("initial", ctypes.c_void_p),
        ("slot", ctypes.c_void_p),
        ("strength", ctypes.c_void_p),
    ]


class _Gradients(ctypes.Structure):
    """``Gradients`` of the C file."""

    _fields_ = [
        (name, ctypes.c_void_p) for name in ("made", "activated", "rate", "decay", "initial")
    ]


class _Call:
    """One call of the kernel: elementwise functions here, where torch has them for vectors."""

    def __init__(
        self, sizes: FastWeightSizes, made: Tensor, initial: Tensor, starts: Tensor | None
    ) -> None:
        self.sizes = sizes
        self.made, self.initial = made.contiguous(), initial.contiguous()
        self.starts = None if starts is None else starts.contiguous()
        # Copied first: on parts of rows, torch's functions take up to ten times as long.
        self.key_part = self.made[..., : 2 * sizes.key_size].contiguous()
        self.activated = F.silu(self.key_part)
        self.rate = self.made[..., -2 if sizes.decay else -1].contiguous().sigmoid()
        self.decay = log_decay(self.made[..., -1].contiguous()).exp() if sizes.decay else None
        accesses = (*self.made.shape[:3], 2, sizes.top_k)
        self.slot = torch.empty(accesses, dtype=torch.int64)
        self.strength = self.made.new_empty(accesses)
        library = _library(self.made.dtype, sizes.key_size, sizes.value_size)
        assert library is not None
        self.library = library

    def forward(self, weights: Tensor, *, keep: bool) -> tuple[Tensor, Tensor | None]:
        """Reads and errors, and where asked what ``backward`` needs; ``weights`` move on."""
        batch, length, heads, _ = self.made.shape
        out = self.made.new_empty(batch, length, heads, 2 * self.sizes.value_size)
        pieces = None
        if keep:
            pieces = out.new_empty(batch, heads, -(-length // PIECE), *self.initial.shape[1:])
        room = partial(torch.empty, 2 * self.sizes.top_k, dtype=torch.int64)
        self._run(self.library.forward, room, weights, out, pieces)
        return out, pieces

    def backward(
        self, out: Tensor, pieces: Tensor, d_out: Tensor, d_weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Gradients of ``made`` and ``initial``; ``d_weights`` move back to before the sequence."""
        d_made = torch.zeros_like(self.made)
        d_activated, d_rate = torch.empty_like(self.activated), torch.empty_like(self.rate)
        d_decay = None if self.decay is None else torch.zeros_like(self.decay)
        d_initial = torch.zeros_like(d_weights)  # of each row, so that threads do not meet
        gradients = _Gradients(*map(_pointer, (d_made, d_activated, d_rate, d_decay, d_initial)))
        copies = (1 + PIECE) * self.initial[0].numel()
        room = partial(out.new_empty, 2 * self.sizes.top_k + copies)
        arguments = (out, pieces, d_out, d_weights, ctypes.addressof(gradients))
        self._run(self.library.backward, room, *arguments)
        d_made[..., : 2 * self.sizes.key_size] = torch.ops.aten.silu_backward(
            d_activated, self.key_part
        )
        d_made[..., -2 if self.sizes.decay else -1] = d_rate * self.rate * (1 - self.rate)
        if self.decay is not None and d_decay is not None:
            d_made[..., -1] = d_decay * self.decay * (1 - self.decay)
        return d_made, d_initial.sum(0)

    def _run(
        self, function: Any, room: Callable[[], Tensor], *arguments: Tensor | int | None
    ) -> None:
        """Call a function of the library for all rows, in several threads if that is worth it.

        ``room`` gives each thread a work space of its own.
        """
        batch, length, heads, width = self.made.shape
        sizes = self.sizes
        writes = _Writes(
            length, heads, width, sizes.num_slots, sizes.top_k, sizes.additive,
            sizes.straight_through, sizes.columns,
            *map(_pointer, (
                self.made, self.activated, self.rate, self.decay, self.starts, self.initial,
                self.slot, self.strength,
            )),
        )  # fmt: skip
        pointers = [x if isinstance(x, int) else _pointer(x) for x in arguments]
        rows = batch * heads
        count = max(1, min(torch.get_num_threads(), rows * length // STEPS_PER_THREAD))

        def part(index: int) -> None:
            work = room()
            first, last = rows * index // count, rows * (index + 1) // count
            function(writes, *pointers, _pointer(work), first, last)

        if count == 1:
            part(0)
        else:
            list(_executor(count).map(part, range(count)))


def _pointer(x: Tensor | None) -> int | None:
    return None if x is None else x.data_ptr()


@cache
def _library(dtype: torch.dtype, key_size: int, value_size: int) -> ctypes.CDLL | None:
    macros = {"REAL": REALS[dtype], "KEY": key_size, "VALUE": value_size, "PIECE": PIECE}
    library = compiled(SOURCE, **macros)
    if library is not None:
        for function, pointers in ((library.forward, 4), (library.backward, 6)):
            rows = (ctypes.c_int64, ctypes.c_int64)
            function.argtypes = (ctypes.POINTER(_Writes), *[ctypes.c_void_p] * pointers, *rows)
            function.restype = None
    return library


@cache
def _executor(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="driftwise-kernel")


# Threads do not live on in a forked process.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_executor.cache_clear)
