"""Schedules say *when* the world changes; drifts (``drifts.py``) say *how*.

A schedule works on arrays, for many worlds at once. Letters: B steps of a block, n worlds,
W numbers of state per world. Steps count from 0 at the start of an episode, and a change *at* step
t means that the means met by the action of step t differ from those of step t - 1. No world changes
at step 0.

Your own: subclass :class:`Schedule` as a frozen dataclass and write :meth:`Schedule.changes`
(changes that do not depend on the agent) or set ``reactive = True`` and write
:meth:`Schedule.react`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from .arguments import assign, check_count, check_probability

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Schedule:
    """Base class: when changes happen.

    Attributes:
        start_uniforms: Uniforms on [0, 1) that :meth:`start` takes, per episode.
        step_uniforms: Uniforms on [0, 1) that :meth:`changes` takes, per step.
        reactive: Whether changes depend on the agent's actions (:meth:`react` is then used).
    """

    start_uniforms: ClassVar[int] = 0
    step_uniforms: ClassVar[int] = 0
    reactive: ClassVar[bool] = False

    def start(self, uniforms: FloatArray) -> FloatArray:
        """State at the start of an episode, shape (n, W); ``uniforms`` is (n, start_uniforms)."""
        return np.zeros((len(uniforms), 0))

    def changes(
        self, steps: IntArray, uniforms: FloatArray, state: FloatArray
    ) -> tuple[BoolArray, FloatArray]:
        """Change flags of B consecutive steps.

        Args:
            steps: Step within the episode, shape (B, n) or, where all worlds agree, (B, 1).
            uniforms: Shape (B, n, step_uniforms).
            state: Shape (n, W).

        Returns:
            The flags, broadcastable to (B, n), and the state after the last of these steps.
        """
        raise NotImplementedError

    def react(
        self, state: FloatArray, actions: IntArray, optimal_actions: IntArray
    ) -> tuple[BoolArray, FloatArray]:
        """Change flags (n,) of the next step, given the actions just taken, and the new state."""
        raise NotImplementedError

    def check_horizon(self, max_episode_steps: int) -> None:
        """Raises ValueError if changes are asked for that no episode lives to see."""


@dataclass(frozen=True)
class Never(Schedule):
    """No change: a stationary world, or one that only drifts continuously."""

    @override
    def changes(
        self, steps: IntArray, uniforms: FloatArray, state: FloatArray
    ) -> tuple[BoolArray, FloatArray]:
        return np.zeros((len(steps), len(state)), dtype=bool), state


@dataclass(frozen=True)
class Hazard(Schedule):
    """A change at every step with the same probability, independently.

    Args:
        probability: Probability of a change per step; stretches are geometric, with mean
            ``1 / probability`` steps.
    """

    probability: float = 0.02
    step_uniforms: ClassVar[int] = 1

    def __post_init__(self) -> None:
        assign(self, probability=check_probability("probability", self.probability))

    @override
    def changes(
        self, steps: IntArray, uniforms: FloatArray, state: FloatArray
    ) -> tuple[BoolArray, FloatArray]:
        return uniforms[..., 0] < self.probability, state


@dataclass(frozen=True)
class Periodic(Schedule):
    """One change per period: at steps ``phase + k * period + J``, J uniform on 0 ... jitter.

    The first change is that of the first grid point ``phase + k * period`` after step 0.

    Args:
        period: Steps from one change to the next (on average, with jitter), at least 1.
        jitter: Largest delay of a change; a new delay is drawn for each. Below ``period``.
        phase: Offset of the grid, from 0 to ``period - 1``, or -1 to draw it anew per episode.
    """

    period: int = 50
    jitter: int = 0
    phase: int = 0
    start_uniforms: ClassVar[int] = 1
    step_uniforms: ClassVar[int] = 1

    def __post_init__(self) -> None:
        assign(
            self,
            period=check_count("period", self.period, least=1),
            jitter=check_count("jitter", self.jitter, least=0),
            phase=check_count("phase", self.phase, least=-1),
        )
        if self.jitter >= self.period:
            raise ValueError(f"jitter must be below period={self.period}, got {self.jitter}")
        if self.phase >= self.period:
            raise ValueError(f"phase must be below period={self.period}, got {self.phase}")

    @override
    def check_horizon(self, max_episode_steps: int) -> None:
        earliest = 1 if self.phase < 0 else self.phase or self.period
        if earliest >= max_episode_steps:
            raise ValueError(
                f"schedule must change before max_episode_steps={max_episode_steps}, got {self}"
            )

    @override
    def start(self, uniforms: FloatArray) -> FloatArray:
        phase = np.floor(uniforms * self.period) if self.phase < 0 else 0 * uniforms + self.phase
        return np.append(phase, np.zeros_like(phase), axis=1)  # State: phase, current delay.

    @override
    def changes(
        self, steps: IntArray, uniforms: FloatArray, state: FloatArray
    ) -> tuple[BoolArray, FloatArray]:
        num_steps, num_worlds = uniforms.shape[:2]
        worlds = np.arange(num_worlds)
        since_grid = (steps[0] - state[:, 0].astype(np.int64)) % self.period
        # Rows of the grid points of all periods that reach into the block, (n, K).
        num_periods = (num_steps - 1) // self.period + 2
        grid = np.arange(num_periods) * self.period - since_grid[:, None]
        # The delay of a period is drawn at its first step, which may lie in an earlier block.
        drawn_at = np.clip(grid, 0, num_steps - 1)
        drawn = np.floor(uniforms[drawn_at, worlds[:, None], 0] * (self.jitter + 1))
        delay = np.where(grid >= 0, drawn, state[:, 1:])
        rows = grid + delay.astype(np.int64)
        inside = (grid < num_steps) & (rows >= 0) & (rows < num_steps)
        inside &= np.broadcast_to(steps[0], num_worlds)[:, None] + grid > 0
        flags = np.zeros((num_steps, num_worlds), dtype=bool)
        flags[rows[inside], inside.nonzero()[0]] = True
        last = (num_steps - 1 + since_grid) // self.period
        return flags, np.stack([state[:, 0], delay[worlds, last]], axis=1)


@dataclass(frozen=True)
class AtSteps(Schedule):
    """Changes at the given steps of every episode.

    Args:
        steps: Steps within the episode, each at least 1 (no world changes at step 0).
    """

    steps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.steps, Iterable):
            raise TypeError(f"steps must be a sequence of integers, got {self.steps!r}")
        assign(self, steps=tuple(check_count("steps", step, least=1) for step in self.steps))

    @override
    def changes(
        self, steps: IntArray, uniforms: FloatArray, state: FloatArray
    ) -> tuple[BoolArray, FloatArray]:
        return np.isin(steps, self.steps), state

    @override
    def check_horizon(self, max_episode_steps: int) -> None:
        if any(step >= max_episode_steps for step in self.steps):
            raise ValueError(
                f"schedule must change before max_episode_steps={max_episode_steps}, got {self}"
            )


@dataclass(frozen=True)
class Bursts(Schedule):
    """Calm stretches broken by bursts of frequent changes.

    A burst begins at each step with probability ``rate`` and lasts ``length`` steps, its first
    included; bursts may overlap. A step inside a burst is a change with probability
    ``probability``; outside there is none. A step later than ``length`` is thus inside a burst with
    probability ``1 - (1 - rate) ** length``.

    Args:
        rate: Probability per step that a burst begins.
        length: Steps that a burst lasts, at least 1.
        probability: Probability of a change per step of a burst.
    """

    rate: float = 0.01
    length: int = 20
    probability: float = 0.2
    step_uniforms: ClassVar[int] = 2

    def __post_init__(self) -> None:
        assign(
            self,
            rate=check_probability("rate", self.rate),
            length=check_count("length", self.length, least=1),
            probability=check_probability("probability", self.probability),
        )

    @override
    def start(self, uniforms: FloatArray) -> FloatArray:
        # State: rows since the last burst began, as counted at the first row of the next block.
        return np.full((len(uniforms), 1), float(self.length))

    @override
    def changes(
        self, steps: IntArray, uniforms: FloatArray, state: FloatArray
    ) -> tuple[BoolArray, FloatArray]:
        rows = np.arange(len(uniforms))[:, None]
        begins = np.where(uniforms[..., 0] < self.rate, rows, -state[:, 0].astype(np.int64))
        last_begin = np.maximum.accumulate(begins, axis=0)
        inside = rows - last_begin < self.length
        age = np.minimum(len(uniforms) - last_begin[-1], self.length)
        return inside & (uniforms[..., 1] < self.probability), age[:, None].astype(np.float64)


@dataclass(frozen=True)
class Reactive(Schedule):
    """The world changes once the agent has found it out.

    A change follows as soon as the agent has chosen the best arm ``patience`` times in a row since
    the last change. Agents that never settle never see one.

    Args:
        patience: Consecutive choices of the best arm that set off a change, at least 1.
    """

    patience: int = 10
    reactive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        assign(self, patience=check_count("patience", self.patience, least=1))

    @override
    def start(self, uniforms: FloatArray) -> FloatArray:
        return np.zeros((len(uniforms), 1))  # State: best choices in a row.

    @override
    def react(
        self, state: FloatArray, actions: IntArray, optimal_actions: IntArray
    ) -> tuple[BoolArray, FloatArray]:
        streak = np.where(actions == optimal_actions, state[:, 0] + 1, 0.0)
        fires = streak >= self.patience
        return fires, np.where(fires, 0.0, streak)[:, None]
