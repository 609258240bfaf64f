"""The worlds behind the shifting bandits, as array functions over N worlds at once.

The scalar environment is the case N = 1, the vector environment any other.

Letters: N worlds, n of them at work, A arms, K contexts, C numbers of a cue, B steps of a block,
L = B + 1 rows (see ``blocks.py``).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from .arguments import check_count
from .arms import Arms
from .block_world import NEVER, BlockWorld, Episode
from .blocks import BoolArray, IntArray, Segments
from .drifts import Drift, Recur
from .schedules import Schedule
from .streams import DrawArrays, Draws, FloatArray, Streams
from .trace import STEPS_PER_BLOCK, Trace, World, best_arm, restless_path, segment_states


@dataclass(frozen=True)
class BanditEpisode(Episode):
    """What ``reset(options=...)`` prescribes for the episodes of n worlds; None leaves it drawn.

    Attributes:
        means: Means at step 0, (n, A), or of all contexts, (n, K, A), if contexts recur.
        context: First context, (n,).
    """

    means: FloatArray | None = None
    context: IntArray | None = None


class BanditWorld(BlockWorld[Trace, BanditEpisode]):
    """N bandits with their own random streams, stepped together.

    Args:
        num_worlds: N.
        arms: The reward family.
        schedule: When the worlds change.
        drift: How they change.
        cue: None, ``"one_hot"`` or ``"barcode"``; needs a :class:`~.drifts.Recur` drift.
        cue_size: C of a barcode.
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
        cue: str | None = None,
        cue_size: int = 16,
        streams: Streams | None = None,
    ) -> None:
        self.arms = arms
        self.drift = drift
        self.num_contexts = drift.num_contexts if isinstance(drift, Recur) else 0
        self.cue = cue
        self.cue_size = {None: 0, "one_hot": self.num_contexts, "barcode": cue_size}[cue]
        code_bits = self.num_contexts * self.cue_size if cue == "barcode" else 0
        super().__init__(
            num_worlds,
            schedule,
            start_wants=(
                drift.start_draws(arms),
                Draws(*(self.num_contexts * count for count in arms.prior_draws)),
                Draws(code_bits),
            ),
            step_wants=(drift.step_draws(arms), arms.noise_draws),
            trace=Trace.zeros(num_worlds, arms.num_arms),
            streams=streams,
        )
        no_draws = [np.zeros((0, count)) for count in drift.start_draws(arms)]
        self.drift_state = np.zeros((num_worlds, drift.start(arms, *no_draws).shape[1]))
        self.contexts = np.zeros((num_worlds, self.num_contexts, arms.num_arms))
        # Cue of each context: drawn per episode, or always the same.
        shape = (num_worlds, self.num_contexts, self.cue_size)
        self.codes = np.zeros(shape, dtype=np.float32)
        if cue == "one_hot":
            self.codes = np.broadcast_to(np.eye(self.num_contexts, dtype=np.float32), shape)

    def cues(self, worlds: IntArray) -> NDArray[np.float32]:
        """Cues (n, C) of the contexts at the current step."""
        return self.codes[worlds, self.trace.context[self.row, worlds]]

    @override
    def optimal(self) -> IntArray:
        return self.trace.optimal[self.row].copy()

    @override
    def _begin(
        self, worlds: IntArray, draws: list[DrawArrays], episode: BanditEpisode | None
    ) -> None:
        arms, n, contexts = self.arms, len(worlds), self.num_contexts
        episode = episode or BanditEpisode()
        state = self.drift.start(arms, *draws[0])
        if contexts:
            self.contexts[worlds] = arms.prior(*(p.reshape(n, contexts, -1) for p in draws[1]))
        if self.cue == "barcode":
            self._draw_barcodes(worlds, draws[2][0])
        if episode.means is not None:
            if contexts:
                self.contexts[worlds] = episode.means
            else:
                state = self.drift.from_means(arms, episode.means)
        if episode.context is not None:
            state = episode.context[:, None].astype(np.float64)
        self.drift_state[worlds] = state

    @override
    def _make_rows(
        self,
        worlds: IntArray,
        draws: list[DrawArrays],
        flags: BoolArray,
        context: IntArray,
        since: IntArray,
        changed: BoolArray,
    ) -> Trace:
        trace = Trace.zeros(len(worlds), self.arms.num_arms)
        trace.noise[:-1] = self.arms.noise(*draws[1])
        trace.changed[0], trace.changed[1:] = changed, flags
        self._fill_rows(trace, worlds, context, since, flags, draws[0])
        return trace

    def _fill_rows(
        self,
        trace: Trace,
        worlds: IntArray,
        context: IntArray,
        since: IntArray,
        flags: BoolArray,
        steps: DrawArrays,
    ) -> None:
        """Works out what follows from the flags: all rows, as the agent has no say in them."""
        arms, drift = self.arms, self.drift
        segments = Segments(flags)
        trace.since = segments.steps_since(since)
        jumps = self.streams.draw_ragged(worlds, segments.counts, drift.jump_draws(arms))
        state = self.drift_state[worlds]
        if drift.continuous:
            states = restless_path(arms, drift, state, flags, jumps, steps)
            self.drift_state[worlds] = states[-1]
            trace.means = drift.means(arms, states.reshape(-1, state.shape[1]))
            trace.means = trace.means.reshape(*states.shape[:2], -1)
            trace.best, trace.optimal = best_arm(trace.means)
            trace.context = segments.count_changes(context)
            return

        states = segment_states(segments, arms, drift, state, jumps)
        self.drift_state[worlds] = states[segments.origin + segments.counts]
        means = self._means(states, np.repeat(worlds, segments.counts + 1))
        trace.means = means.take(segments.index, axis=0)
        trace.best = means.max(axis=1).take(segments.index)
        trace.optimal = means.argmax(axis=1).take(segments.index)
        if self.num_contexts:
            trace.context = states[:, 0].astype(np.int64).take(segments.index)
        else:
            trace.context = segments.count_changes(context)

    def _means(self, state: FloatArray, worlds: IntArray) -> FloatArray:
        """Means (k, A) of states (k, W) that belong to ``worlds`` (k,)."""
        if self.num_contexts:
            return self.contexts[worlds, state[:, 0].astype(np.int64)]
        return self.drift.means(self.arms, state)

    def _draw_barcodes(self, worlds: IntArray, uniforms: FloatArray) -> None:
        """Draws each context's code, uniform among codes that differ from one another."""
        contexts, size = self.num_contexts, self.cue_size
        bits = uniforms.reshape(len(worlds), contexts, size) < 0.5
        # Two codes can only be equal if their first bits, read as a number, are.
        weights = 2 ** np.arange(min(size, 62))
        numbers = np.sort(bits[..., :62] @ weights, axis=1)
        for index in np.flatnonzero((numbers[:, 1:] == numbers[:, :-1]).any(axis=1)):
            own, stream = bits[index], worlds[index : index + 1]
            while True:
                _, kept = np.unique(own, axis=0, return_index=True)
                again = np.setdiff1d(np.arange(contexts), kept)
                if not len(again):
                    break
                draws, _ = self.streams.draw(stream, Draws(len(again) * size))
                own[again] = draws.reshape(-1, size) < 0.5
        self.codes[worlds] = np.where(bits, 1.0, -1.0) / np.sqrt(size)

    # ------------------------------------------------------------------ saving, foresight

    @override
    def get_state(self) -> dict[str, NDArray[Any]]:
        state = super().get_state()
        if self.cue == "barcode":
            state["codes"] = self.codes.copy()
        return state

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

    @override
    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        super().set_state(state)
        self.codes = state.get("codes", self.codes)

    def foresee(self, num_steps: int) -> World:
        """What the worlds will do for ``num_steps`` steps from the current one on, if left alone.

        Runs a copy ahead; the worlds themselves stay where they are.

        Raises:
            TypeError, ValueError: ``num_steps`` is no integer above 0, the worlds depend on the
                actions, or an episode is over.
        """
        num_steps = check_count("num_steps", num_steps, least=1)
        if (self.drawn == NEVER).any():
            raise ValueError("foresee() needs running episodes: call reset() first")
        ahead = copy.deepcopy(self)
        rows = []
        for _ in range(num_steps):
            if ahead.clock == ahead.next_draw:
                ahead.draw_due_blocks()
            trace, row = ahead.trace, ahead.row
            parts = (trace.means, trace.optimal, trace.context, trace.changed, trace.since)
            rows.append([part[row].copy() for part in parts])
            ahead.clock += 1
        return World(*(np.stack(part) for part in zip(*rows, strict=True)))
