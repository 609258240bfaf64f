"""The worlds behind the shifting bandits, as array functions over N worlds at once.

The scalar environment is the case N = 1, the vector environment any other. Whatever does not depend
on the agent (when a world changes, how, the reward noise) is drawn ahead, in blocks of
:data:`~.trace.STEPS_PER_BLOCK` steps per world, so that a step only reads rows.

Letters: N worlds, n of them at work, A arms, K contexts, C numbers of a cue, B steps of a block,
L = B + 1 rows (see ``trace.py``).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .arguments import check_count
from .arms import Arms, Draws
from .drifts import Drift, Recur
from .schedules import Schedule
from .streams import Streams
from .trace import (
    ROWS,
    STEPS_PER_BLOCK,
    BoolArray,
    DrawArrays,
    FloatArray,
    IntArray,
    Segments,
    Trace,
    World,
    best_arm,
    restless_path,
)

NEVER = 2**62  # a clock that is never reached

# Arrays of a saved state whose last axis may have any length.
OPEN_KEYS = ("change_times",)


class Episode(NamedTuple):
    """What ``reset(options=...)`` prescribes for the episodes of n worlds; None leaves it drawn.

    Attributes:
        means: Means at step 0, (n, A), or of all contexts, (n, K, A), if contexts recur.
        change_times: Steps of the changes, (n, M); below 1 means none.
        context: First context, (n,).
    """

    means: FloatArray | None = None
    change_times: IntArray | None = None
    context: IntArray | None = None


_DRAWN = Episode()


class BanditWorld:
    """N worlds with their own random streams, stepped together.

    Rows live in a ring: the step at ``clock`` reads row ``clock % L``. A world may begin an episode
    at any time; its column is then rewritten from the current row on.

    Args:
        num_worlds: N.
        arms: The reward family.
        schedule: When the worlds change.
        drift: How they change.
        cue: None, ``"one_hot"`` or ``"barcode"``; needs a :class:`~.drifts.Recur` drift.
        cue_size: C of a barcode.
        streams: Random streams to take over from other worlds; by default new ones.
    """

    # The agent has no say in these worlds; see StepwiseWorld for those in which it has.
    stepwise: ClassVar[bool] = False
    # Whether single worlds may stand still for a step.
    may_wait: ClassVar[bool] = False
    # What a saved state holds besides the trace and the generators.
    saved: ClassVar[tuple[str, ...]] = (
        "clock",
        "first",
        "drawn",
        "schedule_state",
        "drift_state",
        "contexts",
        "has_change_times",
        "change_times",
    )

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
        self.num_worlds = num_worlds
        self.arms = arms
        self.schedule = schedule
        self.drift = drift
        self.num_contexts = drift.num_contexts if isinstance(drift, Recur) else 0
        self.cue = cue
        self.cue_size = {None: 0, "one_hot": self.num_contexts, "barcode": cue_size}[cue]
        self.streams = streams or Streams(num_worlds)
        self.everyone = np.arange(num_worlds)

        self.clock = 0
        self.first = np.zeros(num_worlds, dtype=np.int64)  # clock at step 0 of the episode
        self.drawn = np.full(num_worlds, NEVER)  # clock at which the next block is due
        self.next_draw = NEVER
        self.trace = Trace.zeros(num_worlds, arms.num_arms)
        nothing = np.zeros((0, schedule.start_uniforms))
        self.schedule_state = np.zeros((num_worlds, schedule.start(nothing).shape[1]))
        no_draws = [np.zeros((0, count)) for count in drift.start_draws(arms)]
        self.drift_state = np.zeros((num_worlds, drift.start(arms, *no_draws).shape[1]))
        self.contexts = np.zeros((num_worlds, self.num_contexts, arms.num_arms))
        # Cue of each context: drawn per episode, or always the same.
        shape = (num_worlds, self.num_contexts, self.cue_size)
        self.codes = np.zeros(shape, dtype=np.float32)
        if cue == "one_hot":
            self.codes = np.broadcast_to(np.eye(self.num_contexts, dtype=np.float32), shape)
        self.has_change_times = np.zeros(num_worlds, dtype=bool)
        self.change_times = np.zeros((num_worlds, 0), dtype=np.int64)

        # What an episode's start, and each step, take of a world's random numbers, in this order.
        prior = Draws(*(self.num_contexts * count for count in arms.prior_draws))
        self._step_wants = (
            Draws(schedule.step_uniforms),
            drift.step_draws(arms),
            arms.noise_draws,
        )
        self._block_wants = _total(self._step_wants, STEPS_PER_BLOCK)
        self._start_wants = (
            Draws(schedule.start_uniforms),
            drift.start_draws(arms),
            prior,
            Draws(self.codes[0].size if cue == "barcode" else 0),
            self._block_wants,
        )

    # ------------------------------------------------------------------ what a step reads

    @property
    def row(self) -> int:
        """Row of the current step."""
        return self.clock % ROWS

    def cues(self, worlds: IntArray) -> NDArray[np.float32]:
        """Cues (n, C) of the contexts at the current step."""
        return self.codes[worlds, self.trace.context[self.row, worlds]]

    def draw_due_blocks(self) -> None:
        """Draws the next block of worlds at the end of theirs; due when clock is next_draw."""
        worlds = np.flatnonzero(self.drawn == self.clock)
        row, trace = self.row, self.trace
        if len(worlds) == self.num_worlds:
            self.first -= self.clock
            self.clock = 0
        self._fill(
            worlds,
            self.streams.draw(worlds, self._block_wants),
            context=trace.context[row, worlds],
            since=trace.since[row, worlds],
            changed=trace.changed[row, worlds],
        )

    def tick(self, actions: IntArray) -> None:
        """Ends the current step, in which ``actions`` (N,) were taken."""
        self.clock += 1

    def release(self, worlds: IntArray) -> None:
        """Marks worlds whose episode is over: they draw nothing until they begin anew."""
        self.drawn[worlds] = NEVER
        self.next_draw = int(self.drawn.min())

    # ------------------------------------------------------------------ drawing ahead

    def begin(self, worlds: IntArray, episode: Episode = _DRAWN) -> None:
        """Starts new episodes of ``worlds`` (n,) at the current clock."""
        if len(worlds) == self.num_worlds:
            self.clock = 0
        self.first[worlds] = self.clock
        arms, n, contexts = self.arms, len(worlds), self.num_contexts

        draws = self.streams.draw(worlds, _total(self._start_wants))
        parts = _cut(draws, self._start_wants)

        self.schedule_state[worlds] = self.schedule.start(parts[0][0])
        state = self.drift.start(arms, *parts[1])
        if contexts:
            self.contexts[worlds] = arms.prior(*(p.reshape(n, contexts, -1) for p in parts[2]))
        if self.cue == "barcode":
            self._draw_barcodes(worlds, parts[3][0])
        if episode.means is not None:
            if contexts:
                self.contexts[worlds] = episode.means
            else:
                state = self.drift.from_means(arms, episode.means)
        if episode.context is not None:
            state = episode.context[:, None].astype(np.float64)
        self.drift_state[worlds] = state
        self._prescribe(worlds, episode.change_times)

        zeros = np.zeros(n, dtype=np.int64)
        self._fill(worlds, parts[4], context=zeros, since=zeros, changed=zeros.astype(bool))

    def _fill(
        self,
        worlds: IntArray,
        draws: DrawArrays,
        context: IntArray,
        since: IntArray,
        changed: BoolArray,
    ) -> None:
        """Fills a block of the columns of ``worlds`` (n,) from the current row on.

        ``context``, ``since`` and ``changed`` (n,) are those of the current row; ``context`` is
        the number of changes so far, and unused where contexts recur.
        """
        n = len(worlds)
        # Each number of a step has its B values side by side, here seen as (B, n, k).
        by_step = [d.reshape(n, -1, STEPS_PER_BLOCK).transpose(2, 0, 1) for d in draws]
        parts = _cut((by_step[0], by_step[1]), self._step_wants)

        flags = self._flags(worlds, parts[0][0])
        trace = Trace.zeros(n, self.arms.num_arms)
        trace.noise[:-1] = self.arms.noise(*parts[2])
        trace.changed[0], trace.changed[1:] = changed, flags
        self._fill_rows(trace, worlds, context, since, flags, parts[1])

        if n == self.num_worlds:
            self.trace = trace
        else:
            rows = (self.clock + np.arange(ROWS))[:, None] % ROWS
            for field in fields(Trace):
                getattr(self.trace, field.name)[rows, worlds] = getattr(trace, field.name)
        self.drawn[worlds] = self.clock + STEPS_PER_BLOCK
        self.next_draw = int(self.drawn.min())

    def _flags(self, worlds: IntArray, uniforms: FloatArray) -> BoolArray:
        """Change flags (B, n) of rows 1 ... B, as far as the agent has no say in them."""
        shape = (STEPS_PER_BLOCK, len(worlds))
        first_step = self.clock - self.first[worlds] + 1
        flags = np.zeros(shape, dtype=bool)
        if not self.schedule.reactive:
            same = (first_step == first_step[0]).all()
            steps = np.arange(STEPS_PER_BLOCK)[:, None] + (first_step[:1] if same else first_step)
            state = self.schedule_state[worlds]
            flags, state = self.schedule.changes(steps, uniforms, state)
            self.schedule_state[worlds] = state
            flags = np.broadcast_to(flags, shape)
        prescribed = self.has_change_times[worlds]
        if prescribed.any():
            flags = flags & ~prescribed
            rows = self.change_times[worlds] - first_step[:, None]
            inside = (rows >= 0) & (rows < STEPS_PER_BLOCK) & prescribed[:, None]
            flags[rows[inside], np.nonzero(inside)[0]] = True
        return flags

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
            trace.means = trace.means.reshape(ROWS, len(worlds), -1)
            trace.best, trace.optimal = best_arm(trace.means)
            trace.context = segments.count_changes(context)
            return

        states = segments.states(arms, drift, state, jumps)
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

    # ------------------------------------------------------------------ options, saving, foresight

    def _prescribe(self, worlds: IntArray, times: IntArray | None) -> None:
        """Keeps the change times (n, M) that reset's options prescribe for this episode."""
        self.has_change_times[worlds] = times is not None
        if times is None:
            return
        missing = times.shape[1] - self.change_times.shape[1]
        if missing > 0:
            self.change_times = np.pad(self.change_times, ((0, 0), (0, missing)))
        self.change_times[worlds] = 0
        self.change_times[worlds, : times.shape[1]] = times

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Everything that the worlds hold, as a flat dict of arrays (copies)."""
        state = {name: np.array(getattr(self, name)) for name in self.saved}
        for field in fields(Trace):
            state[f"trace_{field.name}"] = getattr(self.trace, field.name).copy()
        state["generators"] = self.streams.get_state()
        if self.cue == "barcode":
            state["codes"] = self.codes.copy()
        return state

    def check_state(
        self, state: Mapping[str, NDArray[Any]], over: BoolArray, horizon: int | None
    ) -> None:
        """Raises ValueError if a state's numbers cannot be those of such worlds.

        Args:
            state: Arrays of the right shapes, as :meth:`get_state` returns them.
            over: Worlds of which no episode is running, (N,).
            horizon: Steps of an episode, if there is an end.
        """
        clock = int(state["clock"])
        # A lone world draws every block from clock 0 on; others may be out of step with another.
        last = STEPS_PER_BLOCK + (clock if self.num_worlds > 1 or self.may_wait else 0)
        if clock < 0 or clock > last:
            raise ValueError(f"state['clock'] must be from 0 to {last}, got {clock}")
        # Where an episode is running, it began less than a horizon ago, and its block is not over.
        begun = -NEVER if horizon is None else clock - horizon + 1
        for name, low, high in (("drawn", clock, last), ("first", begun, clock)):
            values = state[name][~over]
            wrong = (values < low) | (values > high)
            if wrong.any():
                raise ValueError(
                    f"state[{name!r}] must be from {low} to {high} while an episode is running, "
                    f"got {values[wrong][0]}"
                )
        if self.num_contexts:
            numbers = {"trace_context": state["trace_context"], "drift_state": state["drift_state"]}
            for name, values in numbers.items():
                if ((values < 0) | (values >= self.num_contexts)).any():
                    raise ValueError(
                        f"state[{name!r}] must be contexts in [0, {self.num_contexts}), "
                        f"got {values.min():g} to {values.max():g}"
                    )

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restores what :meth:`get_state` returned; the worlds then go on bit for bit."""
        self.streams.set_state(state["generators"])
        self.trace = Trace(*(state[f"trace_{field.name}"] for field in fields(Trace)))
        for name in self.saved:
            setattr(self, name, state[name])
        self.codes = state.get("codes", self.codes)
        self.clock = int(state["clock"])
        self.next_draw = int(self.drawn.min())

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


def _total(wanted: tuple[Draws, ...], times: int = 1) -> Draws:
    return Draws(times * sum(d.uniforms for d in wanted), times * sum(d.normals for d in wanted))


def _cut(draws: DrawArrays, wanted: tuple[Draws, ...]) -> list[DrawArrays]:
    """Cuts arrays of random numbers along their last axis into what each one wants."""
    parts = []
    first = second = 0
    for uniforms, normals in wanted:
        part = draws[0][..., first : first + uniforms], draws[1][..., second : second + normals]
        parts.append(part)
        first, second = first + uniforms, second + normals
    return parts
