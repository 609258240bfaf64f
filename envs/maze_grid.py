"""The ground plan of mazes, their layouts and shortest paths, over k mazes at once.

Letters: k mazes of n x n cells, C = n * n. Cells are numbered row by row, so that a step up, down,
left or right adds -n, n, -1 or 1. The border consists of walls: a step from a free cell never
leaves the grid.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .arguments import check_count
from .blocks import BoolArray, IntArray
from .streams import FloatArray

CellArray = NDArray[np.int16]  # cells, or steps between them

NUM_DIRECTIONS = 4
DIRECTIONS = ("up", "down", "left", "right")
_UP, _DOWN, _LEFT, _RIGHT = range(NUM_DIRECTIONS)

LAYOUTS = ("pillars", "corridors")


class Grid:
    """The cells of an n x n maze.

    Args:
        size: n, odd and at least 5.

    Attributes:
        cells: C.
        centre: Number of the cell in the middle.
        offsets: What a step in each direction adds to the number of a cell, (4,).
        sites: Where pillars stand in the published maze: even row, even column, and not the
            centre, (P,).
    """

    def __init__(self, size: int) -> None:
        self.size = check_count("size", size, least=5)
        if self.size % 2 == 0 or self.size > 181:  # cells are numbered in 16 bits
            raise ValueError(f"size must be odd and at most 181, got {size}")
        self.cells = size * size
        self.centre = self.cells // 2
        self.offsets = np.array([-size, size, -1, 1])
        rows, columns = np.divmod(np.arange(self.cells), size)
        self.inner = (rows % (size - 1) > 0) & (columns % (size - 1) > 0)
        pillars = self.inner & (rows % 2 == 0) & (columns % 2 == 0)
        pillars[self.centre] = False
        self.sites = np.flatnonzero(pillars)

    def pillars(self, count: int) -> BoolArray:
        """Walls (k, C) of ``count`` published mazes: the border and the pillars."""
        walls = ~self.inner
        walls[self.sites] = True
        return np.tile(walls, (count, 1))

    def corridors(self, uniforms: FloatArray) -> BoolArray:
        """Walls (k, C) of random mazes in which all free cells are connected.

        A wall one cell long falls from each pillar: down, left or right, from those of the first
        row also up. Walls then form no ring, and so enclose nothing: each pillar has one wall of
        its own, so that a ring would need one leading back up, and there is none below the first
        row, where up is the border.

        Args:
            uniforms: Shape (k, P).
        """
        walls = self.pillars(len(uniforms))
        choices = np.where(self.sites // self.size == 2, 4, 3)
        ways = self.offsets[[_DOWN, _LEFT, _RIGHT, _UP]]
        fallen = self.sites + ways[(uniforms * choices).astype(np.int64)]
        walls[np.arange(len(walls))[:, None], fallen] = True
        return walls

    def distances(self, walls: BoolArray, goals: IntArray) -> CellArray:
        """Steps of the shortest paths from every cell to the goal, (k, C).

        A breadth-first search in all mazes at once: in each round, the cells next to those reached
        so far are reached. Walls, and cells cut off from the goal, get C.

        Args:
            walls: Shape (k, C), with the border.
            goals: Free cells, (k,).
        """
        size, shape = self.size, walls.shape
        # One long row of cells: what a shift moves across an edge is on a border, and a wall.
        open_ = ~walls.reshape(-1)
        frontier = np.zeros(open_.size, dtype=bool)
        frontier[np.arange(shape[0]) * self.cells + goals] = True
        distances = np.full(open_.size, self.cells, dtype=np.int16)
        steps = 0
        while frontier.any():
            np.copyto(distances, steps, where=frontier)
            open_ &= ~frontier
            near = np.zeros_like(frontier)
            near[:-size] = frontier[size:]
            near[size:] |= frontier[:-size]
            near[:-1] |= frontier[1:]
            near[1:] |= frontier[:-1]
            near &= open_
            frontier, steps = near, steps + 1
        return distances.reshape(shape)

    def connected(self, walls: BoolArray, cells: IntArray) -> BoolArray:
        """Whether all free cells of each maze are connected with ``cells`` (k,), shape (k,)."""
        reached = self.distances(walls, cells) < self.cells
        return np.asarray((reached | walls).all(axis=1))

    def views(self, walls: BoolArray) -> CellArray:
        """The 3 x 3 cells around each inner one, as bits, (k, C): row by row, lowest bit first."""
        # As one long row of cells; what a shift moves across an edge lands on a border cell.
        plan = walls.reshape(-1).astype(np.int16)
        three = plan << 1
        three[1:] |= plan[:-1]
        three[:-1] |= plan[1:] << 2
        views = three << 3
        views[self.size :] |= three[: -self.size]
        views[: -self.size] |= three[self.size :] << 6
        return views.reshape(walls.shape)

    def leaps(self) -> IntArray:
        """What a move adds to the number of a cell, by view and direction, (512 * 4,)."""
        views = np.arange(512)[:, None]
        neighbours = np.array([1, 7, 3, 5])  # up, down, left, right among the 3 x 3 cells
        leaps: IntArray = np.where(views >> neighbours & 1, 0, self.offsets).reshape(-1)
        return leaps


def pick(cells: BoolArray, uniforms: FloatArray) -> IntArray:
    """One of the True cells of each row of ``cells`` (k, C), by a uniform (k,) on [0, 1)."""
    rank = np.cumsum(cells, axis=1, dtype=np.int32)
    chosen = (uniforms * rank[:, -1]).astype(np.int64)
    picked: IntArray = (rank > chosen[:, None]).argmax(axis=1)
    return picked
