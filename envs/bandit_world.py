"""The worlds behind the shifting bandits, as array functions over N worlds at once.

The scalar environment is the case N = 1, the vector environment any other.

Letters: N worlds, n of them at work, A arms, K contexts, C numbers of a cue, B steps of a block,
L = B + 1 rows (see ``blocks.py``).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from .arguments import check_count
from .arms import Arms
from .arms_world import ArmsEpisode, ArmsWorld
from .block_world import NEVER
from .blocks import BoolArray, IntArray, Segments
from .drifts import Drift, Recur
from .played_world import PlayedWorld
from .schedules import Schedule
from .streams import DrawArrays, Draws, FloatArray, Streams
from .trace import Trace, World, best_arm


class BanditWorld(ArmsWorld[Trace, ArmsEpisode], PlayedWorld[Trace, ArmsEpisode]):
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
        contexts = drift.num_contexts if isinstance(drift, Recur) else 0
        self.cue = cue
        self.cue_size = {None: 0, "one_hot": contexts, "barcode": cue_size}[cue]
        super().__init__(
            num_worlds,
            arms,
            schedule,
            drift,
            start_wants=(Draws(contexts * self.cue_size if cue == "barcode" else 0),),
            step_wants=(arms.noise_draws,),
            trace=Trace.zeros(num_worlds, arms.num_arms),
            streams=streams,
        )
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
        self, worlds: IntArray, draws: list[DrawArrays], episode: ArmsEpisode | None
    ) -> None:
        super()._begin(worlds, draws, episode)
        if self.cue == "barcode":
            self._draw_barcodes(worlds, draws[2][0])

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
        segments = Segments(flags)
        states = self._drift(worlds, segments, flags, steps)
        trace.context = self._context(segments, states, context)
        trace.since = segments.steps_since(since)
        if self.drift.continuous:
            means = self.drift.means(self.arms, states.reshape(-1, states.shape[-1]))
            trace.means = means.reshape(*states.shape[:2], -1)
            trace.best, trace.optimal = best_arm(trace.means)
        else:
            means = self._means(states, np.repeat(worlds, segments.counts + 1))
            trace.means = means.take(segments.index, axis=0)
            trace.best = means.max(axis=1).take(segments.index)
            trace.optimal = means.argmax(axis=1).take(segments.index)

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
