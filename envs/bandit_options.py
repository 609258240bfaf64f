"""What ``reset(options=...)`` of a bandit may hold, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arguments import check_numbers
from .bandit_world import BanditEpisode, BanditWorld
from .options import parse_change_times

EPISODE_KEYS = ("means", "change_times", "context", "schedule", "drift")


def parse_episode(
    world: BanditWorld, options: Mapping[str, Any], worlds: NDArray[np.int64]
) -> BanditEpisode:
    """Reads what the options prescribe for the next episode of ``worlds`` (n,).

    Each value is given once for all worlds, or with a leading axis over all N of them.
    """
    return BanditEpisode(
        means=_means(world, options.get("means"), worlds),
        change_times=parse_change_times(options, world.num_worlds, worlds),
        context=parse_context(options, world, worlds),
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


def parse_context(
    options: Mapping[str, Any],
    world: BanditWorld,
    worlds: NDArray[np.int64],
    owner: str = "options",
) -> NDArray[np.int64] | None:
    """Reads ``context``, given once or for each world, for ``worlds`` (n,).

    ``owner`` is what messages call the options.
    """
    value = options.get("context")
    if value is None:
        return None
    name, count = f"{owner}['context']", world.num_worlds
    if not world.num_contexts:
        raise ValueError(f"{name} needs contexts that recur, of which {world.drift} has none")
    context = check_numbers(name, value)
    if context.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got {context.dtype}")
    if context.shape not in ((), (count,)):
        raise ValueError(f"{name} must have shape () or ({count},), got {context.shape}")
    if ((context < 0) | (context >= world.num_contexts)).any():
        raise ValueError(f"{name} must be in [0, {world.num_contexts}), got {context.tolist()}")
    return np.broadcast_to(context, (count,))[worlds].astype(np.int64)
