"""Worlds in which an agent acts."""

from __future__ import annotations

from abc import abstractmethod
from typing import Generic

from .block_world import BlockWorld, EpisodeT, TraceT
from .blocks import IntArray


class PlayedWorld(BlockWorld[TraceT, EpisodeT], Generic[TraceT, EpisodeT]):
    """A world with actions, and an oracle; those behind the drifting wrappers have neither."""

    @abstractmethod
    def optimal(self) -> IntArray:
        """The oracle: the first of the optimal actions at the current step, (N,)."""
