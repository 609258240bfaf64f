"""What ``reset(options=...)`` of a bandit may hold, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arguments import check_numbers
from .bandit_world import BanditEpisode, BanditWorld
from .options import parse_change_times, parse_integers

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


def _context(world: BanditWorld, value: Any, worlds: NDArray[np.int64]) -> NDArray[np.int64] | None:
    if value is None:
        return None
    name, count = "options['context']", world.num_worlds
    if not world.num_contexts:
        raise ValueError(f"{name} needs contexts that recur: set num_contexts")
    context = parse_integers(name, value, (), count)
    if ((context < 0) | (context >= world.num_contexts)).any():
        raise ValueError(f"{name} must be in [0, {world.num_contexts}), got {value}")
    return context[worlds]
