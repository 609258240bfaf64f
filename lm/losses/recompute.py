"""Keep a function's inputs instead of what it computed, and compute that again when it is needed.

``torch.utils.checkpoint`` does so for the first derivative only: the graph of a gradient, which a
:class:`FastWeightLayer` differentiates once more, is kept in full there. Here a gradient is itself
a function that is recomputed, so that derivatives of any order leave nothing but inputs behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function


def recompute(fn: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """``fn(*inputs)``, of which only the inputs are kept for the backward pass.

    Args:
        fn: A function without randomness or side effects. Gradients reach nothing but its
            arguments: parameters must be among them.
        *inputs: Its tensors, of any dtype.

    Returns:
        What ``fn`` returns; differentiable as often as ``fn`` is.
    """
    return cast(Tensor, _Recomputed.apply(fn, *inputs))


class _Recomputed(Function):
    @staticmethod
    def forward(ctx: Any, fn: Callable[..., Any], *inputs: Tensor) -> Any:
        ctx.fn = fn
        ctx.save_for_backward(*inputs)
        # The backward pass runs outside of the caller's autocast region; it must compute the same.
        ctx.autocast = [_autocast(kind) for kind in {tensor.device.type for tensor in inputs}]
        return fn(*inputs)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        inputs, fn, autocast = ctx.saved_tensors, ctx.fn, ctx.autocast
        count = len(inputs)
        wanted = [i for i in range(count) if ctx.needs_input_grad[i + 1]]

        def gradients(*given: Tensor) -> tuple[Tensor, ...]:
            differentiable = torch.is_grad_enabled()
            with torch.enable_grad():
                leaves = list(given[:count])
                for i in wanted:
                    if not differentiable or not leaves[i].requires_grad:
                        leaves[i] = leaves[i].detach().requires_grad_()
                y = _under(autocast, fn, leaves)
            return torch.autograd.grad(
                y, [leaves[i] for i in wanted], given[count:], create_graph=differentiable
            )

        found = _Recomputed.apply(gradients, *inputs, *upstream)
        result: list[Tensor | None] = [None] * count
        for i, gradient in zip(wanted, found, strict=True):
            result[i] = gradient
        return None, *result


def _autocast(kind: str) -> tuple[str, torch.dtype, bool]:
    return kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind)


def _under(settings: list[tuple[str, torch.dtype, bool]], fn: Callable[..., Any], args: Any) -> Any:
    """Call ``fn(*args)`` under the autocast settings that it ran under at first."""
    if not settings:
        return fn(*args)
    kind, dtype, enabled = settings[0]
    with torch.autocast(kind, dtype=dtype, enabled=enabled):
        return _under(settings[1:], fn, args)
