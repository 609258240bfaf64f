"""What an effect's values are at every step: the worlds of the bandits, put to another use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from ..arms import Arms
from ..bandit_world import BanditEpisode, BanditWorld
from ..blocks import BoolArray, IntArray
from ..drifts import Drift
from ..schedules import Schedule
from ..streams import DrawArrays, FloatArray, Streams
from ..trace import ROWS, Trace
from .effects import Effect, Values


class Start(NamedTuple):
    """How the worlds of a wrapper begin.

    Attributes:
        episode: What is prescribed of them; see :class:`~..bandit_world.BanditEpisode`.
        values: The values (n, Q) at step 0 where ``episode.means`` are set, exactly.
    """

    episode: BanditEpisode
    values: Values | None = None


class DriftingWorld(BanditWorld):
    """N worlds whose means, in [0, 1], are read as values of an effect.

    Letters: N worlds, Q quantities, K contexts, L rows.

    Args:
        num_worlds: N.
        effect: What the quantities stand for.
        size: Q.
        schedule: When the values change.
        drift: How they change.
        table: Values of each context, (K, Q), instead of drawn ones; needs a drift with contexts.
        streams: Random streams to take over from other worlds; by default new ones.

    Attributes:
        values: Values of each row, (L, N, Q).
        sizes: Distance of each row's values to those of the row before, (L, N).
    """

    may_wait: bool = True
    saved: tuple[str, ...] = (
        *BanditWorld.saved,
        "sizes",
        "lag",
        "anchor_means",
        "anchor_values",
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
        super().__init__(num_worlds, arms, schedule, drift, streams=streams)
        self.effect = effect
        self.table = table
        self.values = np.zeros((ROWS, num_worlds, size), dtype=effect.dtype)
        self.sizes = np.zeros((ROWS, num_worlds))
        self.lag = np.zeros(num_worlds, dtype=np.int64)  # rows by which worlds are behind the clock
        self._lagging = False
        # Means that stand for these very values, which the linear map may miss by rounding.
        self.anchor_means = np.full((num_worlds, arms.num_arms), -1.0)
        self.anchor_values = np.zeros((num_worlds, size))

    def start(self, worlds: IntArray, start: Start) -> None:
        """Starts ``worlds`` (n,) at the current clock."""
        episode, values = start
        self.anchor_means[worlds] = -1.0
        if episode.means is not None and values is not None and self.effect.linear:
            state = self.drift.from_means(self.arms, episode.means)
            self.anchor_means[worlds] = self.drift.means(self.arms, state)
            self.anchor_values[worlds] = values
        self.begin(worlds, episode)

    def wait(self, worlds: IntArray) -> None:
        """Lets ``worlds`` (n,) stand still: after the next tick they are where they are now."""
        self.lag[worlds] += 1
        self.first[worlds] += 1
        self.drawn[worlds] += 1
        self.next_draw = int(self.drawn.min())
        self._lagging = True

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
        for field in fields(Trace):
            rows = getattr(self.trace, field.name)
            rows[self.row, due] = rows[current, due]
        sizes = self.sizes[current, due]
        super().draw_due_blocks()
        self.sizes[self.row, due] = sizes  # A first row has none of its own.

    @override
    def _fill(
        self,
        worlds: IntArray,
        draws: DrawArrays,
        context: IntArray,
        since: IntArray,
        changed: BoolArray,
    ) -> None:
        super()._fill(worlds, draws, context, since, changed)
        part = np.ix_((self.clock + np.arange(ROWS)) % ROWS, worlds)
        values = self._read(self.trace.context[part], self.trace.means[part], worlds)
        sizes = np.zeros((ROWS, len(worlds)))
        sizes[1:] = self.effect.distance(values[1:], values[:-1])
        self.values[part], self.sizes[part] = values, sizes
        self.lag[worlds] = 0
        self._lagging = bool(self.lag.any())

    def _read(self, context: IntArray, means: FloatArray, worlds: IntArray) -> Values:
        """Values (L, n, Q) of rows of ``worlds`` (n,)."""
        if self.table is not None:
            return self.table[context]
        values = self.effect.values(means)
        if self.effect.linear:
            anchored = means == self.anchor_means[worlds]
            values = np.where(anchored, self.anchor_values[worlds], values)
        return values

    @override
    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        super().set_state(state)
        self.values = self._read(self.trace.context, self.trace.means, self.everyone)
        self._lagging = bool(self.lag.any())


def shift_generator(seed: int, name: str) -> np.random.Generator:
    """The random stream of a wrapper, apart from its environment's and other wrappers' streams.

    Gymnasium seeds environments with ``SeedSequence(seed)``; this is a child of that, told apart
    from others by the wrapper's name.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=tuple(name.encode()))
    return np.random.Generator(np.random.PCG64(sequence))
