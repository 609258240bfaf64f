"""What ``reset(options=...)`` of a maze may hold, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .blocks import BoolArray, IntArray
from .maze_drifts import RedrawLayout
from .maze_grid import NUM_DIRECTIONS
from .maze_trace import MazeEpisode
from .maze_world import MazeWorld
from .options import parse_change_times, parse_integers

EPISODE_KEYS = ("layout", "goal", "position", "actions", "change_times", "schedule", "drift")

_LEAST_FREE = 4  # the centre, the goal, a cell to block, and one to which the goal can move


def parse_episode(
    world: MazeWorld, options: Mapping[str, Any], worlds: IntArray, horizon: int | None
) -> MazeEpisode:
    """Reads what the options prescribe for the next episode of ``worlds`` (n,).

    Each value is given once for all worlds, or with a leading axis over all N of them.
    """
    walls = _layout(world, options.get("layout"))
    known = world.grid.pillars(world.num_worlds) if walls is None else walls
    goal = _cell(world, "goal", options.get("goal"), known)
    position = _cell(world, "position", options.get("position"), known)
    directions = _actions(world, options.get("actions"))
    return MazeEpisode(
        change_times=parse_change_times(options, world.num_worlds, worlds, horizon),
        walls=None if walls is None else walls[worlds],
        goal=None if goal is None else goal[worlds],
        position=None if position is None else position[worlds],
        directions=None if directions is None else directions[worlds],
    )


def _layout(world: MazeWorld, value: Any) -> BoolArray | None:
    if value is None:
        return None
    name, grid, count = "options['layout']", world.grid, world.num_worlds
    if isinstance(value, np.ndarray) and value.dtype == np.bool_:
        value = value.astype(np.int64)
    layout = parse_integers(name, value, (grid.size, grid.size), count).reshape(count, -1)
    if ((layout < 0) | (layout > 1)).any():
        raise ValueError(f"{name} must have 1 for a wall and 0 for a free cell")
    walls = layout == 1
    if not walls[:, ~grid.inner].all():
        raise ValueError(f"{name} must have walls all around")
    centre = np.full(count, grid.centre)
    if walls[:, grid.centre].any():
        raise ValueError(f"{name} must have a free centre")
    if ((~walls).sum(axis=1) < _LEAST_FREE).any() or not grid.connected(walls, centre).all():
        raise ValueError(f"{name} must have at least {_LEAST_FREE} free cells, all connected")
    redrawn = any(isinstance(drift, RedrawLayout) for drift in world.drifts)
    if redrawn and not walls[:, grid.sites].all():  # else a pillar might bury the goal
        raise ValueError(f"{name} must have walls where RedrawLayout puts pillars")
    return walls


def _cell(world: MazeWorld, key: str, value: Any, walls: BoolArray) -> IntArray | None:
    if value is None:
        return None
    name, size = f"options[{key!r}]", world.grid.size
    cell = parse_integers(name, value, (2,), world.num_worlds)
    outside = (cell < 0) | (cell >= size)
    if outside.any():
        raise ValueError(f"{name} must be (row, column) in [0, {size}), got {cell.tolist()[0]}")
    number: IntArray = cell[:, 0] * size + cell[:, 1]
    inside = np.flatnonzero(walls[world.everyone, number])
    if len(inside):
        raise ValueError(f"{name} must be a free cell, got a wall at {cell.tolist()[inside[0]]}")
    return number


def _actions(world: MazeWorld, value: Any) -> IntArray | None:
    if value is None:
        return None
    name = "options['actions']"
    directions = parse_integers(name, value, (NUM_DIRECTIONS,), world.num_worlds)
    if (np.sort(directions, axis=1) != np.arange(NUM_DIRECTIONS)).any():
        raise ValueError(f"{name} must be an order of 0, 1, 2, 3, got {directions.tolist()[0]}")
    return directions
