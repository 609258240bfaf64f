"""How a rollout is cut into sequences and minibatches, and the numbers of PPO that have a range."""

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

from ..memory.contract import check_sizes

_Range = tuple[Callable[[Any], bool], str]
_SHARE: _Range = (lambda x: 0 <= x <= 1, "between 0 and 1")
_WEIGHT: _Range = (lambda x: 0 <= x < math.inf, "finite and not negative")
_ABOVE: _Range = (lambda x: x > 0, "above 0")
_STEP: _Range = (lambda x: 0 < x < math.inf, "finite and above 0")
_SIZES = ("n_steps", "n_epochs", "reward_horizon", "sequence_length", "batch_size")
_BY_DEFAULT = ("sequence_length", "batch_size")  # where None
_NUMBERS = {
    **{"gamma": _SHARE, "gae_lambda": _SHARE, "vf_coef": _WEIGHT, "reward_coef": _WEIGHT},
    **{"max_grad_norm": _ABOVE, "target_kl": _ABOVE},
}
_SCHEDULES = {"learning_rate": _STEP, "clip_range": _STEP, "ent_coef": _WEIGHT}


def check_numbers(settings: Any) -> None:
    """Raise an error that names a setting of ``MemoryPPO`` of a wrong type, or out of range."""
    sizes = {name: getattr(settings, name) for name in _SIZES}
    check_sizes(**{k: v for k, v in sizes.items() if v is not None or k not in _BY_DEFAULT})
    for name, (fits, expected) in {**_NUMBERS, **_SCHEDULES}.items():
        value = getattr(settings, name)
        if name in _SCHEDULES and callable(value):
            # A step size may begin, or end, at zero.
            values, (fits, expected) = [value(1.0), value(0.0)], _WEIGHT
        else:
            values = [value] if value is not None or name != "target_kl" else []
        for number in values:
            if not isinstance(number, Real):
                raise TypeError(f"{name} must be a number, got {number!r}")
            if not fits(number):
                raise ValueError(f"{name} must be {expected}, got {number}")


def minibatch_sizes(
    n_steps: int, n_envs: int, sequence_length: int | None, batch_size: int | None
) -> tuple[int, int]:
    """The length of a sequence, and how many make a minibatch.

    Args:
        n_steps: T, steps of each environment in a rollout.
        n_envs: N.
        sequence_length: a divisor of T, or None for all of it.
        batch_size: steps of a minibatch, or None for about a quarter of the sequences.

    Raises:
        ValueError: they do not divide.
    """
    length = n_steps if sequence_length is None else sequence_length
    if n_steps % length:
        raise ValueError(f"sequence_length must divide n_steps={n_steps}, got {length}")
    count = n_steps * n_envs // length
    if batch_size is None:
        quarter = max(1, count // 4)
        while count % quarter:
            quarter -= 1
        return length, quarter
    per_batch, rest = divmod(batch_size, length)
    if rest or count % per_batch:
        raise ValueError(
            f"batch_size must be a multiple of sequence_length={length} that divides the "
            f"{n_steps * n_envs} steps of a rollout, got {batch_size}"
        )
    return length, per_batch
