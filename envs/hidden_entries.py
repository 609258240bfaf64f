"""Observations of which some entries are hidden, for an agent's memory to make up for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from .arguments import check_count


class HiddenEntries(gym.ObservationWrapper[Any, Any, Any], RecordConstructorArgs):
    """Leaves entries out of an observation, such as the velocities of a CartPole.

    Args:
        env: The environment, with flat ``Box`` observations of shape (D,).
        hidden: Indices of the entries to leave out, each once and not all.

    Raises:
        TypeError, ValueError: The observations are others, or an index is none of theirs.
    """

    def __init__(self, env: gym.Env[Any, Any], hidden: Sequence[int]) -> None:
        if not isinstance(hidden, Sequence) or isinstance(hidden, str):
            raise TypeError(f"hidden must be a list of indices, got {hidden!r}")
        RecordConstructorArgs.__init__(self, hidden=list(hidden))
        gym.ObservationWrapper.__init__(self, env)
        space = env.observation_space
        if not isinstance(space, spaces.Box) or len(space.shape) != 1:
            raise TypeError(f"observations must be a Box of shape (D,), got {space}")
        indices = {check_count("hidden", index, least=0) for index in hidden}
        self._shown = [index for index in range(space.shape[0]) if index not in indices]
        if len(self._shown) + len(hidden) != space.shape[0] or not self._shown:
            raise ValueError(
                f"hidden must be some of the indices 0 to {space.shape[0] - 1}, got {list(hidden)}"
            )
        low, high = space.low[self._shown], space.high[self._shown]
        self.observation_space = spaces.Box(low, high, dtype=space.dtype.type)

    def observation(self, observation: NDArray[Any]) -> NDArray[Any]:
        """The entries that are shown."""
        return observation[self._shown]
