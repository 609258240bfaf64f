"""What a maze does over a block of steps, what prescribes it, and what a step does in it.

Letters: n worlds, C cells of a maze, B steps of a block, L = B + 1 rows (see ``blocks.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .block_world import Episode
from .blocks import BlockTrace, BoolArray, IntArray
from .streams import FloatArray

# Part of the definition of the mazes: another length makes other worlds of the same seed. No block
# reaches beyond the end of a standard episode, which saves drawing mazes that nobody sees.
STEPS_PER_BLOCK = 250
ROWS = STEPS_PER_BLOCK + 1


@dataclass(frozen=True)
class MazeEpisode(Episode):
    """What ``reset(options=...)`` prescribes for the episodes of n worlds; None leaves it drawn.

    Attributes:
        walls: Layout at step 0, (n, C).
        goal: Cell of the goal at step 0, (n,).
        position: Cell of the agent at step 0, (n,).
        directions: Direction of each action at step 0, (n, 4).
    """

    walls: BoolArray | None = None
    goal: IntArray | None = None
    position: IntArray | None = None
    directions: IntArray | None = None


@dataclass
class MazeTrace(BlockTrace):
    """Rows of n worlds, arrays (L, n).

    Attributes:
        slot: Slot of the maze at this step.
        landing: Uniform on [0, 1) that says where an agent lands that leaves its place at this
            step; row B has none.
    """

    slot: IntArray
    landing: FloatArray

    @classmethod
    def zeros(cls, num_worlds: int) -> MazeTrace:
        """A trace yet to be filled."""
        shape = (ROWS, num_worlds)
        return cls(
            context=np.zeros(shape, dtype=np.int64),
            changed=np.zeros(shape, dtype=bool),
            since=np.zeros(shape, dtype=np.int64),
            slot=np.zeros(shape, dtype=np.int64),
            landing=np.zeros(shape),
        )


class Moves(NamedTuple):
    """What a step has done in N worlds, arrays (N,).

    Attributes:
        cell: Where the move led.
        hit: Whether that is the goal.
        regret: Steps lost: 1 + steps to the goal after the move - steps to it before.
        optimal: An action that would have lost none, the first of those.
    """

    cell: IntArray
    hit: BoolArray
    regret: FloatArray
    optimal: IntArray
