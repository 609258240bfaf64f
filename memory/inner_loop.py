"""Gradient descent as a differentiable function: the inner loop of meta-learning.

Letters used for shapes: T tasks (or seeds), s the shape of a tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.func import grad, vmap

from .contract import check_rates, check_sizes, kind_of
from .functional import Parameters
from .vmapped_norms import PlainNorms

Loss = Callable[..., Tensor]
"""``loss(parameters, *batch)``, a number."""
StepSizes = Mapping[str, Tensor] | float


def inner_step(
    loss: Loss,
    parameters: Mapping[str, Tensor],
    step_sizes: StepSizes,
    *batch: Any,
    first_order: bool = True,
    vmapped: bool = False,
) -> Parameters:
    """One step of gradient descent, ``p - step_size * grad``, as new tensors.

    Gradients flow from the result to the parameters and to the step sizes. With ``first_order``,
    the inner gradients count as constants: after K steps from theta by step sizes s,
    the gradient of a loss L is grad L(phi_K) for theta, and minus that times the sum of the K
    inner gradients, elementwise, for s. Without it they are differentiated through.

    An online learner keeps the result and goes on from it, batch after batch; ``detach`` it (or be
    under ``torch.no_grad()``) where no gradient is to reach further back.

    Args:
        loss: called as ``loss(parameters, *batch)``.
        parameters: tensors by name, as of ``dict(module.named_parameters())``.
        step_sizes: by name, each of its tensor's shape, as an ``UpdateMask`` returns them; tensors
            without one stay as they are. Or one number for all.
        *batch: what else the loss takes.
        first_order: see above.
        vmapped: do T steps at once: parameters (T, *s) and every tensor of ``batch`` have a leading
            dimension, and step sizes may have it. One call for all tasks, or for all seeds of an
            experiment; faster than a loop where the tensors are small (see docs/masks.md).

    Raises:
        TypeError: ``step_sizes`` are neither tensors by name nor a number.
        ValueError: ``step_sizes`` are the number 0, name a tensor that is not there, or
            have another shape than theirs; or ``loss`` is no number, or (seen without ``vmapped``)
            does not depend on the tensors it is given: it may read a module's own.
    """
    if not parameters:
        raise ValueError("parameters must hold at least one tensor, got none")
    sizes = _named(step_sizes, parameters, vmapped)
    through = not first_order and torch.is_grad_enabled()
    start = dict(parameters) if through else {n: p.detach() for n, p in parameters.items()}
    moving = {name: start[name] for name in sizes}
    still = {name: p for name, p in start.items() if name not in sizes}
    if vmapped:
        every = vmap(
            grad(lambda moved, kept, *rest: loss(kept | moved, *rest)), randomness="different"
        )
        with PlainNorms() if through else nullcontext():
            gradients = every(moving, still, *batch)
    else:
        with torch.enable_grad():
            # Not torch.func.grad, which always records its own way back: 15 to 35 % slower.
            leaves = {
                name: p if p.requires_grad else p.detach().requires_grad_()
                for name, p in moving.items()
            }
            value = loss(still | leaves, *batch)
            found = _gradients(value, list(leaves.values()), create_graph=through)
        gradients = dict(zip(leaves, found, strict=True))
    moved = {name: parameters[name] - size * gradients[name] for name, size in sizes.items()}
    return {name: moved.get(name, p) for name, p in parameters.items()}


def inner_loop(
    loss: Loss,
    parameters: Mapping[str, Tensor],
    step_sizes: StepSizes,
    *batch: Any,
    steps: int,
    first_order: bool = True,
    vmapped: bool = False,
    check: bool = True,
) -> Parameters:
    """Several steps on the same batch, by the same step sizes: see :func:`inner_step`.

    Args:
        loss: see there, like all that is not named here.
        parameters: see there.
        step_sizes: see there.
        *batch: see there.
        steps: K, at least 1.
        first_order: see there.
        vmapped: see there.
        check: see whether the result is finite. Not inside a transform of ``torch.func``.

    Raises:
        ValueError: see there.
        FloatingPointError: a tensor is no longer finite; names it and the first step (and with
            ``vmapped`` the task) after which one is not.
    """
    check_sizes(steps=steps)
    fast = dict(parameters)
    for _ in range(steps):
        fast = inner_step(loss, fast, step_sizes, *batch, first_order=first_order, vmapped=vmapped)
    if check and not _finite(fast):
        _blame(loss, parameters, step_sizes, *batch, steps=steps, vmapped=vmapped)
        check_finite(fast, f"within {steps} steps of the inner loop", vmapped=vmapped)
    return fast


@torch.no_grad()
def _blame(
    loss: Loss,
    parameters: Mapping[str, Tensor],
    step_sizes: StepSizes,
    *batch: Any,
    steps: int,
    vmapped: bool,
) -> None:
    """Do the steps again and look at each: the ordinary case so costs one look at the end."""
    fast = dict(parameters)
    check_finite(fast, "before the inner loop", vmapped=vmapped)
    for step in range(1, steps + 1):
        fast = inner_step(loss, fast, step_sizes, *batch, vmapped=vmapped)
        check_finite(fast, f"in step {step} of {steps} of the inner loop", vmapped=vmapped)


def check_finite(parameters: Mapping[str, Tensor], when: str, *, vmapped: bool = False) -> None:
    """Raise a ``FloatingPointError`` that names the first tensor with a NaN or an infinity.

    Args:
        parameters: tensors by name.
        when: for the message, such as ``"in step 3"``.
        vmapped: whether they have a leading dimension of tasks, the first bad one of which is then
            named, too.
    """
    if _finite(parameters):
        return
    for name, p in parameters.items():
        bad = ~p.isfinite()
        if bad.any():
            task = (
                f" of task {int(bad.reshape(len(bad), -1).any(1).nonzero()[0])}" if vmapped else ""
            )
            what = "NaN" if p.isnan().any() else "infinite"
            raise FloatingPointError(
                f"{name!r}{task} became {what} {when}: a smaller inner_lr may help"
            )


def repeat(parameters: Mapping[str, Tensor], tasks: int) -> Parameters:
    """Parameters (T, *s) for ``vmapped`` steps of T tasks that all begin at the same ones."""
    check_sizes(tasks=tasks)
    return {name: p.expand(tasks, *p.shape) for name, p in parameters.items()}


def _gradients(value: Tensor, leaves: list[Tensor], *, create_graph: bool) -> list[Tensor]:
    """The gradient of a loss for each tensor; 0 for some that it does not depend on."""
    if not isinstance(value, Tensor) or value.numel() != 1:
        got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"loss must return one number, as a tensor, got {got}")
    found: Sequence[Tensor | None] = (None,)
    if value.requires_grad:
        found = torch.autograd.grad(value, leaves, create_graph=create_graph, allow_unused=True)
    if all(g is None for g in found):
        raise ValueError(
            "loss must be a function of the parameters that it is given, but depends on none that "
            "may change: see driftwise.memory.functional"
        )
    return [torch.zeros_like(p) if g is None else g for p, g in zip(leaves, found, strict=True)]


def _finite(parameters: Mapping[str, Tensor]) -> bool:
    return bool(torch.stack([p.isfinite().all() for p in parameters.values()]).all())


def _named(
    step_sizes: StepSizes, parameters: Mapping[str, Tensor], vmapped: bool
) -> Mapping[str, Any]:
    """Step sizes by name."""
    if not isinstance(step_sizes, Mapping):
        number: Any = step_sizes
        if isinstance(number, Tensor) and number.numel() == 1:
            number = number.item()
        check_rates(step_sizes=number)
        return dict.fromkeys(parameters, step_sizes)
    if not step_sizes:
        raise ValueError("step_sizes must have at least one tensor, got none")
    for name, size in step_sizes.items():
        if name not in parameters:
            raise ValueError(f"step_sizes: {name!r} is not one of {', '.join(parameters)}")
        if not isinstance(size, Tensor):
            raise TypeError(f"step_sizes must have a tensor for {name!r}, got {kind_of(size)}")
        shape = parameters[name].shape
        if size.shape != shape and not (vmapped and size.shape == shape[1:]):
            raise ValueError(
                f"step_sizes must have {name!r} of shape {tuple(shape[int(vmapped) :])}, "
                f"got {tuple(size.shape)}"
            )
    return step_sizes
