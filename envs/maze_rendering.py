"""Pictures of a maze's step: a map as text, and as an image drawn with numpy alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .maze_grid import DIRECTIONS
from .mazes import Mazes
from .rendering import paint_disc

_TILE, _EDGE = 24, 6
_PAPER = (255, 255, 255)
_FRAME = (225, 225, 225)
_CHANGED = (210, 60, 50)
_WALL = (66, 74, 92)
_VEIL = (233, 236, 241)  # free cells out of the agent's sight
_LINES = (216, 221, 229)
_GOAL = (60, 160, 90)
_AGENT = (226, 130, 40)
_BUMP = (210, 60, 50)


class MazePicture(NamedTuple):
    """One step of one maze.

    Attributes:
        step: Step within the episode.
        walls: The maze of this step, (n, n) of bool.
        goal: Row and column of the goal.
        position: Row and column of the agent after the step (before any leap), or at the start.
        trail: Where it stood before the step; equal to ``position`` at the start.
        direction: Direction in which the action moved, or -1 at the start of an episode.
        action: The action, or -1.
        reward: What it paid.
        info: The info of this step.
    """

    step: int
    walls: NDArray[np.bool_]
    goal: tuple[int, int]
    position: tuple[int, int]
    trail: tuple[int, int]
    direction: int
    action: int
    reward: float
    info: dict[str, Any]

    @classmethod
    def of(
        cls,
        size: int,
        maze: Mazes,
        step: int,
        cells: tuple[int, int],
        action: int,
        reward: float,
        info: dict[str, Any],
    ) -> MazePicture:
        """The picture of a maze (without leading axes) in which the agent moved between cells."""
        trail, position = (divmod(cell, size) for cell in cells)
        return cls(
            step,
            maze.walls.reshape(size, size),
            divmod(int(maze.goal), size),
            position,
            trail,
            -1 if action < 0 else int(maze.directions[action]),
            action,
            reward,
            info,
        )

    def draw(self, render_mode: str) -> str | NDArray[np.uint8]:
        """Text, or an image (24 n + 12, 24 n + 12, 3) of uint8."""
        return _text(self) if render_mode == "ansi" else _image(self)


def _text(picture: MazePicture) -> str:
    """A line about the step, then the map: walls ``##``, the agent ``@``, the goal ``G``."""
    info, moved = picture.info, "no move yet"
    if picture.action >= 0:
        moved = (
            f"action {picture.action} ({DIRECTIONS[picture.direction]}) paid "
            f"{picture.reward:.3g}, regret {info['regret']:.0f}"
        )
    since = "changed now" if info["changed"] else f"{info['steps_since_change']} steps old"
    rows = [["##" if wall else " ." for wall in row] for row in picture.walls.tolist()]
    rows[picture.goal[0]][picture.goal[1]] = " G"
    row, column = picture.position
    rows[row][column] = "@G" if picture.position == picture.goal else " @"
    lines = [f"step {picture.step}: {moved}; context {info['context']}, {since}"]
    return "\n".join([*lines, *("".join(row) for row in rows)]) + "\n"


def _image(picture: MazePicture) -> NDArray[np.uint8]:
    """The map: walls dark, the goal a green ring, the agent a disc with its last move behind it.

    What the agent sees, the 3 x 3 cells around it, is bright; the rest is veiled. A red dot marks
    the wall that has stopped it, a green heart a reward; the frame is red at a step at which the
    maze has changed.
    """
    walls = picture.walls
    side = len(walls) * _TILE
    image = np.empty((side + 2 * _EDGE, side + 2 * _EDGE, 3), dtype=np.uint8)
    image[:] = _CHANGED if picture.info["changed"] else _FRAME
    plan = image[_EDGE:-_EDGE, _EDGE:-_EDGE]
    plan[:] = _VEIL
    top, left = ((place - 1) * _TILE for place in picture.position)
    plan[top : top + 3 * _TILE, left : left + 3 * _TILE] = _PAPER
    plan[::_TILE] = plan[:, ::_TILE] = _LINES
    plan[np.kron(walls, np.ones((_TILE, _TILE), dtype=bool))] = _WALL

    def disc(cell: tuple[float, float], size: float, color: tuple[int, int, int]) -> None:
        row, column = ((place + 0.5) * _TILE for place in cell)
        paint_disc(plan, row, column, size, color)

    disc(picture.goal, 10.0, _GOAL)
    disc(picture.goal, 7.5, _PAPER)
    (top, left), (row, column) = picture.trail, picture.position
    if picture.trail != picture.position:
        for share in (0.0, 0.2, 0.4, 0.6, 0.8):  # ever larger dots
            place = top + share * (row - top), left + share * (column - left)
            disc(place, 1.5 + 2.0 * share, _AGENT)
    disc(picture.position, 6.5, _AGENT)
    if picture.reward > 0:
        disc(picture.position, 3.0, _GOAL)
    if picture.action >= 0 and picture.trail == picture.position:
        down, right = ((-1, 0), (1, 0), (0, -1), (0, 1))[picture.direction]
        disc((row + 0.42 * down, column + 0.42 * right), 2.5, _BUMP)
    return image
