"""What ``reset(options=...)`` may hold, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arguments import check_numbers
from .bandit_world import BanditWorld, Episode

EPISODE_KEYS = ("means", "change_times", "context", "schedule", "drift")


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


def parse_episode(
    world: BanditWorld, options: Mapping[str, Any], worlds: NDArray[np.int64]
) -> Episode:
    """Reads what the options prescribe for the next episode of ``worlds`` (n,).

    Each value is given once for all worlds, or with a leading axis over all N of them.
    """
    return Episode(
        means=_means(world, options.get("means"), worlds),
        change_times=_change_times(world, options.get("change_times"), worlds),
        context=_context(world, options.get("context"), worlds),
    )


def _means(world: BanditWorld, value: Any, worlds: NDArray[np.int64]) -> NDArray[np.float64] | None:
    if value is None:
        return None
    name, arms = "options['means']", world.arms
    shape = (world.num_contexts, arms.num_arms) if world.num_contexts else (arms.num_arms,)
    means = check_numbers(name, value).astype(np.float64)
    all_worlds = (world.num_worlds, *shape)
    if means.shape not in (shape, all_worlds):
        raise ValueError(f"{name} must have shape {shape} or {all_worlds}, got {means.shape}")
    arms.check_means(name, means, means.shape)
    if not np.allclose(means, arms.tie(means)):
        raise ValueError(f"{name} must mirror each even arm in the next, as dependent arms do")
    chosen: NDArray[np.float64] = np.broadcast_to(means, all_worlds)[worlds]
    if not world.num_contexts:
        world.drift.from_means(arms, chosen)  # raises if it cannot
    return chosen


def _change_times(
    world: BanditWorld, value: Any, worlds: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    if value is None:
        return None
    name, count = "options['change_times']", world.num_worlds
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
    return times[worlds].astype(np.int64)


def _context(world: BanditWorld, value: Any, worlds: NDArray[np.int64]) -> NDArray[np.int64] | None:
    if value is None:
        return None
    name, count = "options['context']", world.num_worlds
    if not world.num_contexts:
        raise ValueError(f"{name} needs contexts that recur: set num_contexts")
    context = check_numbers(name, value)
    if context.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got {context.dtype}")
    if context.shape not in ((), (count,)):
        raise ValueError(f"{name} must have shape () or ({count},), got {context.shape}")
    if ((context < 0) | (context >= world.num_contexts)).any():
        raise ValueError(f"{name} must be in [0, {world.num_contexts}), got {context.tolist()}")
    return np.broadcast_to(context, (count,))[worlds].astype(np.int64)


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
