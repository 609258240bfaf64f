"""The worlds behind the island transport, as array functions over N worlds at once.

Letters: N worlds, n of them at work, G graphs, I islands, B steps of a block, L = B + 1 rows (see
``blocks.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from .block_world import Episode
from .blocks import BlockTrace, BoolArray, IntArray, Segments
from .island_graphs import NO_LINK, Graphs, another
from .played_world import PlayedWorld
from .schedules import Schedule
from .streams import DrawArrays, Draws, FloatArray, Streams

# Part of the definition of these worlds: another length makes other worlds of the same seed. No
# block reaches beyond the end of a standard episode.
STEPS_PER_BLOCK = 30
ROWS = STEPS_PER_BLOCK + 1


@dataclass(frozen=True)
class IslandEpisode(Episode):
    """What ``reset(options=...)`` prescribes for the episodes of n worlds; None leaves it drawn.

    Attributes:
        graph: Number of the graph at step 0, (n,).
        destination: Destination at step 0, (n,).
        position: Island of the agent at step 0, (n,).
    """

    graph: IntArray | None = None
    destination: IntArray | None = None
    position: IntArray | None = None


@dataclass
class IslandTrace(BlockTrace):
    """Rows of n worlds, arrays (L, n); ``context`` is the number of the graph.

    What a step draws says what comes after it, so that row B has none.

    Attributes:
        ahead: How many graphs further on the next one is, should the graph change.
        destination: Uniform on [0, 1) that says which destination comes next.
        position: Uniform on [0, 1) that says where the agent is put then.
    """

    ahead: IntArray
    destination: FloatArray
    position: FloatArray

    @classmethod
    def zeros(cls, num_worlds: int) -> IslandTrace:
        """A trace yet to be filled."""
        shape = (ROWS, num_worlds)
        return cls(
            context=np.zeros(shape, dtype=np.int64),
            changed=np.zeros(shape, dtype=bool),
            since=np.zeros(shape, dtype=np.int64),
            ahead=np.zeros(shape, dtype=np.int64),
            destination=np.zeros(shape),
            position=np.zeros(shape),
        )


class Trips(NamedTuple):
    """What a step has done in N worlds, arrays (N,).

    Attributes:
        to: Island on which the transport has put the agent, before it is moved elsewhere.
        reached: Whether that is the destination.
        refused: Whether the transport does not go from there.
        expired: Whether the agent has run out of patience's steps.
        regret: Steps lost: 1 + steps to the destination after the trip - steps to it before.
        optimal: A transport that would have lost none, the first of those.
    """

    to: IntArray
    reached: BoolArray
    refused: BoolArray
    expired: BoolArray
    regret: FloatArray
    optimal: IntArray


class IslandWorld(PlayedWorld[IslandTrace, IslandEpisode]):
    """N worlds with their own random streams and an agent in each, stepped together.

    Args:
        num_worlds: N.
        graphs: The graphs in which the worlds take place.
        schedule: When a world takes another graph.
        patience: Steps without success after which one more ends the trip.
        restart_timer: Whether their count begins anew on success.
        streams: Random streams to take over from other worlds; by default new ones.
    """

    steps_per_block = STEPS_PER_BLOCK
    saved: tuple[str, ...] = (*PlayedWorld.saved, "graph", "destination", "position", "timer")

    def __init__(
        self,
        num_worlds: int,
        graphs: Graphs,
        schedule: Schedule,
        patience: int,
        restart_timer: bool,
        streams: Streams | None = None,
    ) -> None:
        self.graphs = graphs
        self.num_graphs, self.num_islands, self.num_transports = graphs.links.shape
        self.patience = patience
        self.restart_timer = restart_timer
        self.stepwise = schedule.reactive
        super().__init__(
            num_worlds,
            schedule,
            start_wants=(Draws(3),),
            step_wants=(Draws(3),),
            trace=IslandTrace.zeros(num_worlds),
            streams=streams,
        )
        # The graph of the block's last row (of the current one, in stepwise worlds).
        self.graph = np.zeros(num_worlds, dtype=np.int64)
        self.destination = np.zeros(num_worlds, dtype=np.int64)
        self.position = np.ones(num_worlds, dtype=np.int64)
        self.timer = np.zeros(num_worlds, dtype=np.int64)

    # ------------------------------------------------------------------ a step

    def play(self, actions: IntArray) -> Trips:
        """Takes the transports and ends the step; the info of its row stays."""
        graphs, trace, row, num_islands = self.graphs, self.trace, self.row, self.num_islands
        here = trace.context[row] * num_islands
        to = graphs.links.take((here + self.position) * self.num_transports + actions)
        refused = to == NO_LINK
        np.copyto(to, self.position, where=refused)
        reached = to == self.destination
        before = (here + self.position) * num_islands + self.destination
        left = graphs.steps.take((here + to) * num_islands + self.destination)
        regret = (1 + left - graphs.steps.take(before)).astype(np.float64)
        optimal = graphs.optimal.take(before)

        timer = self.timer + ~reached
        if self.restart_timer:
            timer[reached] = 0
        expired = timer > self.patience
        timer[expired] = 0
        self.timer = timer
        self.position = to
        worlds = np.flatnonzero(reached | expired)
        if len(worlds):
            self.position = to.copy()
            self.destination = self.destination.copy()
            self.destination[worlds] = another(
                self.destination[worlds], trace.destination[row, worlds], num_islands
            )
            self.position[worlds] = another(
                self.destination[worlds], trace.position[row, worlds], num_islands
            )
        if self.stepwise:
            # Every transport that loses nothing counts as the optimal one.
            self._change(self._react(actions, np.where(regret == 0.0, actions, optimal)))
        self.clock += 1
        return Trips(to, reached, refused, expired, regret, optimal)

    @override
    def optimal(self) -> IntArray:
        here = self.trace.context[self.row] * self.num_islands + self.position
        return self.graphs.optimal.take(here * self.num_islands + self.destination)

    def _change(self, changed: BoolArray) -> None:
        """Works out the graph of the next row of stepwise worlds."""
        trace, row = self.trace, self.row
        after = (self.graph + trace.ahead[row]) % self.num_graphs
        self.graph = np.where(changed, after, self.graph)
        trace.context[(row + 1) % ROWS] = self.graph

    # ------------------------------------------------------------------ drawing ahead

    @override
    def _begin(
        self, worlds: IntArray, draws: list[DrawArrays], episode: IslandEpisode | None
    ) -> None:
        episode = episode or IslandEpisode()
        graph, destination, position = draws[0][0].T
        count = self.num_islands
        self.graph[worlds] = (graph * self.num_graphs).astype(np.int64)
        if episode.graph is not None:
            self.graph[worlds] = episode.graph
        # What is drawn is another island than the one that is prescribed.
        if episode.destination is not None:
            self.destination[worlds] = episode.destination
        elif episode.position is not None:
            self.destination[worlds] = another(episode.position, destination, count)
        else:
            self.destination[worlds] = (destination * count).astype(np.int64)
        if episode.position is not None:
            self.position[worlds] = episode.position
        else:
            self.position[worlds] = another(self.destination[worlds], position, count)
        self.timer[worlds] = 0

    @override
    def _make_rows(
        self,
        worlds: IntArray,
        draws: list[DrawArrays],
        flags: BoolArray,
        context: IntArray,
        since: IntArray,
        changed: BoolArray,
    ) -> IslandTrace:
        trace = IslandTrace.zeros(len(worlds))
        ahead, trace.destination[:-1], trace.position[:-1] = np.moveaxis(draws[0][0], 2, 0)
        trace.ahead[:-1] = 1 + (ahead * (self.num_graphs - 1)).astype(np.int64)
        trace.changed[0], trace.changed[1:] = changed, flags
        if self.stepwise:
            trace.context[0], trace.since[0] = self.graph[worlds], since
            return trace
        trace.context[1:] = np.cumsum(np.where(flags, trace.ahead[:-1], 0), axis=0)
        trace.context = (trace.context + self.graph[worlds]) % self.num_graphs
        trace.since = Segments(flags).steps_since(since)
        self.graph[worlds] = trace.context[-1]
        return trace

    # ------------------------------------------------------------------ saving

    @override
    def check_state(
        self, state: Mapping[str, NDArray[Any]], over: BoolArray, horizon: int | None
    ) -> None:
        super().check_state(state, over, horizon)
        for name, end in (
            ("graph", self.num_graphs),
            ("trace_context", self.num_graphs),
            ("destination", self.num_islands),
            ("position", self.num_islands),
            ("timer", self.patience + 1),
        ):
            values = state[name]
            if ((values < 0) | (values >= end)).any():
                raise ValueError(
                    f"state[{name!r}] must be from 0 to {end - 1}, "
                    f"got {values.min()} to {values.max()}"
                )
        if (state["position"] == state["destination"])[~over].any():
            raise ValueError("state['position'] must not be the destination")
