"""Worlds of arms whose means drift: what the bandits and the drifting wrappers share.

Letters: N worlds, n of them at work, A arms, K contexts, W numbers of a drift's state, S segments,
B steps of a block, L = B + 1 rows (see ``blocks.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from .arms import Arms
from .block_world import BlockWorld, Episode
from .blocks import BlockTrace, BoolArray, IntArray, Segments
from .drifts import Drift, Recur
from .schedules import Schedule
from .streams import DrawArrays, Draws, FloatArray, Streams
from .trace import STEPS_PER_BLOCK, restless_path, segment_states


@dataclass(frozen=True)
class ArmsEpisode(Episode):
    """What ``reset(options=...)`` prescribes for the episodes of n worlds; None leaves it drawn.

    Attributes:
        means: Means at step 0, (n, A), or of all contexts, (n, K, A), if contexts recur.
        context: First context, (n,).
    """

    means: FloatArray | None = None
    context: IntArray | None = None


TraceT = TypeVar("TraceT", bound=BlockTrace)
EpisodeT = TypeVar("EpisodeT", bound=ArmsEpisode)


class ArmsWorld(BlockWorld[TraceT, EpisodeT], Generic[TraceT, EpisodeT]):
    """N worlds of arms; a kind of world writes ``_make_rows``, with the help of :meth:`_drift`.

    Args:
        num_worlds: N.
        arms: The arms.
        schedule: When their means change.
        drift: How they change.
        start_wants: Random numbers that the start of an episode takes beside those of the means.
        step_wants: Random numbers that each step takes beside those of the means.
        trace: The worlds' rows, yet to be filled.
        streams: Random streams to take over from other worlds; by default new ones.
    """

    steps_per_block = STEPS_PER_BLOCK
    saved: tuple[str, ...] = (*BlockWorld.saved, "drift_state", "contexts")

    def __init__(
        self,
        num_worlds: int,
        arms: Arms,
        schedule: Schedule,
        drift: Drift,
        start_wants: tuple[Draws, ...],
        step_wants: tuple[Draws, ...],
        trace: TraceT,
        streams: Streams | None = None,
    ) -> None:
        self.arms = arms
        self.drift = drift
        self.num_contexts = drift.num_contexts if isinstance(drift, Recur) else 0
        prior = Draws(*(self.num_contexts * count for count in arms.prior_draws))
        super().__init__(
            num_worlds,
            schedule,
            start_wants=(drift.start_draws(arms), prior, *start_wants),
            step_wants=(drift.step_draws(arms), *step_wants),
            trace=trace,
            streams=streams,
        )
        no_draws = [np.zeros((0, count)) for count in drift.start_draws(arms)]
        self.drift_state = np.zeros((num_worlds, drift.start(arms, *no_draws).shape[1]))
        self.contexts = np.zeros((num_worlds, self.num_contexts, arms.num_arms))

    @override
    def _begin(self, worlds: IntArray, draws: list[DrawArrays], episode: EpisodeT | None) -> None:
        arms, n, contexts = self.arms, len(worlds), self.num_contexts
        prescribed = episode or ArmsEpisode()
        state = self.drift.start(arms, *draws[0])
        if contexts:
            self.contexts[worlds] = arms.prior(*(p.reshape(n, contexts, -1) for p in draws[1]))
        if prescribed.means is not None:
            if contexts:
                self.contexts[worlds] = prescribed.means
            else:
                state = self.drift.from_means(arms, prescribed.means)
        if prescribed.context is not None:
            state = prescribed.context[:, None].astype(np.float64)
        self.drift_state[worlds] = state

    def _drift(
        self, worlds: IntArray, segments: Segments, flags: BoolArray, steps: DrawArrays
    ) -> FloatArray:
        """States of a block of ``worlds`` (n,), which move on to its end.

        They are those of each row, (L, n, W), if the drift is continuous, else those of each
        segment, (S, W).
        """
        arms, drift = self.arms, self.drift
        jumps = self.streams.draw_ragged(worlds, segments.counts, drift.jump_draws(arms))
        state = self.drift_state[worlds]
        if drift.continuous:
            states = restless_path(arms, drift, state, flags, jumps, steps)
            self.drift_state[worlds] = states[-1]
        else:
            states = segment_states(segments, arms, drift, state, jumps)
            self.drift_state[worlds] = states[segments.origin + segments.counts]
        return states

    def _context(self, segments: Segments, states: FloatArray, before: IntArray) -> IntArray:
        """Contexts of all rows, (L, n), or changes so far, given those ``before`` (n,)."""
        if self.num_contexts:
            return states[:, 0].astype(np.int64).take(segments.index)
        return segments.count_changes(before)

    def _means(self, state: FloatArray, worlds: IntArray) -> FloatArray:
        """Means (k, A) of states (k, W) that belong to ``worlds`` (k,)."""
        if self.num_contexts:
            return self.contexts[worlds, state[:, 0].astype(np.int64)]
        return self.drift.means(self.arms, state)

    @override
    def check_state(
        self, state: Mapping[str, NDArray[Any]], over: BoolArray, horizon: int | None
    ) -> None:
        super().check_state(state, over, horizon)
        if not self.num_contexts:
            return
        for name in ("trace_context", "drift_state"):
            values = state[name]
            if ((values < 0) | (values >= self.num_contexts)).any():
                raise ValueError(
                    f"state[{name!r}] must be contexts in [0, {self.num_contexts}), "
                    f"got {values.min():g} to {values.max():g}"
                )
