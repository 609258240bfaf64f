"""Mazes in saved states.

Letters: N worlds, M slots of each, C cells of a maze (see ``maze_world.py``). In a state the slots
are the last axis, which may have any length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .blocks import BoolArray, IntArray
from .maze_grid import NUM_DIRECTIONS, Grid
from .mazes import Mazes

MAZE_KEYS = tuple(field.name for field in fields(Mazes))


def pack_mazes(mazes: Mazes, last: IntArray) -> dict[str, NDArray[Any]]:
    """Copies of mazes (N, M, ...), as many slots as are in use.

    Slots after the ``last`` (N,) of a world hold that again, whatever is left in them.
    """
    slots = np.minimum(np.arange(last.max() + 1), last[:, None])
    used = mazes.take((np.arange(len(last))[:, None], slots))
    return {
        name: np.moveaxis(array, 1, -1).copy()
        for name, array in zip(MAZE_KEYS, used.arrays(), strict=True)
    }


def unpack_mazes(state: Mapping[str, NDArray[Any]]) -> Mazes:
    """The mazes (N, M, ...) of a state."""
    return Mazes(*(np.moveaxis(state[name], -1, 1) for name in MAZE_KEYS))


def check_mazes(grid: Grid, state: Mapping[str, NDArray[Any]], row: int, over: BoolArray) -> None:
    """Raises ValueError if a state's mazes, and agents in them, are impossible.

    Args:
        grid: Ground plan of the mazes.
        state: Arrays of the right shapes but for the last axes.
        row: Row of the current step.
        over: Worlds of which no episode is running, (N,).
    """
    mazes, last, position = unpack_mazes(state), state["last"], state["position"]
    slots = mazes.goal.shape[1]
    if any(array.shape[1] != slots for array in mazes.arrays()):
        raise ValueError(f"state[...] of {', '.join(MAZE_KEYS)} must have equal last axes")
    ranges = {
        "last": (last, 0, slots),
        "goal": (mazes.goal, 0, grid.cells),
        "directions": (mazes.directions, 0, NUM_DIRECTIONS),
        "blocked": (mazes.blocked, -1, grid.cells),
        "position": (position, 0, grid.cells),
        "trace_slot": (state["trace_slot"], 0, slots),
    }
    for name, (values, low, end) in ranges.items():
        if ((values < low) | (values >= end)).any():
            raise ValueError(
                f"state[{name!r}] must be from {low} to {end - 1}, "
                f"got {values.min()} to {values.max()}"
            )
    if (state["trace_slot"] > last).any():
        raise ValueError(f"state['trace_slot'] must be at most state['last'] ({last.tolist()})")
    if not mazes.walls[:, :, ~grid.inner].all():
        raise ValueError("state['walls'] must have walls all around")
    if np.take_along_axis(mazes.walls, mazes.goal[..., None], axis=2).any():
        raise ValueError("state['goal'] must not be in a wall")
    running = np.flatnonzero(~over)
    slot = state["trace_slot"][row, running]
    if mazes.walls[running, slot, position[running]].any():
        raise ValueError("state['position'] must not be in a wall")
