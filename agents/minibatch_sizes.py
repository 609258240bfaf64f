"""How a rollout is cut into sequences and minibatches, and the numbers of PPO that have a range."""

from typing import Any


def check_numbers(settings: Any) -> None:
    """Raise a ``ValueError`` that names a setting of ``MemoryPPO`` out of range."""
    for name in ("n_steps", "n_epochs", "sequence_length", "batch_size"):
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    for name in ("gamma", "gae_lambda"):
        value = getattr(settings, name)
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must be between 0 and 1, got {value}")
    for name in ("vf_coef", "reward_coef", "max_grad_norm"):
        value = getattr(settings, name)
        if not 0 <= value < float("inf"):
            raise ValueError(f"{name} must be finite and not negative, got {value}")


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
