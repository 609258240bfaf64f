"""Learning rates over time, as factors from 0 to 1 of the step number.

An average of the weights over time is in torch: ``AveragedModel(model, multi_avg_fn=
get_ema_multi_avg_fn(0.999))`` of ``torch.optim.swa_utils``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch.optim import Optimizer


def trapezoid(step: int, num_steps: int, *, warmup: int = 0, cooldown: float = 0.6) -> float:
    """Up linearly, constant, and down linearly to zero.

    Args:
        step: Steps taken so far.
        num_steps: Steps in all.
        warmup: Steps of the rise.
        cooldown: Share of all steps that the fall takes.

    Raises:
        ValueError: ``step`` is not from 0 to ``num_steps``, or another argument is out of range.
    """
    _check(step, num_steps, warmup)
    if not 0 <= cooldown <= 1:
        raise ValueError(f"cooldown must be from 0 to 1, got {cooldown}")
    fall = (num_steps - step) / (cooldown * num_steps) if cooldown else 1.0
    return min(1.0, _rise(step, warmup), fall)


def cosine(step: int, num_steps: int, *, warmup: int = 0) -> float:
    """Up linearly, then half a cosine wave down to zero; arguments as in :func:`trapezoid`."""
    _check(step, num_steps, warmup)
    done = max(0, step - warmup) / max(1, num_steps - warmup)
    return min(_rise(step, warmup), 0.5 * (1.0 + math.cos(math.pi * done)))


def set_learning_rates(optimizers: Iterable[Optimizer], factor: float) -> None:
    """Set the learning rate of every group to ``factor`` times its ``initial_lr``."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = factor * group["initial_lr"]


def _rise(step: int, warmup: int) -> float:
    return min(1.0, (step + 1) / (warmup + 1))


def _check(step: int, num_steps: int, warmup: int) -> None:
    if not 0 <= step <= num_steps:
        raise ValueError(f"step must be from 0 to num_steps={num_steps}, got {step}")
    if not 0 <= warmup < num_steps:
        raise ValueError(f"warmup must be from 0 to below num_steps={num_steps}, got {warmup}")
