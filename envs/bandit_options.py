"""What ``reset(options=...)`` of a bandit may hold, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arguments import check_numbers
from .arms_world import ArmsEpisode
from .bandit_world import BanditWorld
from .options import parse_change_times, parse_context

EPISODE_KEYS = ("means", "change_times", "context", "schedule", "drift")


def parse_episode(
    world: BanditWorld,
    options: Mapping[str, Any],
    worlds: NDArray[np.int64],
    horizon: int | None,
) -> ArmsEpisode:
    """Reads what the options prescribe for the next episode of ``worlds`` (n,).

    Each value is given once for all worlds, or with a leading axis over all N of them. Changes
    must come before the ``horizon``, if there is one.
    """
    return ArmsEpisode(
        means=_means(world, options.get("means"), worlds),
        change_times=parse_change_times(options, world.num_worlds, worlds, horizon),
        context=parse_context(options, world.num_contexts, world.num_worlds, worlds),
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
