"""The worlds behind the shifting mazes, as array functions over N worlds at once.

A world's mazes over a block of steps lie in its *slots*, in order of time; rows of the trace say in
which slot a step takes place. What steps look up in a maze is worked out once per slot, for a whole
block and all worlds at once, so that a step is a handful of look-ups.

Letters: N worlds, n of them at work, M slots, C cells of a maze, B steps of a block, L = B + 1 rows
(see ``blocks.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from .blocks import BoolArray, IntArray, Segments
from .maze_drifts import MazeDrift
from .maze_grid import NUM_DIRECTIONS, Grid, pick
from .maze_saving import MAZE_KEYS, check_mazes, pack_mazes, unpack_mazes
from .maze_trace import ROWS, STEPS_PER_BLOCK, MazeEpisode, MazeTrace, Moves
from .mazes import Charts, Mazes
from .played_world import PlayedWorld
from .schedules import Schedule
from .streams import DrawArrays, Draws, FloatArray, Streams


class MazeWorld(PlayedWorld[MazeTrace, MazeEpisode]):
    """N mazes with their own random streams and an agent in each, stepped together.

    Args:
        num_worlds: N.
        grid: Their ground plan.
        layout: ``"pillars"`` or ``"corridors"``.
        random_start: Whether the agent starts anywhere, not at the centre.
        schedule: When the worlds change.
        drifts: What changes then, one after the other.
        streams: Random streams to take over from other worlds; by default new ones.
    """

    steps_per_block = STEPS_PER_BLOCK
    saved: tuple[str, ...] = (*PlayedWorld.saved, "position", "last")
    open_keys: tuple[str, ...] = (*PlayedWorld.open_keys, *MAZE_KEYS)

    def __init__(
        self,
        num_worlds: int,
        grid: Grid,
        layout: str,
        random_start: bool,
        schedule: Schedule,
        drifts: tuple[MazeDrift, ...],
        streams: Streams | None = None,
    ) -> None:
        self.grid = grid
        self.layout = layout
        self.random_start = random_start
        self.drifts = drifts
        self.moves_walls = any(drift.moves_walls for drift in drifts)
        self.stepwise = schedule.reactive
        layout_draws = len(grid.sites) if layout == "corridors" else 0
        super().__init__(
            num_worlds,
            schedule,
            start_wants=(Draws(layout_draws), Draws(1), Draws(1)),
            step_wants=(Draws(1),),
            trace=MazeTrace.zeros(num_worlds),
            streams=streams,
        )
        self.leaps = grid.leaps()
        self.position = np.full(num_worlds, grid.centre)
        # What each agent sees (Charts.view), as the row of tables by view and direction.
        self.scene = np.zeros(num_worlds, dtype=np.int64)
        self.last = np.zeros(num_worlds, dtype=np.int64)  # slot of the last maze of the block
        self.mazes = Mazes.published(grid, num_worlds).take((slice(None), None))
        self.charts = Charts.zeros((num_worlds, 1), grid)
        self.first_slot = self.everyone.copy()  # of each world, among all N * M
        self.jump_draws = Draws(sum(drift.num_uniforms(grid) for drift in drifts))
        if self.stepwise:  # random numbers that a change at each step would take
            self.jump_uniforms = np.zeros((ROWS, num_worlds, self.jump_draws.uniforms))
            self.saved = (*type(self).saved, "jump_uniforms")

    # ------------------------------------------------------------------ a step

    def play(self, actions: IntArray) -> Moves:
        """Moves the agents, changes the mazes and ends the step; the info of its row stays."""
        charts, mazes, cells = self.charts, self.mazes, self.grid.cells
        trace, row = self.trace, self.row
        slot = self.first_slot + trace.slot[row]
        here = slot * cells
        before = here + self.position
        direction = mazes.directions.take(slot * NUM_DIRECTIONS + actions)
        cell = self.position + self.leaps.take(self.scene + direction)
        hit = cell == mazes.goal.take(slot)
        steps_left = charts.steps.take(here + cell)
        steps_left[hit] = 0
        regret = 1.0 + (steps_left - charts.steps.take(before))
        optimal = charts.optimal.take(before).astype(np.int64)
        if self.stepwise:
            # Every action that loses nothing counts as the optimal one.
            self._change(self._react(actions, np.where(regret == 0.0, actions, optimal)), row)
        self.clock += 1

        # Whoever found the goal, or is caught in a new wall, lands in the maze of the next step.
        slot = self.first_slot + trace.slot[self.row]
        here = slot * cells
        leaves = hit
        if self.moves_walls:
            leaves = hit | mazes.walls.take(here + cell)
        position = cell
        worlds = leaves.nonzero()[0]
        if len(worlds):
            position = cell.copy()
            place = (trace.landing[row, worlds] * charts.places.take(slot[worlds])).astype(np.int64)
            position[worlds] = charts.landing.take(here[worlds] + place)
        self.position = position
        self.scene = self._scenes(here + position)
        return Moves(cell, hit, regret, optimal)

    @override
    def optimal(self) -> IntArray:
        return self.charts.optimal.take(self._here()).astype(np.int64)

    def _here(self) -> IntArray:
        """Cells of the agents among all N * M * C, (N,)."""
        slot = self.first_slot + self.trace.slot[self.row]
        return slot * self.grid.cells + self.position

    def _scenes(self, here: IntArray) -> IntArray:
        """What is seen from cells ``here`` among all N * M * C."""
        scenes: IntArray = self.charts.view.take(here).astype(np.int64) * NUM_DIRECTIONS
        return scenes

    def now(self) -> Mazes:
        """Copies of the mazes (N, ...) at the current step."""
        return self.mazes.take((self.everyone, self.trace.slot[self.row]))

    # ------------------------------------------------------------------ drawing ahead

    @override
    def _begin(
        self, worlds: IntArray, draws: list[DrawArrays], episode: MazeEpisode | None
    ) -> None:
        grid, n = self.grid, len(worlds)
        episode = episode or MazeEpisode()
        layout, goal, start = (part[0] for part in draws)
        mazes = Mazes.published(grid, n)
        if episode.walls is not None:
            mazes.walls = episode.walls.copy()
        elif self.layout == "corridors":
            mazes.walls = grid.corridors(layout)
        if episode.directions is not None:
            mazes.directions = episode.directions
        if episode.goal is not None:
            mazes.goal = episode.goal
            mazes.walls[np.arange(n), mazes.goal] = False  # as RedrawLayout leaves it out
        else:
            free = ~mazes.walls
            free[:, grid.centre] = False
            mazes.goal = pick(free, goal[:, 0])
        position = np.full(n, grid.centre)
        if episode.position is not None:
            position = episode.position
            mazes.walls[np.arange(n), position] = False
        elif self.random_start:
            free = ~mazes.walls
            free[np.arange(n), mazes.goal] = False
            position = pick(free, start[:, 0])
        self.position[worlds] = position
        self.mazes.put((worlds, 0), mazes)
        self.last[worlds] = 0

    @override
    def _make_rows(
        self,
        worlds: IntArray,
        draws: list[DrawArrays],
        flags: BoolArray,
        context: IntArray,
        since: IntArray,
        changed: BoolArray,
    ) -> MazeTrace:
        trace = MazeTrace.zeros(len(worlds))
        trace.landing[:-1] = draws[0][0][..., 0]
        trace.changed[0], trace.changed[1:] = changed, flags
        # The maze of the row at which the block begins is the last of the block before.
        moved = worlds[self.last[worlds] > 0]
        if len(moved):
            self.mazes.put((moved, 0), self.mazes.take((moved, self.last[moved])))
            self.last[moved] = 0
        if self.stepwise:
            trace.context[0], trace.since[0] = context, since
            counts = np.full(len(worlds), STEPS_PER_BLOCK)
            uniforms, _ = self.streams.draw_ragged(worlds, counts, self.jump_draws)
            rows = (self.clock + np.arange(STEPS_PER_BLOCK))[:, None] % ROWS
            by_step = uniforms.reshape(len(worlds), STEPS_PER_BLOCK, -1).transpose(1, 0, 2)
            self.jump_uniforms[rows, worlds] = by_step
        else:
            segments = Segments(flags)
            self._draw_mazes(worlds, segments.counts)
            trace.slot = segments.count_changes(np.zeros_like(context))
            trace.context = trace.slot + context
            trace.since = segments.steps_since(since)
        slots = np.nonzero(np.arange(self.mazes.goal.shape[1]) <= self.last[worlds, None])
        self._chart((worlds[slots[0]], slots[1]))
        here = self.first_slot[worlds] * self.grid.cells + self.position[worlds]
        self.scene[worlds] = self._scenes(here)
        return trace

    def _draw_mazes(self, worlds: IntArray, counts: IntArray) -> None:
        """Fills the slots of ``worlds`` (n,) after their first, for ``counts`` (n,) changes."""
        uniforms, _ = self.streams.draw_ragged(worlds, counts, self.jump_draws)
        most = int(counts.max())
        self._reserve(most + 1)
        first = np.cumsum(counts) - counts
        for ordinal in range(most):
            busy = np.flatnonzero(counts > ordinal)
            mazes = self.mazes.take((worlds[busy], ordinal))
            mazes = self._jump(mazes, uniforms[first[busy] + ordinal])
            self.mazes.put((worlds[busy], ordinal + 1), mazes)
        self.last[worlds] = counts

    def _chart(self, index: tuple[IntArray, ...]) -> None:
        """Works out the charts of the mazes at ``index`` (world, slot)."""
        self.charts.put(index, Charts.of(self.mazes.take(index), self.grid))

    def _change(self, changed: BoolArray, row: int) -> None:
        """Changes the mazes of stepwise worlds, which have one slot, after the step of ``row``."""
        worlds = np.flatnonzero(changed)
        if len(worlds):
            mazes = self._jump(self.mazes.take((worlds, 0)), self.jump_uniforms[row, worlds])
            self.mazes.put((worlds, 0), mazes)
            self._chart((worlds, np.zeros_like(worlds)))

    def _jump(self, mazes: Mazes, uniforms: FloatArray) -> Mazes:
        first = 0
        for drift in self.drifts:
            count = drift.num_uniforms(self.grid)
            mazes = drift.jump(self.grid, mazes, uniforms[:, first : first + count])
            first += count
        return mazes

    def _reserve(self, num_slots: int) -> None:
        """Makes room for as many slots per world."""
        missing = num_slots - self.mazes.goal.shape[1]
        if missing > 0:
            for part in (self.mazes, self.charts):
                for field, array in zip(fields(part), part.arrays(), strict=True):
                    width = ((0, 0), (0, missing), *((0, 0),) * (array.ndim - 2))
                    setattr(part, field.name, np.pad(array, width))
            self.first_slot = self.everyone * num_slots

    # ------------------------------------------------------------------ saving

    @override
    def get_state(self) -> dict[str, NDArray[Any]]:
        state = super().get_state()
        state.update(pack_mazes(self.mazes, self.last))
        # Rows that lie before the block may name slots that are no longer in use.
        state["trace_slot"] = np.minimum(self.trace.slot, self.last)
        return state

    @override
    def check_state(
        self, state: Mapping[str, NDArray[Any]], over: BoolArray, horizon: int | None
    ) -> None:
        super().check_state(state, over, horizon)
        check_mazes(self.grid, state, int(state["clock"]) % ROWS, over)

    @override
    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        super().set_state(state)
        mazes = unpack_mazes(state)
        self._reserve(mazes.goal.shape[1])
        slots = np.nonzero(np.ones_like(mazes.goal))
        self.mazes.put(slots, mazes.take(slots))
        self._chart(slots)
        self.scene = self._scenes(self._here())
