"""Mazes as arrays, and what steps look up in them.

Letters: ``...`` any axes over mazes, C cells of a maze (see ``maze_grid.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from .blocks import BoolArray, IntArray
from .maze_grid import NUM_DIRECTIONS, CellArray, Grid

NOT_BLOCKED = -1


@dataclass
class _Arrays:
    """Arrays with the same leading axes."""

    def arrays(self) -> list[NDArray[Any]]:
        """The arrays, in the order of the fields."""
        return list(vars(self).values())

    def take(self, index: Any) -> Self:
        """Copies at ``index`` of the leading axes."""
        return type(self)(*(np.array(array[index]) for array in self.arrays()))

    def put(self, index: Any, other: Self) -> None:
        """Writes ``other`` at ``index`` of the leading axes."""
        for array, values in zip(self.arrays(), other.arrays(), strict=True):
            array[index] = values


@dataclass
class Mazes(_Arrays):
    """Mazes as they are between two changes.

    Attributes:
        walls: Whether a cell is a wall, (..., C).
        goal: Cell of the goal, (...).
        directions: Direction in which each action moves, (..., 4).
        blocked: The cell that :class:`~.maze_drifts.BlockCorridor` has blocked, or -1, (...).
    """

    walls: BoolArray
    goal: IntArray
    directions: IntArray
    blocked: IntArray

    @classmethod
    def published(cls, grid: Grid, count: int) -> Mazes:
        """Pillars, actions as they are named, and the goal in the upper left corner."""
        return cls(
            walls=grid.pillars(count),
            goal=np.full(count, grid.size + 1),
            directions=np.tile(np.arange(NUM_DIRECTIONS), (count, 1)),
            blocked=np.full(count, NOT_BLOCKED),
        )


@dataclass
class Charts(_Arrays):
    """What steps look up in mazes, worked out once per change.

    Attributes:
        steps: Steps that the next reward takes from each cell, (..., C): those of a shortest path
            to the goal; from the goal itself, where an agent stands if the goal moves there, 1 if
            there is a wall to bump into, else 2 (out and back).
        optimal: First action of those that lead there fastest, (..., C).
        view: The 3 x 3 cells around each as bits (:meth:`~.maze_grid.Grid.views`), (..., C).
        landing: Where an agent may land: the free cells but the goal, in order, then 0, (..., C).
        places: How many these are, (...).
    """

    steps: CellArray
    optimal: NDArray[np.int8]
    view: CellArray
    landing: CellArray
    places: IntArray

    @classmethod
    def zeros(cls, shape: tuple[int, ...], grid: Grid) -> Charts:
        """Charts of mazes yet to be drawn."""
        cells = (*shape, grid.cells)
        return cls(
            steps=np.zeros(cells, dtype=np.int16),
            optimal=np.zeros(cells, dtype=np.int8),
            view=np.zeros(cells, dtype=np.int16),
            landing=np.zeros(cells, dtype=np.int16),
            places=np.zeros(shape, dtype=np.int64),
        )

    @classmethod
    def of(cls, mazes: Mazes, grid: Grid) -> Charts:
        """Charts of k mazes, by one breadth-first search in all of them at once."""
        count, everyone = len(mazes.goal), np.arange(len(mazes.goal))
        steps = grid.distances(mazes.walls, mazes.goal)
        # Which directions lead closer to the goal, (k, 4, C); walls are farther than anything.
        # Only inner cells matter: no neighbour of theirs is across an edge.
        closer = np.zeros((count, NUM_DIRECTIONS, grid.cells), dtype=bool)
        for direction, offset in enumerate(grid.offsets.tolist()):
            own = slice(max(0, -offset), grid.cells - max(0, offset))
            neighbour = slice(max(0, offset), grid.cells - max(0, -offset))
            np.less(steps[:, neighbour], steps[:, own], out=closer[:, direction, own])
        # From the goal itself, only a bump leads to it at once; otherwise all moves are alike.
        bumps = mazes.walls[everyone[:, None], mazes.goal[:, None] + grid.offsets]
        closer[everyone, :, mazes.goal] = bumps
        steps[everyone, mazes.goal] = np.where(bumps.any(axis=1), 1, 2)
        optimal = np.zeros((count, grid.cells), dtype=np.int8)
        for action in reversed(range(NUM_DIRECTIONS)):
            leads = closer[everyone, mazes.directions[:, action]]
            np.copyto(optimal, action, where=leads)
        free = ~mazes.walls
        free[everyone, mazes.goal] = False
        places, cell = np.count_nonzero(free, axis=1), np.arange(grid.cells)
        landing = np.zeros(free.shape, dtype=np.int16)
        landing[cell < places[:, None]] = np.broadcast_to(cell, free.shape)[free]
        return cls(steps, optimal, grid.views(mazes.walls), landing, places)
