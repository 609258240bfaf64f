"""Search, then exploit: a player of mazes that has the plan and its place on it, not the goal."""

from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from driftwise.agents import Player
from driftwise.envs import MoveGoal, ShiftingMazeVector

UNKNOWN = -1


def pillar_maze(env: VectorEnv) -> ShiftingMazeVector:
    """The mazes behind ``env``.

    Raises:
        ValueError: they are none, or none of pillars in which nothing but the goal may move.
    """
    maze = env.unwrapped
    if (
        isinstance(maze, ShiftingMazeVector)
        and maze.settings.layout == "pillars"
        and all(isinstance(drift, MoveGoal) for drift in maze.settings.drift)
    ):
        return maze
    raise ValueError(f"env must be a maze of pillars whose goal alone moves, got {env}")


class SearchPlayer(Player):
    """Visits the nearest cell that it has not seen yet until it is paid, then keeps going there.

    For mazes of pillars whose goal moves or stays. The player knows the plan and, at every step,
    its own cell, which agents must find out from the 3 x 3 cells around them; like agents, it does
    not see the goal, and learns that it has moved by not being paid where it was. In the published
    9 x 9 maze with 250 steps this earns about 479 an episode.
    """

    def begin(self, env: VectorEnv, seed: int | None) -> None:
        """See :meth:`Player.begin`."""
        self._env = pillar_maze(env)
        grid = self._env.settings.grid
        walls = grid.pillars(grid.cells)
        free = np.flatnonzero(~walls[0])
        self._everyone = np.arange(env.num_envs)
        # Steps between all cells, [to, from]; walls are farther away than anything.
        self._steps = np.full((grid.cells, grid.cells), grid.cells, dtype=np.int64)
        self._steps[free] = grid.distances(walls[: len(free)], free)
        # Where each action leads, and the first action of a shortest path, [to, from].
        leads = np.arange(grid.cells) + grid.offsets[:, None]
        self._leads = np.where(walls[0].take(leads, mode="clip"), np.arange(grid.cells), leads)
        self._first = self._steps[:, self._leads].argmin(axis=1)
        self._walls = walls[0]
        self._goal = np.full(env.num_envs, UNKNOWN)
        self._seen = np.tile(self._walls, (env.num_envs, 1))

    def act(self, obs: Any) -> NDArray[Any]:
        """See :meth:`Player.act`."""
        cell = self._env.get_state()["position"]
        self._seen[self._everyone, cell] = True
        # Where all is seen and nothing found, the goal has moved to a cell seen before.
        self._forget(np.asarray(self._seen.all(axis=1)), cell)
        steps = np.where(self._seen, self._seen.size, self._steps[:, cell].T)
        target = np.where(self._goal == UNKNOWN, steps.argmin(axis=1), self._goal)
        actions = self._first[target, cell]
        self._next = self._leads[actions, cell]
        return actions

    def observe(
        self, rewards: NDArray[np.float64], dones: NDArray[np.bool_], info: dict[str, Any]
    ) -> None:
        """See :meth:`Player.observe`."""
        paid = rewards > 0
        self._goal[paid] = self._next[paid]
        moved = (self._next == self._goal) & ~paid
        self._goal[moved | dones] = UNKNOWN
        self._forget(moved | dones, self._next)

    def _forget(self, rows: NDArray[np.bool_], cell: NDArray[np.int64]) -> None:
        """Search anew, but not where the agent is."""
        self._seen[rows] = self._walls
        self._seen[rows, cell[rows]] = True
