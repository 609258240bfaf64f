"""A maze, with the way that the agent has come since it last had to look for the goal."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ...envs.maze_rendering import MazePicture
from .recording import Game
from .scenes import GOOD, NOTICE, Scene

_REMEMBERED = 60  # moves until a trail has faded


def _bytes(color: str) -> NDArray[np.uint8]:
    return np.round(255 * np.array(to_rgb(color))).astype(np.uint8)


_WALL, _FREE, _SEEN = _bytes("#424A5C"), _bytes("#E9ECF1"), _bytes("#FFFFFF")
_NEW_WALL, _OPENING = _bytes("#A39C30"), _bytes(NOTICE)


class MazeScene(Scene):
    """The map; what the agent sees is white. Goal: a ring, filled when it is reached.

    A change shows which walls it has set or taken away, and where the goal has been.
    """

    def __init__(self, axes: Axes, game: Game, color: str) -> None:
        super().__init__(axes, game, color)
        self.pictures = [cast(MazePicture, moment.picture) for moment in game.moments]
        self.starts = path_starts(game)
        axes.set_axis_off()
        self.map = axes.imshow(self._map(0, None), interpolation="nearest", animated=True)
        # Points; Axes.bbox, where they are to be, is known before anything is drawn.
        cell = axes.bbox.width * 72 / axes.figure.dpi / len(self.pictures[0].walls)

        def disc(size: float, edge: float, **look: Any) -> Line2D:
            look |= {"markersize": size * cell, "markeredgewidth": edge * cell}
            return axes.plot([], [], "o", **look, animated=True)[0]

        self.old_goal = disc(0.62, 0.14, color="none", markeredgecolor=NOTICE)
        self.goal = disc(0.62, 0.12, markeredgecolor=GOOD)
        self.agent = disc(0.56, 0.05, color=color, markeredgecolor="white")
        self.trail = LineCollection([], linewidths=0.16 * cell, capstyle="round", animated=True)
        axes.add_collection(self.trail, autolim=False)

    def show(self, t: int, last_change: int | None) -> Sequence[Artist]:
        """See :meth:`Scene.show`."""
        picture = self.pictures[t]
        self.map.set_data(self._map(t, last_change))
        self.goal.set_data(*_place(picture.goal))
        self.goal.set_markerfacecolor(GOOD if self.game.moments[t].reward > 0 else "white")
        self.agent.set_data(*_place(picture.position))
        self._lay_trail(t)
        artists: list[Artist] = [self.map, self.trail, self.goal, self.agent]
        if last_change is not None:
            old_goal = self.pictures[last_change - 1].goal
            self.old_goal.set_data(*_place(old_goal))
            if old_goal != picture.goal:
                artists.insert(1, self.old_goal)
        return artists

    def _map(self, t: int, last_change: int | None) -> NDArray[np.uint8]:
        """Colours of the cells, (n, n, 3)."""
        picture = self.pictures[t]
        colors = np.where(picture.walls[..., None], _WALL, _FREE)
        row, column = picture.position
        seen = (slice(row - 1, row + 2), slice(column - 1, column + 2))
        colors[seen][~picture.walls[seen]] = _SEEN
        if last_change is not None:
            before = self.pictures[last_change - 1].walls
            colors[picture.walls & ~before] = _NEW_WALL
            colors[before & ~picture.walls] = _OPENING
        return colors

    def _lay_trail(self, t: int) -> None:
        """The moves since the path began, the older the paler."""
        first = max(self.starts[t], t - _REMEMBERED + 1)
        moves = [self.pictures[s] for s in range(first, t + 1)]
        ages = t - np.arange(first, t + 1)
        ends = np.array([(p.trail[::-1], p.position[::-1]) for p in moves]).reshape(-1, 2, 2)
        # Mixed, not transparent: moves overlap where they meet.
        paleness = 0.15 + 0.85 * ages[:, None] / _REMEMBERED
        colors = (1 - paleness) * to_rgb(self.color) + paleness * _FREE / 255
        self.trail.set_segments(list(ends))
        self.trail.set_color(colors.tolist())


def path_starts(game: Game) -> list[int]:
    """For each moment, the first move of the path that leads there, (T + 1).

    A path begins where an episode does, after a reward (which moves the agent elsewhere), and at a
    change.
    """
    changes = set(game.changes)
    starts = [1]
    for t, before in enumerate(game.moments[:-1], 1):
        new = before.done or before.reward > 0 or t in changes
        starts.append(t if new else starts[-1])
    return starts


def _place(cell: tuple[int, int]) -> tuple[list[int], list[int]]:
    return [cell[1]], [cell[0]]
