"""What an effect's values are at every step: arms that nobody pulls, their means read as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from ..arms import Arms
from ..arms_world import ArmsEpisode, ArmsWorld
from ..blocks import BlockTrace, BoolArray, IntArray, Segments
from ..drifts import Drift
from ..schedules import Schedule
from ..streams import DrawArrays, FloatArray, Streams
from ..trace import ROWS
from .effect import Effect, Values


@dataclass(frozen=True)
class DriftEpisode(ArmsEpisode):
    """How worlds begin.

    Attributes:
        values: The values (n, Q) at step 0 where ``means`` are set, exactly.
    """

    values: Values | None = None


@dataclass
class DriftTrace(BlockTrace):
    """Rows of n worlds.

    Attributes:
        values: Values of the effect, (L, n, Q).
        sizes: Distance of the values to those of the row before, (L, n).
    """

    values: Values
    sizes: FloatArray


class DriftingWorld(ArmsWorld[DriftTrace, DriftEpisode]):
    """N worlds whose means, in [0, 1], are read as values of an effect.

    Letters: N worlds, n of them at work, Q quantities, K contexts, L rows.

    Args:
        num_worlds: N.
        effect: What the quantities stand for.
        size: Q.
        schedule: When the values change.
        drift: How they change.
        table: Values of each context, (K, Q), instead of drawn ones; needs a drift with contexts.
        streams: Random streams to take over from other worlds; by default new ones.
    """

    may_wait = True
    saved: tuple[str, ...] = (
        *ArmsWorld.saved,
        "lag",
        "anchor_means",
        "anchor_values",
        "age",
        "begins",
    )

    def __init__(
        self,
        num_worlds: int,
        effect: Effect,
        size: int,
        schedule: Schedule,
        drift: Drift,
        table: Values | None = None,
        streams: Streams | None = None,
    ) -> None:
        # Contexts of a table have no means of their own; one quantity stands in for them.
        arms = Arms(size if table is None else 1)
        shape = (ROWS, num_worlds)
        trace = DriftTrace(
            context=np.zeros(shape, dtype=np.int64),
            changed=np.zeros(shape, dtype=bool),
            since=np.zeros(shape, dtype=np.int64),
            values=np.zeros((*shape, size), dtype=effect.dtype),
            sizes=np.zeros(shape),
        )
        super().__init__(num_worlds, arms, schedule, drift, (), (), trace, streams)
        self.effect = effect
        self.table = table
        self.lag = np.zeros(num_worlds, dtype=np.int64)  # rows by which worlds are behind the clock
        self._lagging = False
        # Where rows are whole episodes: steps since the last change, and whether the next step is
        # the first of its episode.
        self.age = np.zeros(num_worlds, dtype=np.int64)
        self.begins = np.ones(num_worlds, dtype=bool)
        # Means that stand for these very values, which the linear map may miss by rounding.
        self.anchor_means = np.full((num_worlds, arms.num_arms), -1.0)
        self.anchor_values = np.zeros((num_worlds, size))

    # ------------------------------------------------------------------ time

    def wait(self, worlds: IntArray) -> None:
        """Lets ``worlds`` (n,) stand still: after the next tick they are where they are now."""
        self.lag[worlds] += 1
        self.first[worlds] += 1
        self.drawn[worlds] += 1
        self.next_draw = int(self.drawn.min())
        self._lagging = True

    def turn(self, worlds: IntArray) -> None:
        """Moves ``worlds`` (n,) on to their next episodes, where rows are whole episodes."""
        if self.clock == self.next_draw:
            self.draw_due_blocks()
        if len(worlds) < self.num_worlds:
            self.wait(np.delete(self.everyone, worlds))
        self.clock += 1
        self.begins[worlds] = True
        self.age[worlds[self.now(self.trace.changed)[worlds]]] = 0

    def step_within(self, worlds: BoolArray) -> None:
        """Counts a step of those episodes, of ``worlds`` (N,), where rows are whole episodes."""
        self.age += worlds
        self.begins &= ~worlds

    def now(self, rows: NDArray[Any]) -> NDArray[Any]:
        """The entries (N, ...) of ``rows`` (L, N, ...) at each world's current step, in a copy."""
        if not self._lagging:
            return rows[self.row].copy()
        return rows[(self.clock - self.lag) % ROWS, self.everyone]

    @override
    def draw_due_blocks(self) -> None:
        due = np.flatnonzero(self.drawn == self.clock)
        # Drawing goes on from the clock's row, to which the current steps move if they lag behind.
        current = (self.clock - self.lag[due]) % ROWS
        for field in fields(self.trace):
            rows = getattr(self.trace, field.name)
            rows[self.row, due] = rows[current, due]
        sizes = self.trace.sizes[self.row, due]
        super().draw_due_blocks()
        self.trace.sizes[self.row, due] = sizes  # A first row has none of its own.

    # ------------------------------------------------------------------ values

    @override
    def _begin(
        self, worlds: IntArray, draws: list[DrawArrays], episode: DriftEpisode | None
    ) -> None:
        super()._begin(worlds, draws, episode)
        self.age[worlds] = 0
        self.begins[worlds] = True
        self.anchor_means[worlds] = -1.0
        if episode is not None and episode.values is not None and self.effect.linear:
            self.anchor_means[worlds] = self.drift.means(self.arms, self.drift_state[worlds])
            self.anchor_values[worlds] = episode.values

    @override
    def _make_rows(
        self,
        worlds: IntArray,
        draws: list[DrawArrays],
        flags: BoolArray,
        context: IntArray,
        since: IntArray,
        changed: BoolArray,
    ) -> DriftTrace:
        self.lag[worlds] = 0
        self._lagging = bool(self.lag.any())
        segments = Segments(flags)
        states = self._drift(worlds, segments, flags, draws[0])
        numbers = self._context(segments, states, context)
        if self.table is not None:
            values = self.table[numbers]
        elif self.drift.continuous:
            flat = states.reshape(-1, states.shape[-1])
            owners = np.tile(worlds, ROWS)
            values = self._read(flat, owners).reshape(ROWS, len(worlds), -1)
        else:
            owners = np.repeat(worlds, segments.counts + 1)
            values = self._read(states, owners).take(segments.index, axis=0)
        sizes = np.zeros((ROWS, len(worlds)))
        sizes[1:] = self.effect.distance(values[1:], values[:-1])
        return DriftTrace(
            context=numbers,
            changed=np.concatenate([changed[None], flags]),
            since=segments.steps_since(since),
            values=values,
            sizes=sizes,
        )

    def _read(self, states: FloatArray, worlds: IntArray) -> Values:
        """Values (k, Q) of states (k, W) that belong to ``worlds`` (k,)."""
        means = self._means(states, worlds)
        values = self.effect.values(means)
        if self.effect.linear:
            anchored = means == self.anchor_means[worlds]
            values = np.where(anchored, self.anchor_values[worlds], values)
        return values

    # ------------------------------------------------------------------ saving

    @override
    def check_state(
        self, state: Mapping[str, NDArray[Any]], over: BoolArray, horizon: int | None
    ) -> None:
        super().check_state(state, over, horizon)
        values = state["trace_values"]
        self.effect.check("state['trace_values']", values[:, ~over], values.shape[-1])
        if (state["age"] < 0).any():
            raise ValueError(f"state['age'] must not be negative, got {state['age'].min()}")

    @override
    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        super().set_state(state)
        self._lagging = bool(self.lag.any())


def shift_generator(seed: int, name: str) -> np.random.Generator:
    """The random stream of a wrapper, apart from its environment's and other wrappers' streams.

    Gymnasium seeds environments with ``SeedSequence(seed)``; this is a child of that, told apart
    from others by the wrapper's name.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=tuple(name.encode()))
    return np.random.Generator(np.random.PCG64(sequence))
