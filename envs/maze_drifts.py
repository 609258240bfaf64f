"""What changes in a maze: drifts work on arrays, for k mazes at once.

Your own: subclass :class:`MazeDrift` as a frozen dataclass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from typing_extensions import override

from .drifts import exchange
from .maze_grid import NUM_DIRECTIONS, Grid, pick
from .mazes import NOT_BLOCKED, Mazes
from .streams import FloatArray


@dataclass(frozen=True)
class MazeDrift:
    """Base class: what a change does to a maze.

    Attributes:
        moves_walls: Whether a cell on which the agent may stand can become a wall.
    """

    moves_walls: ClassVar[bool] = False

    def num_uniforms(self, grid: Grid) -> int:
        """Uniforms on [0, 1) that :meth:`jump` takes per change."""
        return 1

    def jump(self, grid: Grid, mazes: Mazes, uniforms: FloatArray) -> Mazes:
        """The mazes after a change; all free cells must stay connected, the centre free.

        Args:
            grid: Their ground plan.
            mazes: The mazes before, with one leading axis (k); may be written to.
            uniforms: Shape (k, num_uniforms).
        """
        raise NotImplementedError


@dataclass(frozen=True)
class MoveGoal(MazeDrift):
    """The goal moves to another free cell, each equally likely, but not to the centre."""

    @override
    def jump(self, grid: Grid, mazes: Mazes, uniforms: FloatArray) -> Mazes:
        cells = ~mazes.walls
        cells[:, grid.centre] = False
        cells[np.arange(len(cells)), mazes.goal] = False
        mazes.goal = pick(cells, uniforms[:, 0])
        return mazes


@dataclass(frozen=True)
class RedrawLayout(MazeDrift):
    """New random corridors (:meth:`~.maze_grid.Grid.corridors`); the goal stays where it is.

    The wall that would bury the goal is left out.
    """

    moves_walls: ClassVar[bool] = True

    @override
    def num_uniforms(self, grid: Grid) -> int:
        return len(grid.sites)

    @override
    def jump(self, grid: Grid, mazes: Mazes, uniforms: FloatArray) -> Mazes:
        mazes.walls = grid.corridors(uniforms)
        mazes.walls[np.arange(len(mazes.walls)), mazes.goal] = False
        mazes.blocked = np.full(len(mazes.walls), NOT_BLOCKED)
        return mazes


@dataclass(frozen=True)
class PermuteActions(MazeDrift):
    """The actions exchange their directions; no action keeps its own.

    The exchange is one random cycle through all four.
    """

    @override
    def num_uniforms(self, grid: Grid) -> int:
        return NUM_DIRECTIONS - 1

    @override
    def jump(self, grid: Grid, mazes: Mazes, uniforms: FloatArray) -> Mazes:
        mazes.directions = exchange(mazes.directions, uniforms)
        return mazes


@dataclass(frozen=True)
class BlockCorridor(MazeDrift):
    """The way from the centre to the goal is blocked, and what was blocked before is open again.

    One cell becomes a wall, and all other cells stay connected, so that a detour is left, as in the
    mazes of Tolman and Honzik (1930). It is a random one of those that all shortest paths lead
    through; where there is none, and another way may be as short, one of those that some of them
    lead through; where there is none of these, either, another free cell; and where no cell can be
    blocked, none.
    """

    moves_walls: ClassVar[bool] = True

    @override
    def jump(self, grid: Grid, mazes: Mazes, uniforms: FloatArray) -> Mazes:
        walls, goal, everyone = mazes.walls, mazes.goal, np.arange(len(mazes.walls))
        reopened = np.flatnonzero(mazes.blocked != NOT_BLOCKED)
        before = mazes.blocked[reopened]
        walls[reopened, before] = False
        mazes.blocked = np.full(len(walls), NOT_BLOCKED)

        centre = np.full(len(walls), grid.centre)
        from_goal = grid.distances(walls, goal)
        around = from_goal + grid.distances(walls, centre)
        others = ~walls
        others[everyone, goal] = others[:, grid.centre] = others[reopened, before] = False
        on_way = others & (around == from_goal[:, grid.centre, None])
        # All ways lead through a cell that no other on the way is as far from the goal as.
        row, cell = on_way.nonzero()
        place = row * grid.cells + from_goal[row, cell]
        rank = others.astype(np.int8)
        rank[row, cell] = np.where(np.bincount(place)[place] == 1, 3, 2)

        undecided = everyone
        while True:
            best = rank[undecided].max(axis=1)
            undecided, best = undecided[best > 0], best[best > 0]
            cells = rank[undecided] == best[:, None]
            if not len(undecided):
                return mazes
            cell = pick(cells, uniforms[undecided, 0])
            trial = walls[undecided]
            trial[np.arange(len(trial)), cell] = True
            fits = grid.connected(trial, goal[undecided])
            walls[undecided[fits], cell[fits]] = True
            mazes.blocked[undecided[fits]] = cell[fits]
            undecided, cell = undecided[~fits], cell[~fits]
            rank[undecided, cell] = 0
