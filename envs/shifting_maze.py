"""The shifting maze, one at a time; its class docstring is its page of documentation."""

from __future__ import annotations

from typing import Any

import numpy as np
from typing_extensions import Unpack, override

from .maze_grid import NUM_DIRECTIONS
from .maze_rendering import MazePicture
from .maze_settings import ACTION, GOAL_REWARD, REWARD, MazeArguments, MazeSettings
from .maze_world import MazeWorld
from .world_env import Observation, WorldEnv


class ShiftingMaze(WorldEnv[MazeSettings, MazeWorld]):
    """A maze that changes while it is being explored.

    ## Description

    The grid maze of Miconi, Stanley and Clune (2018, 2019), made to change. An agent that sees only
    the cells around it looks for a hidden goal; each time it gets there it is rewarded and finds
    itself somewhere else, and should now go straight back. Then the world changes: the goal moves,
    the corridors are redrawn or blocked, or the actions lead elsewhere. A *schedule* says when, a
    *drift* what. The agent must explore, remember, notice, and explore again.

    The maze has n x n cells, n odd, with walls all around and pillars at even rows and columns
    (counted from 0), but none at the centre. The agent starts at the centre. The goal is a random
    other free cell. An agent that is at the goal after its move is paid and put on a random free
    cell that is not the goal.

    ## Action space

    ``Discrete(4)``: up, down, left, right (0 to 3), unless actions have been permuted. A move into
    a wall leaves the agent where it is.

    ## Observation space

    ``Box`` of float32, the inputs of the published agents, in this order:

    | index | what | range |
    | --- | --- | --- |
    | 0 ... 8 | walls in the 3 x 3 cells around the agent, row by row | 0 or 1 |
    | 9 | bias | 1 |
    | 10 | previous reward | ``-wall_penalty`` ... 10 |
    | 11 ... 14 | previous action, one-hot | 0 or 1 |
    | 15, with ``time_scale`` | steps taken / ``time_scale``, at most 1 | 0 ... 1 |

    The goal is invisible. In the first observation of an episode the previous reward and action are
    zero. Of the 17 published inputs (2019), one is unused and left out here; the published code
    feeds action 0 as the action before the first, and puts the time before the reward.

    ## Rewards

    10 at the goal, and ``-wall_penalty`` for a move into a wall.

    ## Starting state

    The agent at the centre; the goal uniform on the other free cells. Equal seeds give equal worlds
    and equal landing places for equal steps: nothing but the position depends on the agent, unless
    the schedule is reactive. No world changes at step 0.

    ``reset(options=...)`` prescribes the next episode; the episodes after it are drawn as usual.
    The vector environment also takes each value with a leading axis (num_envs,).

    - ``layout``: (n, n), 1 for a wall and 0 for a free cell. Walls all around, the centre free, at
      least four free cells, all of them connected; with ``RedrawLayout``, walls at its pillars.
    - ``goal``, ``position``: (row, column) of the goal and of the agent at step 0, free cells.
      (Random corridors leave out a wall that would bury them.)
    - ``actions``: the direction of each action at step 0, an order of 0, 1, 2, 3.
    - ``change_times``: the steps at which the world changes, shape (M,), instead of the schedule.
    - ``schedule``, ``drift``: replace the environment's own, in all later episodes too.

    ## Changes

    A change at step t comes after the move of step t - 1 and before that of step t, so that what
    the agent sees between them is the new maze. An agent caught in a new wall is put on a random
    free cell. An agent on whose cell the goal has moved is paid once it is there *after a move*: it
    has to bump into a wall, or step away and back.

    ## Episode end

    After ``max_episode_steps`` steps the episode is truncated: the world would have gone on. With
    ``terminate_on_horizon`` it is terminated: nothing is to be had beyond the end.

    ## Information

    The info that ``step`` returns describes the maze in which the action was taken:

    - ``regret`` (float): steps lost, ``1 + d(s') - d(s)``, where d is the number of steps to the
      next reward along a shortest path, s the place before the move and s' that after it (with
      d(s') = 0 at the goal). 0 for a move along a shortest path, 1 for a bump, 2 for a move away.
    - ``optimal_action`` (int): the first of the actions with regret 0. (The method of this name
      tells that of the coming step.)
    - ``context`` (int): the number of changes so far.
    - ``changed`` (bool): whether the maze has changed between the step before and this one.
    - ``steps_since_change`` (int): 0 at a changed step, else one more than at the step before;
      counted from the episode's start as long as nothing has changed.

    The info that ``reset`` returns describes the first step, with regret 0.

    ## Arguments

    - ``size``: n, odd, from 5 to 181. Default 9. Published: 9 or 11 (2018), 13 (2019).
    - ``layout``: ``"pillars"`` (default), the published maze; or ``"corridors"``, drawn anew for
      each episode: a wall one cell long falls from each pillar (none cuts a cell off).
    - ``schedule``: when the maze changes (``schedules.py``). Default ``Periodic(75, jitter=25)``:
      stretches of 50 to 100 steps. A ``Periodic`` one of which no change lies before
      ``max_episode_steps``, or ``AtSteps`` beyond it, is an error where that number is known.
    - ``drift``: what changes (``maze_drifts.py``): ``MoveGoal()`` (default), ``RedrawLayout()``,
      ``PermuteActions()``, ``BlockCorridor()``, or a list of these, which then happen together.
      Schedules and drifts may be written as text, ``"Periodic(period=40)"``, or as mappings,
      ``{"type": "Periodic", "period": 40}``.
    - ``wall_penalty``: what a move into a wall costs. Default 0. Published: 0.1 (2018), 0 (2019).
    - ``random_start``: whether the agent starts on any free cell but the goal. Default False.
    - ``time_scale``: steps after which the time in the observation is 1, or None to leave it out.
      Default 250; published: ``max_episode_steps``.
    - ``max_episode_steps``: steps of an episode, or None for endless ones. Default 250. Published:
      250 (2018), 200 (2019). ``gymnasium.make`` applies its own argument of this name from outside,
      so that ``terminate_on_horizon``, which needs the number, is an error there; it works with
      ``gymnasium.make_vec`` and with this class.
    - ``terminate_on_horizon``: see *Episode end*. Default False.
    - ``render_mode``: None (default), ``"ansi"`` or ``"rgb_array"``.

    ## References

    Miconi, Stanley and Clune, "Differentiable plasticity", ICML 2018; Miconi, Rawal, Clune and
    Stanley, "Backpropamine", ICLR 2019 (their released code has the details). Tolman and Honzik,
    "Insight in rats", 1930, for blocked corridors.

    ## Version history

    - v0: initial version.
    """

    def __init__(
        self, *, render_mode: str | None = None, **arguments: Unpack[MazeArguments]
    ) -> None:
        super().__init__(MazeSettings.parse(**arguments), render_mode)
        # What step() reads often.
        self._observations = self.settings.observation_rows()
        self._leaps = self._world.leaps.tolist()
        self._penalty = self.settings.wall_penalty
        self._time_scale = self.settings.time_scale
        self._position = self._world.position.item(0)

    # ------------------------------------------------------------------ inside

    @override
    def _read_world(self) -> None:
        # Plain Python reads lists faster than arrays.
        world = self._world
        trace, charts, mazes = world.trace, world.charts, world.mazes
        used = slice(0, int(world.last[0]) + 1)
        self._position = world.position.item(0)
        columns = (trace.context, trace.changed, trace.since, trace.slot, trace.landing)
        self._rows = list(zip(*(column[:, 0].tolist() for column in columns), strict=True))
        self._steps, self._optimal, self._views = (
            part[0, used].tolist() for part in (charts.steps, charts.optimal, charts.view)
        )
        self._goals, self._walls, self._directions = (
            part[0, used].tolist() for part in (mazes.goal, mazes.walls, mazes.directions)
        )

    @override
    def _write_world(self) -> None:
        self._world.position[0] = self._position

    @override
    def _first(self) -> tuple[Observation, dict[str, Any]]:
        world, position = self._world, self._position
        row = world.row
        context, changed, since, slot, _ = self._rows[row]
        info = {
            "regret": 0.0,
            "optimal_action": self._optimal[slot][position],
            "context": context,
            "changed": changed,
            "steps_since_change": since,
        }
        if self.render_mode is not None:
            self._take_picture((position, position), -1, 0.0, info)
        observation: Observation = self._observations[
            self._views[slot][position] * NUM_DIRECTIONS
        ].copy()
        observation[ACTION] = 0.0
        return observation, info

    @override
    def _play(self, action: int) -> tuple[Observation, float, dict[str, Any]]:
        # A single world is always drawn from row 0 on, so that its clock is its row.
        world, before = self._world, self._position
        row = world.clock
        context, changed, since, slot, landing = self._rows[row]
        view, direction = self._views[slot][before], self._directions[slot][action]
        moved = before + self._leaps[view * NUM_DIRECTIONS + direction]
        hit = moved == self._goals[slot]
        reward = GOAL_REWARD if hit else 0.0
        if moved == before and self._penalty:
            reward -= self._penalty
        steps = self._steps[slot]
        info = {
            "regret": float(1 + (0 if hit else steps[moved]) - steps[before]),
            "optimal_action": self._optimal[slot][before],
            "context": context,
            "changed": changed,
            "steps_since_change": since,
        }
        if self.render_mode is not None:
            self._take_picture((before, moved), action, reward, info)
        if world.stepwise:  # the maze of the next step depends on this one
            self._write_world()
            world.play(np.array([action]))
            self._read_world()
            slot, position = 0, self._position
        else:
            world.clock += 1
            slot = self._rows[row + 1][3]
            position = self._land(slot, landing) if hit or self._walls[slot][moved] else moved
            self._position = position
        observation: Observation = self._observations[
            self._views[slot][position] * NUM_DIRECTIONS + action
        ].copy()
        observation[REWARD] = reward
        if self._time_scale is not None:
            observation[-1] = min((self._elapsed + 1) / self._time_scale, 1.0)
        return observation, reward, info

    def _land(self, slot: int, landing: float) -> int:
        """Where an agent lands that leaves its place: any free cell but the goal."""
        walls, goal = self._walls[slot], self._goals[slot]
        free = [cell for cell, wall in enumerate(walls) if not wall and cell != goal]
        return free[int(landing * len(free))]

    def _take_picture(
        self, cells: tuple[int, int], action: int, reward: float, info: dict[str, Any]
    ) -> None:
        """Keeps what :meth:`render` shows: the agent moved from the first of ``cells``."""
        size, maze = self.settings.size, self._world.now().take(0)
        step, info = self._elapsed, dict(info)
        self._picture = MazePicture.of(size, maze, step, cells, action, reward, info)
