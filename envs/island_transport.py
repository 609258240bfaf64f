"""The island transport, one at a time; its class docstring is its page of documentation."""

from __future__ import annotations

from typing import Any

import numpy as np
from typing_extensions import Unpack, override

from .island_graphs import NO_LINK
from .island_rendering import IslandPicture
from .island_settings import IslandArguments, IslandSettings
from .island_world import IslandWorld
from .world_env import Observation, WorldEnv


class IslandTransport(WorldEnv[IslandSettings, IslandWorld]):
    """Deliveries among islands whose transports must be found out by trying.

    ## Description

    The random-graph task of Schlag, Munkhdalai and Schmidhuber (2021). There are I islands and A
    transports; from each island, a transport leads to one other island, or does not go. Who gets to
    the destination is paid, and finds itself on another island with another destination. The agent
    sees where it is and where to go, but not the transports: it must try them, bind what it has
    found (from here, with this, to there), and plan with it. Graphs differ between episodes, so
    that nothing but the way of learning carries over. On a schedule, the graph can also change
    within an episode.

    ## Action space

    ``Discrete(num_transports)``: the transport to take. One that does not go from there leaves the
    agent where it is.

    ## Observation space

    ``Box`` of float32:

    | index | what | range |
    | --- | --- | --- |
    | 0 ... I - 1 | destination, one-hot | 0 or 1 |
    | I ... 2 I - 1 | island of the agent, one-hot | 0 or 1 |
    | 2 I ... 2 I + A - 1 | last transport, one-hot; none at the start, after a time-out | 0 or 1 |
    | 2 I + A | bias | 1 |
    | 2 I + A + 1 | last reward, with ``observe_reward``, else 0 | ``-penalty`` ... ``reward`` |
    | last, with ``time_scale`` | steps taken / ``time_scale``, at most 1 | 0 ... 1 |

    These are the inputs of the published code but for their order and for one that is always 0
    there. (It has a place for "no last transport", which coincides with that of the bias.)

    ## Rewards

    ``reward`` for getting to the destination, ``-penalty`` for a transport that does not go, else
    0.

    ## Starting state

    A random graph of the split; a random destination, and the agent on a random other island. Equal
    seeds give equal graphs, and equal random numbers for what comes next.

    At the destination, the next one is a random other island, and the agent is put on a random
    island that is not the new destination. The same happens, without pay, at a *time-out*: when
    more than ``patience`` steps have not led to the destination. These are counted from the last
    time-out (or the start) and, as in the published code, *not* from the last success; see
    ``restart_timer``. The agent does not see the count.

    ``reset(options=...)`` prescribes the next episode; the episodes after it are drawn as usual.
    The vector environment also takes each value with a leading axis (num_envs,).

    - ``graph``: number of the first graph, below ``num_graphs``. A test over all graphs is
      ``IslandTransportVector(600, split="test")`` with ``{"graph": np.arange(600)}``.
    - ``destination``, ``position``: the islands at step 0, not the same.
    - ``change_times``: the steps at which the graph changes, shape (M,), instead of the schedule.
    - ``schedule``: replaces the environment's own, in all later episodes too.

    ## Graphs

    Drawn as in the published code: each island gets a random transport to a random other island;
    then each island gets one more way in, by a random transport that does not go yet, from a random
    other island. Two transports may lead the same way. Only graphs in which walks of some length
    lead from every island to every one are kept (strongly connected, without a common divisor of
    all cycles).

    A graph's split is one bit of a checksum (FNV-1a) of the graph, so that no graph is in both,
    however many are drawn; the same graph with other numbers of islands or transports may be. The
    published code compares 600 with 600 instead. Graph i of a split, for given numbers of islands
    and transports, is always the same. They are not the published ones, but have the same law.

    ## Changes

    A change (``schedule``) replaces the graph by another of the split, each equally likely; agent,
    destination and time-out stay as they are. The published task has none: ``Never()``. Its code
    can play several graphs in turn: ``Periodic(30)`` in episodes of several times 30 steps.

    ## Episode end

    After ``max_episode_steps`` steps the episode is truncated: the world would have gone on. With
    ``terminate_on_horizon`` it is terminated: nothing is to be had beyond the end.

    ## Information

    The info that ``step`` returns describes the world in which the action was taken:

    - ``regret`` (float): steps lost, ``1 + d(s') - d(s)``, where d is the number of steps to the
      destination along a shortest path, s the island before the step and s' that after it. 0 for a
      step along a shortest path, 1 for a transport that does not go. Time-outs do not count.
    - ``optimal_action`` (int): the first of the transports with regret 0. (The method of this name
      tells that of the coming step.)
    - ``context`` (int): the number of the graph.
    - ``changed`` (bool): whether the graph has changed between the step before and this one.
    - ``steps_since_change`` (int): 0 at a changed step, else one more than at the step before;
      counted from the episode's start as long as nothing has changed.

    The info that ``reset`` returns describes the first step, with regret 0.

    ## Arguments

    - ``split``: ``"train"`` (default) or ``"test"``.
    - ``num_graphs``: graphs of the split that are played. Default 600, as published.
    - ``num_islands``: I, at least 3. Default 5.
    - ``num_transports``: A, at least 2. Default 3.
    - ``schedule``: when the graph changes (``schedules.py``). Default ``Never()``. It may be
      written as text, ``"Periodic(period=30)"``, or as a mapping.
    - ``reward``, ``penalty``: see *Rewards*. Default 10 and 0.05.
    - ``patience``: see *Starting state*. Default ``num_islands``, as published.
    - ``restart_timer``: whether a success restarts the count for the time-out. Default False, as in
      the published code.
    - ``observe_reward``: whether the last reward is observed. Default False: the published code has
      an input for it, but clears the reward before it is read, so that it is always 0.
    - ``time_scale``: steps after which the time in the observation is 1, or None to leave it out.
      Default 30; published: ``max_episode_steps``.
    - ``max_episode_steps``: steps of an episode, or None for endless ones. Default 30.
      ``gymnasium.make`` applies its own argument of this name from outside, so that
      ``terminate_on_horizon``, which needs the number, is an error there; it works with
      ``gymnasium.make_vec`` and with this class.
    - ``terminate_on_horizon``: see *Episode end*. Default False.
    - ``render_mode``: None (default), ``"ansi"`` or ``"rgb_array"``.

    ## Published results

    Mean reward of an episode on the test graphs, from the published logs: 107 with a fast weight
    memory, 80 to 83 with LSTMs, about 45 before training. A trap for learners, not a matter of this
    world: the published loss subtracts values of shape (batch, 1) from returns of shape (batch,),
    which gives advantages of shape (batch, batch).

    ## References

    Schlag, Munkhdalai and Schmidhuber, "Learning associative inference using fast weight memory",
    ICLR 2021, and its code, https://github.com/ischlag/Fast-Weight-Memory-public (``metaRL``).

    ## Version history

    - v0: initial version.
    """

    def __init__(
        self, *, render_mode: str | None = None, **arguments: Unpack[IslandArguments]
    ) -> None:
        super().__init__(IslandSettings.parse(**arguments), render_mode)
        # What step() reads often.
        settings = self.settings
        self._islands, self._bias = settings.num_islands, settings.bias_index
        self._size = int(np.prod(self.observation_space.shape or ()))
        self._others = settings.num_islands - 1
        self._links, self._steps, self._optimal = settings.listed_graphs

    # ------------------------------------------------------------------ inside

    @override
    def _read_world(self) -> None:
        # Plain Python reads lists faster than arrays.
        world, trace = self._world, self._world.trace
        columns = (
            trace.context,
            trace.changed,
            trace.since,
            trace.destination,
            trace.position,
        )
        self._rows = list(zip(*(column[:, 0].tolist() for column in columns), strict=True))
        self._destination = world.destination.item(0)
        self._position = world.position.item(0)
        self._timer = world.timer.item(0)

    @override
    def _write_world(self) -> None:
        world = self._world
        world.destination[0] = self._destination
        world.position[0] = self._position
        world.timer[0] = self._timer

    @override
    def _first(self) -> tuple[Observation, dict[str, Any]]:
        graph, changed, since, _, _ = self._rows[0]
        info = {
            "regret": 0.0,
            "optimal_action": self._optimal[graph][self._position][self._destination],
            "context": graph,
            "changed": changed,
            "steps_since_change": since,
        }
        if self.render_mode is not None:
            self._take_picture(self._destination, (self._position, self._position), -1, 0.0, info)
        return self._observation(0), info

    @override
    def _play(self, action: int) -> tuple[Observation, float, dict[str, Any]]:
        # A single world is always drawn from row 0 on, so that its clock is its row.
        world, settings = self._world, self.settings
        before, destination = self._position, self._destination
        graph, changed, since, *landing = self._rows[world.clock]
        steps, to = self._steps[graph], self._links[graph][before][action]
        refused = to == NO_LINK
        if refused:
            to = before
        reached = to == destination
        reward = settings.reward if reached else -settings.penalty if refused else 0.0
        info = {
            "regret": float(1 + steps[to][destination] - steps[before][destination]),
            "optimal_action": self._optimal[graph][before][destination],
            "context": graph,
            "changed": changed,
            "steps_since_change": since,
        }
        if self.render_mode is not None:
            self._take_picture(destination, (before, to), action, reward, info)
        if world.stepwise:  # the graph of the next step depends on this one
            self._write_world()
            expired = bool(world.play(np.array([action])).expired[0])
            self._read_world()
        else:
            world.clock += 1
            expired = self._move(to, reached, landing)
        observation = self._observation(self._elapsed + 1)
        if not expired:
            observation[2 * self._islands + action] = 1.0
        if settings.observe_reward:
            observation[self._bias + 1] = reward
        return observation, reward, info

    def _move(self, to: int, reached: bool, landing: list[float]) -> bool:
        """Puts the agent where the next step begins; returns whether it has timed out."""
        self._position = to
        if not reached:
            self._timer += 1
        elif self.settings.restart_timer:
            self._timer = 0
        expired = self._timer > self._world.patience
        if expired:
            self._timer = 0
        if reached or expired:
            self._destination = self._another(self._destination, landing[0])
            self._position = self._another(self._destination, landing[1])
        return expired

    def _another(self, island: int, uniform: float) -> int:
        """An island other than this one, each equally likely."""
        chosen = int(uniform * self._others)
        return chosen + (chosen >= island)

    def _observation(self, elapsed: int) -> Observation:
        """An observation yet without the last transport and reward."""
        observation = np.zeros(self._size, dtype=np.float32)
        observation[self._destination] = 1.0
        observation[self._islands + self._position] = 1.0
        observation[self._bias] = 1.0
        if self.settings.time_scale is not None:
            observation[-1] = min(elapsed / self.settings.time_scale, 1.0)
        return observation

    def _take_picture(
        self,
        destination: int,
        places: tuple[int, int],
        action: int,
        reward: float,
        info: dict[str, Any],
    ) -> None:
        """Keeps what :meth:`render` shows: the agent went from the first of ``places``."""
        links, (before, after) = self._links[info["context"]], places
        self._picture = IslandPicture(
            self._elapsed, links, destination, after, before, action, reward, dict(info)
        )
