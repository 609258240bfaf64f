"""Know what can be known: a player of mazes with the exact posterior of its place and the goal."""

from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from driftwise.agents import Player
from driftwise.benchmarks.maze_search import pillar_maze
from driftwise.envs import Never, Periodic

DISCOUNT = 0.5  # of a step on the way to a goal: near ones first


class BeliefPlayer(Player):
    """Takes the step that brings it nearest to the goal, on average over what it believes.

    For mazes of pillars whose goal stays, or moves once a period. The player knows the plan and the
    schedule, and sees what agents see: the 3 x 3 cells around it and its rewards. From these it
    keeps the probability of every pair of its own cell and the goal's (Bayes' rule, exactly), and
    takes the action with the largest mean of ``DISCOUNT ** steps``, the steps from there to the
    goal. It plans no step for the sake of what it might see (the QMDP heuristic; Littman et al.
    1995), so that the best player there could be earns at least as much.

    Attributes:
        belief: (N, 2, F, F) probabilities of goal and cell, numbered among the F free ones, in
            worlds that have yet to change in this period (0) and in those that have (1).
    """

    def begin(self, env: VectorEnv, seed: int | None) -> None:
        """See :meth:`Player.begin`."""
        maze = pillar_maze(env)
        grid, schedule = maze.settings.grid, maze.settings.schedule
        known = isinstance(schedule, Periodic) and schedule.phase >= 0
        if not (known or isinstance(schedule, Never)):
            raise ValueError(
                f"schedule must be Never or Periodic with a known phase, got {schedule}"
            )
        self._schedule = schedule if isinstance(schedule, Periodic) else None
        walls = grid.pillars(1)
        free = np.flatnonzero(~walls[0])  # F cells, numbered from 0 in all that follows
        number = np.zeros(grid.cells, dtype=np.int64)
        number[free] = np.arange(len(free))
        leads = free + grid.offsets[:, None]
        leads = number[np.where(walls[0][leads], free, leads)]  # (A, F)
        # (A, F, F): whether an action leads from one cell to another.
        self._moves = (leads[:, :, None] == np.arange(len(free))).astype(np.float64)
        steps = grid.distances(np.repeat(walls, len(free), axis=0), free)[:, free]
        self._promise = DISCOUNT ** steps[:, leads].transpose(1, 0, 2)  # (A, goal, cell)
        self._views = grid.views(walls)[0, free]  # as bits
        # Where the goal moves to, (from, to): to any other cell but the centre.
        centre, self._apart = number[grid.centre], 1.0 - np.eye(len(free))
        to = self._apart.copy()
        to[:, centre] = 0.0
        self._goal_moves = to / to.sum(axis=1, keepdims=True)
        cell = self._apart if maze.settings.random_start else np.eye(len(free))[centre]
        self._first = self._goal_moves[centre][:, None] * cell
        self.belief = np.zeros((env.num_envs, 2, len(free), len(free)))
        self._clock = np.zeros(env.num_envs, dtype=np.int64)
        self._forget(np.ones(env.num_envs, dtype=bool))

    def act(self, obs: Any) -> NDArray[Any]:
        """See :meth:`Player.act`."""
        view = (np.asarray(obs)[:, :9] > 0.5) @ (1 << np.arange(9))
        self.belief *= (view[:, None] == self._views)[:, None, None]
        self.belief /= self.belief.sum(axis=(1, 2, 3), keepdims=True)
        both = self.belief.sum(axis=1).reshape(len(view), -1)
        self._actions = (both @ self._promise.reshape(len(self._promise), -1).T).argmax(axis=1)
        return self._actions

    def observe(
        self, rewards: NDArray[np.float64], dones: NDArray[np.bool_], info: dict[str, Any]
    ) -> None:
        """See :meth:`Player.observe`."""
        belief, paid = self.belief @ self._moves[self._actions][:, None], rewards > 0
        belief[paid] *= 1.0 - self._apart
        belief[~paid] *= self._apart
        self.belief = belief
        self._clock += 1
        self._change()
        # Who was paid is anywhere now but at the goal, which may have moved before.
        belief[paid] = belief[paid].sum(axis=-1, keepdims=True) * self._apart
        self._forget(dones)

    def _change(self) -> None:
        """The goal may have moved since the last step."""
        schedule, belief = self._schedule, self.belief
        if schedule is None:
            return
        since = (self._clock - schedule.phase) % schedule.period
        started = (self._clock - schedule.phase) // schedule.period >= (schedule.phase == 0)
        # A period begins: none has changed in it yet.
        new = since == 0
        belief[new, 0] += belief[new, 1]
        belief[new, 1] = 0.0
        now = started & (since <= schedule.jitter)
        chance = now / np.maximum(schedule.jitter - since + 1, 1)
        moving = chance[:, None, None] * belief[:, 0]
        belief[:, 0] -= moving
        belief[:, 1] += self._goal_moves.T @ moving

    def _forget(self, rows: NDArray[np.bool_]) -> None:
        """An episode begins."""
        self.belief[rows] = 0.0
        self.belief[rows, 0] = self._first
        self._clock[rows] = 0
