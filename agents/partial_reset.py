"""Resetting some rows of a Gymnasium `VectorEnv`, and finding out whether that works."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorEnv, VectorWrapper
from gymnasium.wrappers.vector import NormalizeReward, RecordEpisodeStatistics

from .vector_info import copy_obs, equal_obs_rows

_SUMS = {
    RecordEpisodeStatistics: ("episode_returns", "episode_lengths", "episode_start_times"),
    NormalizeReward: ("accumulated_reward",),
}
"""What Gymnasium's wrappers have of each running episode, and forget with any reset."""


def partial_reset_problem(env: VectorEnv) -> str | None:
    """Why `env` cannot reset single rows, found out before any training; None if it can.

    Either ``reset(options={"reset_mask": rows})`` is refused, or an environment that does not know
    the option resets everything. That is visible only where observations are not the initial
    ones, hence one random step between two resets, which wrappers witness.
    """
    known = isinstance(env, (SyncVectorEnv, AsyncVectorEnv))
    if known or env.num_envs == 1:
        return None
    actions = copy.deepcopy(env.action_space)
    actions.seed(0)
    env.reset()
    obs = copy_obs(env.step(actions.sample())[0])
    last = np.arange(env.num_envs) == env.num_envs - 1
    try:
        fresh, _ = reset_rows(env, last)
    except Exception as error:  # whatever a wrapper refuses with
        return str(error) or type(error).__name__
    return None if equal_obs_rows(fresh, obs, ~last) else "reset_mask is ignored"


def reset_rows(env: VectorEnv, rows: npt.NDArray[np.bool_]) -> tuple[Any, dict[str, Any]]:
    """Resets `rows` (num_envs,) of `env`; what ``env.reset`` returns."""
    if rows.all():
        return env.reset()
    kept = [
        (wrapper, name, getattr(wrapper, name).copy())
        for wrapper in _wrappers(env)
        for kind, names in _SUMS.items()
        if isinstance(wrapper, kind)
        for name in names
    ]
    result = env.reset(options={"reset_mask": rows.copy()})
    for wrapper, name, before in kept:
        getattr(wrapper, name)[~rows] = before[~rows]
    return result


def _wrappers(env: VectorEnv) -> Iterator[VectorWrapper]:
    while isinstance(env, VectorWrapper):
        yield env
        env = env.env
