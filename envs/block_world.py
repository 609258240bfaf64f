"""What all our worlds share: N of them with their own random streams, drawn ahead in blocks.

Whatever does not depend on the agent is drawn ahead, in blocks of steps per world, so that a step
only reads rows. Rows live in a ring: the step at ``clock`` reads row ``clock % L``. A world may
begin an episode at any time; its column is then rewritten from the current row on.

Letters: N worlds, n of them at work, B steps of a block, L = B + 1 rows (see ``blocks.py``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from .blocks import BlockTrace, BoolArray, IntArray
from .schedules import Schedule
from .streams import DrawArrays, Draws, FloatArray, Streams, cut, total

NEVER = 2**62  # a clock that is never reached


@dataclass(frozen=True)
class Episode:
    """What ``reset(options=...)`` prescribes for the episodes of n worlds; None leaves it drawn.

    Attributes:
        change_times: Steps of the changes, (n, M); below 1 means none.
    """

    change_times: IntArray | None = None


TraceT = TypeVar("TraceT", bound=BlockTrace)
EpisodeT = TypeVar("EpisodeT", bound=Episode)


class BlockWorld(ABC, Generic[TraceT, EpisodeT]):
    """N worlds, stepped together; a kind of world writes :meth:`_begin` and :meth:`_make_rows`.

    Args:
        num_worlds: N.
        schedule: When the worlds change.
        start_wants: What the start of an episode takes of a world's random numbers, in this order.
        step_wants: What each step takes of them, beside the schedule.
        trace: The worlds' rows, yet to be filled.
        streams: Random streams to take over from other worlds; by default new ones.
    """

    # Part of the definition of a kind of world: another length makes other worlds of a seed.
    steps_per_block: int
    # Steps of a trial: changes come between trials, and schedules count trials as their steps.
    steps_per_trial: int = 1
    # The agent has no say in what the rows hold, unless a kind of world says otherwise.
    stepwise: bool = False
    # Whether single worlds may stand still for a step.
    may_wait: bool = False
    # What a saved state holds besides the trace and the generators.
    saved: tuple[str, ...] = (
        "clock",
        "first",
        "drawn",
        "schedule_state",
        "has_change_times",
        "change_times",
    )
    # Arrays of a saved state whose last axis may have any length.
    open_keys: tuple[str, ...] = ("change_times",)

    def __init__(
        self,
        num_worlds: int,
        schedule: Schedule,
        start_wants: tuple[Draws, ...],
        step_wants: tuple[Draws, ...],
        trace: TraceT,
        streams: Streams | None = None,
    ) -> None:
        self.num_worlds = num_worlds
        self.schedule = schedule
        self.trace = trace
        self.streams = streams or Streams(num_worlds)
        self.everyone = np.arange(num_worlds)

        self.clock = 0
        self.first = np.zeros(num_worlds, dtype=np.int64)  # clock at step 0 of the episode
        self.drawn = np.full(num_worlds, NEVER)  # clock at which the next block is due
        self.next_draw = NEVER
        nothing = np.zeros((0, schedule.start_uniforms))
        self.schedule_state = np.zeros((num_worlds, schedule.start(nothing).shape[1]))
        self.has_change_times = np.zeros(num_worlds, dtype=bool)
        self.change_times = np.zeros((num_worlds, 0), dtype=np.int64)

        self._step_wants = (Draws(schedule.step_uniforms), *step_wants)
        self._block_wants = total(self._step_wants, self.steps_per_block)
        self._start_wants = (Draws(schedule.start_uniforms), *start_wants, self._block_wants)

    # ------------------------------------------------------------------ what a kind of world writes

    @abstractmethod
    def _begin(self, worlds: IntArray, draws: list[DrawArrays], episode: EpisodeT | None) -> None:
        """Draws what is constant in an episode, from ``draws`` as announced in start_wants."""

    @abstractmethod
    def _make_rows(
        self,
        worlds: IntArray,
        draws: list[DrawArrays],
        flags: BoolArray,
        context: IntArray,
        since: IntArray,
        changed: BoolArray,
    ) -> TraceT:
        """Works out the rows of a block of ``worlds`` (n,).

        Args:
            worlds: The worlds.
            draws: Random numbers as announced in step_wants, (B, n, k) each.
            flags: Change flags of rows 1 ... B, (B, n).
            context: Number of changes so far, or of the context, at row 0, (n,).
            since: Steps since the last change at row 0, (n,).
            changed: Whether row 0 is that of a change, (n,).
        """

    # ------------------------------------------------------------------ time

    @property
    def row(self) -> int:
        """Row of the current step."""
        return self.clock % (self.steps_per_block + 1)

    def tick(self, actions: IntArray) -> None:
        """Ends the current step, in which ``actions`` (N,) were taken."""
        self.clock += 1

    def release(self, worlds: IntArray) -> None:
        """Marks worlds whose episode is over: they draw nothing until they begin anew."""
        self.drawn[worlds] = NEVER
        self.next_draw = int(self.drawn.min())

    def begin(self, worlds: IntArray, episode: EpisodeT | None = None) -> None:
        """Starts new episodes of ``worlds`` (n,) at the current clock."""
        if len(worlds) == self.num_worlds:
            self.clock = 0
        self.first[worlds] = self.clock
        parts = cut(self.streams.draw(worlds, total(self._start_wants)), self._start_wants)
        self.schedule_state[worlds] = self.schedule.start(parts[0][0])
        self._begin(worlds, parts[1:-1], episode)
        self._prescribe(worlds, None if episode is None else episode.change_times)
        zeros = np.zeros(len(worlds), dtype=np.int64)
        self._fill(worlds, parts[-1], context=zeros, since=zeros, changed=zeros.astype(bool))

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

    def _fill(
        self,
        worlds: IntArray,
        draws: DrawArrays,
        context: IntArray,
        since: IntArray,
        changed: BoolArray,
    ) -> None:
        """Fills a block of the columns of ``worlds`` (n,) from the current row on."""
        # Each number of a step has its B values side by side, here seen as (B, n, k).
        n = len(worlds)
        by_step = [d.reshape(n, -1, self.steps_per_block).transpose(2, 0, 1) for d in draws]
        parts = cut((by_step[0], by_step[1]), self._step_wants)
        flags = self._flags(worlds, parts[0][0])
        trace = self._make_rows(worlds, parts[1:], flags, context, since, changed)
        if n == self.num_worlds:
            self.trace = trace
        else:
            num_rows = self.steps_per_block + 1
            rows = (self.clock + np.arange(num_rows))[:, None] % num_rows
            for field in fields(trace):
                getattr(self.trace, field.name)[rows, worlds] = getattr(trace, field.name)
        self.drawn[worlds] = self.clock + self.steps_per_block
        self.next_draw = int(self.drawn.min())

    # ------------------------------------------------------------------ changes

    def _flags(self, worlds: IntArray, uniforms: FloatArray) -> BoolArray:
        """Change flags (B, n) of rows 1 ... B, as far as the agent has no say in them."""
        every = self.steps_per_trial
        num_steps = self.steps_per_block // every
        shape = (num_steps, len(worlds))
        first_step = (self.clock - self.first[worlds]) // every + 1
        flags = np.zeros(shape, dtype=bool)
        if not self.schedule.reactive:
            same = (first_step == first_step[0]).all()
            steps = np.arange(num_steps)[:, None] + (first_step[:1] if same else first_step)
            state = self.schedule_state[worlds]
            flags, state = self.schedule.changes(steps, uniforms[every - 1 :: every], state)
            self.schedule_state[worlds] = state
            flags = np.broadcast_to(flags, shape)
        prescribed = self.has_change_times[worlds]
        if prescribed.any():
            flags = flags & ~prescribed
            rows = self.change_times[worlds] - first_step[:, None]
            inside = (rows >= 0) & (rows < num_steps) & prescribed[:, None]
            flags[rows[inside], np.nonzero(inside)[0]] = True
        if every == 1:
            return flags
        by_step = np.zeros((self.steps_per_block, len(worlds)), dtype=bool)
        by_step[every - 1 :: every] = flags
        return by_step

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

    def _react(self, actions: IntArray, optimal_actions: IntArray) -> BoolArray:
        """Flags (N,) of the next row, now that the current step is known, the schedule's included.

        For stepwise worlds, whose rows are worked out one by one: the flags, steps since and number
        of changes of the next row are written here.
        """
        trace, row = self.trace, self.row
        following = (row + 1) % (self.steps_per_block + 1)
        changed = trace.changed[following]
        if self.schedule.reactive:
            fires, self.schedule_state = self.schedule.react(
                self.schedule_state, actions, optimal_actions
            )
            changed |= fires & ~self.has_change_times
        trace.since[following] = np.where(changed, 0, trace.since[row] + 1)
        trace.context[following] = trace.context[row] + changed
        return changed

    # ------------------------------------------------------------------ saving

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Everything that the worlds hold, as a flat dict of arrays (copies)."""
        state = {name: np.array(getattr(self, name)) for name in self.saved}
        for field in fields(self.trace):
            state[f"trace_{field.name}"] = getattr(self.trace, field.name).copy()
        state["generators"] = self.streams.get_state()
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
        last = self.steps_per_block + (clock if self.num_worlds > 1 or self.may_wait else 0)
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

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restores what :meth:`get_state` returned; the worlds then go on bit for bit."""
        self.streams.set_state(state["generators"])
        kind = type(self.trace)
        self.trace = kind(**{f.name: state[f"trace_{f.name}"] for f in fields(kind)})
        for name in self.saved:
            setattr(self, name, state[name])
        self.clock = int(state["clock"])
        self.next_draw = int(self.drawn.min())
