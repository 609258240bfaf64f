"""What a change does to a maze."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from driftwise.envs import (
    BlockCorridor,
    Grid,
    MazeDrift,
    Mazes,
    MoveGoal,
    PermuteActions,
    RedrawLayout,
    ShiftingMaze,
    ShiftingMazeVector,
    check_vector_env,
)

COUNT = 400


def mazes_and_changes(
    drift: MazeDrift, size: int, corridors: bool = False, changes: int = 4
) -> tuple[Grid, list[Mazes]]:
    """Mazes before and after each of some changes."""
    grid, rng = Grid(size), np.random.default_rng(0)
    mazes = Mazes.published(grid, COUNT)
    if corridors:
        mazes.walls = grid.corridors(rng.random((COUNT, len(grid.sites))))
    mazes = MoveGoal().jump(grid, mazes, rng.random((COUNT, 1)))
    found = [mazes.take(slice(None))]
    for _ in range(changes):
        mazes = drift.jump(grid, mazes, rng.random((COUNT, drift.num_uniforms(grid))))
        found.append(mazes.take(slice(None)))
    for maze in found:
        assert grid.connected(maze.walls, maze.goal).all()
        assert not maze.walls[np.arange(COUNT), maze.goal].any()
        assert not maze.walls[:, grid.centre].any()
        assert maze.walls[:, ~grid.inner].all()
    return grid, found


def same(first: Mazes, second: Mazes, *names: str) -> bool:
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)


@pytest.mark.parametrize("size", [5, 9])
def test_move_goal(size: int) -> None:
    grid, found = mazes_and_changes(MoveGoal(), size)
    for before, after in pairwise(found):
        assert (before.goal != after.goal).all() and (after.goal != grid.centre).all()
        assert same(before, after, "walls", "directions", "blocked")
    seen = np.unique(np.concatenate([maze.goal for maze in found]))
    assert len(seen) == (~found[0].walls[0]).sum() - 1


def test_permute_actions() -> None:
    _, found = mazes_and_changes(PermuteActions(), 9)
    for before, after in pairwise(found):
        assert (np.sort(after.directions) == np.arange(4)).all()
        assert (before.directions != after.directions).all()
        assert same(before, after, "walls", "goal")


@pytest.mark.parametrize("size", [5, 9, 11])
def test_redraw_layout(size: int) -> None:
    grid, found = mazes_and_changes(RedrawLayout(), size)
    assert all(same(found[0], maze, "goal", "directions") for maze in found)
    fallen = found[-1].walls.sum(axis=1) - grid.pillars(1).sum()
    assert (fallen <= len(grid.sites)).all()
    if size > 5:
        assert len(np.unique(found[-1].walls, axis=0)) > COUNT // 2


@pytest.mark.parametrize("corridors", [False, True])
@pytest.mark.parametrize("size", [5, 9])
def test_block_corridor(size: int, corridors: bool) -> None:
    grid, found = mazes_and_changes(BlockCorridor(), size, corridors)
    centre, everyone = np.full(COUNT, grid.centre), np.arange(COUNT)
    original, on_way = found[0].walls, 0
    for before, after in pairwise(found):
        assert same(before, after, "goal", "directions")
        blocked = after.blocked >= 0
        assert ((after.walls != original).sum(axis=1) == blocked).all()
        assert after.walls[everyone[blocked], after.blocked[blocked]].all()
        assert (after.blocked != before.blocked)[blocked | (before.blocked >= 0)].all()
        # Where the goal is at least two steps away in the open, the way there was blocked.
        direct = grid.distances(original, after.goal)
        around = direct + grid.distances(original, centre)
        cells = after.blocked[blocked]
        ways = around[everyone[blocked], cells] == direct[blocked, grid.centre]
        on_way += ways.sum()
        if not corridors:
            assert blocked.all() and ways[direct[:, grid.centre] > 3].all()
    assert on_way > COUNT
    if corridors and size == 9:
        assert (found[-1].blocked >= 0).mean() > 0.9


@pytest.mark.parametrize("corridors", [False, True])
def test_a_blocked_way_gets_longer_wherever_one_cell_can_do_that(corridors: bool) -> None:
    grid, (before, after) = mazes_and_changes(BlockCorridor(), 7, corridors, changes=1)
    centre = np.full(COUNT, grid.centre)
    usual = grid.distances(before.walls, centre)[np.arange(COUNT), before.goal]
    possible = np.zeros(COUNT, dtype=bool)
    for cell in np.flatnonzero(grid.inner):
        tried = ~before.walls[:, cell] & (before.goal != cell) & (grid.centre != cell)
        walls = before.walls.copy()
        walls[:, cell] = True
        tried &= grid.connected(walls, before.goal)
        possible |= tried & (grid.distances(walls, centre)[np.arange(COUNT), before.goal] > usual)
    longer = grid.distances(after.walls, centre)[np.arange(COUNT), after.goal] > usual
    np.testing.assert_array_equal(longer, possible)
    assert 0.1 < possible.mean() < 0.9


def test_a_drift_of_ones_own() -> None:
    @dataclass(frozen=True)
    class Mirror(MazeDrift):
        """Left and right change places."""

        def jump(self, grid: Grid, mazes: Mazes, uniforms: np.ndarray) -> Mazes:
            mazes.directions[:, 2:] = mazes.directions[:, [3, 2]]
            return mazes

    arguments: dict[str, Any] = {"drift": [Mirror(), MoveGoal()], "schedule": "Hazard(0.1)"}
    check_vector_env(ShiftingMazeVector(2, **arguments), lambda: ShiftingMaze(**arguments))
    env = ShiftingMaze(drift=Mirror())
    env.reset(seed=0, options={"position": (3, 3), "goal": (7, 7), "change_times": [2, 3]})
    column = []
    for _ in range(4):
        env.step(3)
        column.append(int(env.get_state()["position"][0]) % 9)
    assert column == [4, 5, 4, 5]
