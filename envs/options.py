"""What ``reset(seed=..., options=...)`` takes in any of our environments, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arguments import check_count, check_numbers


def check_keys(
    options: Mapping[str, Any] | None, known: tuple[str, ...], name: str = "options"
) -> dict[str, Any]:
    """Returns the options as a dict; ``name`` is what messages call them.

    Raises:
        TypeError: They are no mapping.
        ValueError: A key is not known.
    """
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise TypeError(f"{name} must be a dict or None, got {options!r}")
    options = dict(options)
    unknown = [key for key in options if key not in known]
    if unknown:
        raise ValueError(f"{name} must have keys among {', '.join(known)}, got {unknown[0]!r}")
    return options


def parse_change_times(
    options: Mapping[str, Any],
    count: int,
    worlds: NDArray[np.int64],
    horizon: int | None = None,
    owner: str = "options",
) -> NDArray[np.int64] | None:
    """Reads ``change_times``, given once or for each of ``count`` worlds, for ``worlds`` (n,).

    With a ``horizon``, each must be below it; ``owner`` is what messages call the options.
    """
    value = options.get("change_times")
    if value is None:
        return None
    name = f"{owner}['change_times']"
    times = check_numbers(name, value)
    if times.size == 0:
        times = times.astype(np.int64)
    if times.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got {times.dtype}")
    if times.ndim == 1:
        times = np.broadcast_to(times, (count, len(times)))
    if times.ndim != 2 or len(times) != count:
        raise ValueError(f"{name} must have shape (M,) or ({count}, M), got {times.shape}")
    if (times < 1).any():
        raise ValueError(f"{name} must be at least 1 (no change at step 0), got {times.min()}")
    if horizon is not None and (times >= horizon).any():
        raise ValueError(f"{name} must be below max_episode_steps={horizon}, got {times.max()}")
    return times[worlds].astype(np.int64)


def parse_integers(name: str, value: Any, shape: tuple[int, ...], count: int) -> NDArray[np.int64]:
    """Integers of ``shape``, or with a leading axis over ``count`` worlds; always with it."""
    array = check_numbers(name, value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got {array.dtype}")
    if array.shape not in (shape, (count, *shape)):
        raise ValueError(f"{name} must have shape {shape} or {(count, *shape)}, got {array.shape}")
    return np.broadcast_to(array, (count, *shape)).astype(np.int64)


def parse_context(
    options: Mapping[str, Any],
    num_contexts: int,
    count: int,
    worlds: NDArray[np.int64],
    owner: str = "options",
) -> NDArray[np.int64] | None:
    """Reads ``context``, given once or for each of ``count`` worlds, for ``worlds`` (n,).

    ``num_contexts`` is 0 where contexts do not recur; ``owner`` is what messages call the options.
    """
    value = options.get("context")
    if value is None:
        return None
    name = f"{owner}['context']"
    if not num_contexts:
        raise ValueError(f"{name} needs contexts that recur")
    context = parse_integers(name, value, (), count)
    if ((context < 0) | (context >= num_contexts)).any():
        raise ValueError(f"{name} must be in [0, {num_contexts}), got {value}")
    return context[worlds]


def parse_reset_mask(options: dict[str, Any], num_envs: int) -> NDArray[np.bool_] | None:
    """Takes ``reset_mask`` out of the options, as ``SyncVectorEnv`` reads it."""
    mask = options.pop("reset_mask", None)
    if mask is None:
        return None
    name = "options['reset_mask']"
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        kind = mask.dtype if isinstance(mask, np.ndarray) else type(mask).__name__
        raise TypeError(f"{name} must be a numpy array of bool, got {kind}")
    if mask.shape != (num_envs,):
        raise ValueError(f"{name} must have shape ({num_envs},), got {mask.shape}")
    if not mask.any():
        raise ValueError(f"{name} must have at least one True")
    return mask


def parse_seeds(seed: Any, num_envs: int) -> list[int | None] | None:
    """A seed for each sub-environment, as ``SyncVectorEnv`` reads it, or None if none is given."""
    if seed is None:
        return None
    if isinstance(seed, (int, np.integer)):
        first = check_count("seed", seed, least=0)
        return list(range(first, first + num_envs))
    if not isinstance(seed, (Sequence, np.ndarray)) or isinstance(seed, str):
        raise TypeError(f"seed must be an integer, a list of integers or None, got {seed!r}")
    if len(seed) != num_envs:
        raise ValueError(f"seed must be one integer or {num_envs}, got {len(seed)}")
    return [
        None if one is None else check_count(f"seed[{index}]", one, least=0)
        for index, one in enumerate(seed)
    ]
