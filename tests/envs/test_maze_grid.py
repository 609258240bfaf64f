"""Layouts, views and shortest paths, against plain Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.envs import Grid, Mazes
from driftwise.envs.maze_grid import pick
from driftwise.envs.mazes import Charts

Search = Callable[..., dict[Any, int]]

MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))


def random_mazes(seed: int, size: int, count: int) -> tuple[Grid, Mazes]:
    """Mazes with walls anywhere inside, so that cells may be cut off from the goal."""
    grid, rng = Grid(size), np.random.default_rng(seed)
    mazes = Mazes.published(grid, count)
    mazes.walls = ~grid.inner | (rng.random((count, grid.cells)) < rng.random())
    mazes.goal = rng.choice(np.flatnonzero(grid.inner), count)
    mazes.walls[np.arange(count), mazes.goal] = False
    mazes.directions = rng.permuted(mazes.directions, axis=1)
    return grid, mazes


@given(seed=st.integers(0, 2**31), size=st.sampled_from([5, 7, 9, 13]), count=st.integers(1, 4))
@settings(deadline=None, max_examples=40)
def test_charts(search: Search, seed: int, size: int, count: int) -> None:
    grid, mazes = random_mazes(seed, size, count)
    charts = Charts.of(mazes, grid)
    distances = grid.distances(mazes.walls, mazes.goal)
    leaps = grid.leaps()
    for index in range(count):
        walls = mazes.walls[index].reshape(size, size)
        goal = divmod(int(mazes.goal[index]), size)
        steps = search(walls, goal)
        for cell in range(grid.cells):
            place = divmod(cell, size)
            assert distances[index, cell] == steps.get(place, size * size)
            if place not in steps:
                continue
            row, column = place
            view = walls[row - 1 : row + 2, column - 1 : column + 2].reshape(-1)
            assert charts.view[index, cell] == sum(int(bit) << i for i, bit in enumerate(view))
            # The steps that the next reward takes, by trying each action.
            tries = []
            for direction in mazes.directions[index]:
                target = row + MOVES[direction][0], column + MOVES[direction][1]
                target = place if walls[target] else target
                tries.append(1 + steps[target])
                leap = leaps[charts.view[index, cell] * 4 + direction]
                assert divmod(cell + leap, size) == target
            assert charts.steps[index, cell] == min(tries)
            assert charts.optimal[index, cell] == int(np.argmin(tries))


@pytest.mark.parametrize(("size", "free"), [(5, 9), (9, 41), (11, 65), (13, 97)])
def test_the_published_layout(size: int, free: int) -> None:
    plan = Grid(size).pillars(2)[1].reshape(size, size)
    assert (~plan).sum() == free
    assert not plan[size // 2, size // 2] and plan[0].all() and plan[:, -1].all()
    others = [(r, c) for r in range(2, size - 2, 2) for c in range(2, size - 2, 2)]
    assert all(plan[cell] for cell in others if cell != (size // 2, size // 2))


@given(seed=st.integers(0, 2**31), size=st.sampled_from([5, 7, 9, 11, 13, 21]))
@settings(deadline=None, max_examples=30)
def test_corridors_are_connected(search: Search, seed: int, size: int) -> None:
    grid = Grid(size)
    uniforms = np.random.default_rng(seed).random((6, len(grid.sites)))
    for walls in grid.corridors(uniforms).reshape(-1, size, size):
        assert len(search(walls, (size // 2, size // 2))) == (~walls).sum()
        assert (walls | ~grid.pillars(1).reshape(size, size)).all()
    if size > 5:
        # As few walls as pillars fall, or fewer where two fall onto the same cell.
        fallen = grid.corridors(uniforms).sum(axis=1) - grid.pillars(1).sum()
        assert (fallen <= len(grid.sites)).all() and fallen.max() > 0


def test_connected(search: Search) -> None:
    grid, mazes = random_mazes(5, 7, 50)
    expected = [
        len(search(walls.reshape(7, 7), divmod(int(goal), 7))) == (~walls).sum()
        for walls, goal in zip(mazes.walls, mazes.goal, strict=True)
    ]
    assert grid.connected(mazes.walls, mazes.goal).tolist() == expected
    assert 0 < sum(expected) < 50


def test_pick_is_uniform() -> None:
    cells = np.tile(np.array([False, True, False, True, True, False]), (3000, 1))
    uniforms = (np.arange(3000) + 0.5) / 3000
    assert np.bincount(pick(cells, uniforms), minlength=6).tolist() == [0, 1000, 0, 1000, 1000, 0]
    almost_one = np.full(3000, np.nextafter(1.0, 0.0))
    assert (pick(cells, almost_one) == 4).all() and (pick(cells, 0 * almost_one) == 1).all()
