"""Pictures of a maze's step: a map as text, and as an image drawn with numpy alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .maze_grid import DIRECTIONS, NUM_DIRECTIONS
from .mazes import Mazes

_TILE, _EDGE, _GAP, _LINE = 24, 6, 5, 2
_PAPER = (255, 255, 255)
_FRAME = (225, 225, 225)
_CHANGED = (210, 60, 50)
_WALL = (66, 74, 92)
_VEIL = (233, 236, 241)  # free cells out of the agent's sight
_LINES = (216, 221, 229)
_GOAL = (60, 160, 90)
_AGENT = (226, 130, 40)
_DARK = (30, 30, 30)


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

    What the agent sees, the 3 x 3 cells around it, is bright; the rest is veiled. The frame is red
    at a step at which the maze has changed.
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

    # Distances of the points from the middles of goal and agent.
    points = np.arange(side) + 0.5
    vertical, horizontal = points[:, None], points[None, :]

    def radius(cell: tuple[float, float]) -> NDArray[np.float64]:
        row, column = ((place + 0.5) * _TILE for place in cell)
        return np.hypot(vertical - row, horizontal - column)

    goal = radius(picture.goal)
    _blend(plan, (8.5 - goal).clip(0, 1), _GOAL)
    _blend(plan, (5.0 - goal).clip(0, 1), _PAPER)
    for part in range(_GAP):  # the way from where it stood: ever larger dots
        share = part / _GAP
        way = zip(picture.trail, picture.position, strict=True)
        dot = tuple(before + share * (after - before) for before, after in way)
        if picture.trail != picture.position:
            _blend(plan, (2.0 + _LINE * share - radius((dot[0], dot[1]))).clip(0, 1), _AGENT)
    agent = radius(picture.position)
    _blend(plan, (7.5 - agent).clip(0, 1), _AGENT)
    if picture.reward > 0:
        _blend(plan, (3.5 - agent).clip(0, 1), _GOAL)
    elif 0 <= picture.direction < NUM_DIRECTIONS and picture.trail == picture.position:
        # Bumped: a dark bar at the wall that stopped it.
        row, column = picture.position
        up, down, left_, right = (picture.direction == way for way in range(NUM_DIRECTIONS))
        first, last = row * _TILE + (_TILE - 3) * down, row * _TILE + 3 + (_TILE - 3) * (not up)
        begin, end = (
            column * _TILE + (_TILE - 3) * right,
            column * _TILE + 3 + (_TILE - 3) * (not left_),
        )
        plan[first:last, begin:end] = _DARK
    return image


def _blend(
    plan: NDArray[np.uint8], share: NDArray[np.float64], color: tuple[int, int, int]
) -> None:
    """Paints ``color`` over the image, as opaquely as ``share`` (height, width) says."""
    mixed = plan * (1 - share[..., None]) + np.array(color) * share[..., None]
    plan[:] = mixed.round().astype(np.uint8)
