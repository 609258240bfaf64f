"""Blocks of steps: what a world does is worked out ahead, as rows of arrays.

Letters: n worlds, B steps of a block, L = B + 1 rows. Row 0 is the step at which the block begins,
row B the step after its last, at which the next block begins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass
class BlockTrace:
    """Rows of n worlds, arrays (L, n); each kind of world adds its own.

    Attributes:
        context: Number of the context, or of changes so far where contexts do not recur.
        changed: Whether a change happened at this step.
        since: Steps since the last change, or since the start of the episode.
    """

    context: IntArray
    changed: BoolArray
    since: IntArray


class Segments:
    """The stretches between changes, numbered world by world and in order of time.

    What is constant between changes is worked out once per segment and looked up per row.

    Args:
        flags: Change flags (B, n) of rows 1 ... B.

    Attributes:
        counts: Changes of each world, (n,).
        origin: Each world's first segment, (n,); it goes on from before the block.
        begins: First row of each segment, (S,) with S = n + number of changes.
        index: Segment of each row, (L, n).
    """

    def __init__(self, flags: BoolArray) -> None:
        num_rows, num_worlds = flags.shape[0] + 1, flags.shape[1]
        world, change_row = np.nonzero(flags.T)
        self.counts = np.bincount(world, minlength=num_worlds)
        self.origin = np.cumsum(self.counts + 1) - (self.counts + 1)
        self.begins = np.zeros(num_worlds + len(world), dtype=np.int64)
        # The c-th change of all opens segment c + world + 1: world + 1 origins come before it.
        self.begins[np.arange(len(world)) + world + 1] = change_row + 1
        ends = np.append(self.begins[1:], 0)
        ends[ends == 0] = num_rows  # where the next segment is another world's
        index = np.repeat(np.arange(len(ends)), ends - self.begins).reshape(num_worlds, num_rows)
        self.index = np.ascontiguousarray(index.T)

    def count_changes(self, before: IntArray) -> IntArray:
        """Changes so far (L, n), given those ``before`` the block (n,)."""
        ordinals = np.arange(len(self.begins)) - np.repeat(self.origin - before, self.counts + 1)
        return ordinals.take(self.index)

    def steps_since(self, before: IntArray) -> IntArray:
        """Steps since the last change (L, n), given those at row 0 (n,)."""
        begins = self.begins.copy()
        begins[self.origin] -= before
        return np.arange(len(self.index))[:, None] - begins.take(self.index)
