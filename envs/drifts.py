"""Drifts say *how* the means of a bandit change; schedules (``schedules.py``) say *when*.

A drift works on arrays, for k worlds at once. It keeps a row of numbers per world, its state
(k, W), from which :meth:`Drift.means` reads the arms' means (k, A). Three things can move it:

- a *jump*, at every change that the schedule announces;
- a *step*, at every other step, if the drift is ``continuous`` (restless arms, ``restless.py``);
- a *pull* of an arm, if the drift is ``rested``.

At a change, continuous and rested drifts start afresh from a new draw; with ``schedule=Never()``
they only drift. Your own: subclass :class:`Drift` as a frozen dataclass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from .arguments import assign, check_count, check_finite
from .arms import Arms
from .streams import Draws

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True)
class Drift:
    """Base class: the means are the state, drawn from the prior at the start and at every jump.

    ``uniforms`` and ``normals`` have shape (k, m) with m as announced by the ``*_draws`` methods.
    No method may change its arguments in place.

    Attributes:
        continuous: Whether the means move at every step (:meth:`step`).
        rested: Whether the means move when an arm is pulled (:meth:`pull`).
    """

    continuous: ClassVar[bool] = False
    rested: ClassVar[bool] = False

    def check(self, arms: Arms) -> None:
        """Raises ValueError if this drift cannot drive these arms."""

    def start_draws(self, arms: Arms) -> Draws:
        """Random numbers that :meth:`start` takes per episode."""
        return arms.prior_draws

    def jump_draws(self, arms: Arms) -> Draws:
        """Random numbers that :meth:`jump` takes per change."""
        return arms.prior_draws

    def step_draws(self, arms: Arms) -> Draws:
        """Random numbers that :meth:`step` takes per step."""
        return Draws()

    def start(self, arms: Arms, uniforms: FloatArray, normals: FloatArray) -> FloatArray:
        """State (k, W) at the start of an episode."""
        return arms.prior(uniforms, normals)

    def jump(
        self, arms: Arms, state: FloatArray, uniforms: FloatArray, normals: FloatArray
    ) -> FloatArray:
        """State after a change; by default a fresh start."""
        return self.start(arms, uniforms, normals)

    def step(
        self, arms: Arms, state: FloatArray, uniforms: FloatArray, normals: FloatArray
    ) -> FloatArray:
        """State one step later (``continuous`` drifts)."""
        return state

    def pull(self, arms: Arms, state: FloatArray, actions: IntArray) -> FloatArray:
        """State after pulling ``actions`` (k,) (``rested`` drifts)."""
        return state

    def means(self, arms: Arms, state: FloatArray) -> FloatArray:
        """Means (k, A) of the arms in this state."""
        return state

    def from_means(self, arms: Arms, means: FloatArray) -> FloatArray:
        """A state (k, W) whose means are ``means`` (k, A); for ``reset(options=...)``."""
        return means


@dataclass(frozen=True)
class Resample(Drift):
    """At a change, every arm's mean is drawn anew from the prior."""


@dataclass(frozen=True)
class Recur(Drift):
    """At a change, the world jumps to another of its contexts, each equally likely.

    The contexts' means belong to the world (argument ``num_contexts`` of the environment), which
    draws them from the prior once per episode; the state here is only the context's number.
    """

    num_contexts: int = 4

    def __post_init__(self) -> None:
        assign(self, num_contexts=check_count("num_contexts", self.num_contexts, least=2))

    @override
    def start_draws(self, arms: Arms) -> Draws:
        return Draws(uniforms=1)

    @override
    def jump_draws(self, arms: Arms) -> Draws:
        return Draws(uniforms=1)

    @override
    def start(self, arms: Arms, uniforms: FloatArray, normals: FloatArray) -> FloatArray:
        return np.floor(uniforms * self.num_contexts)

    @override
    def jump(
        self, arms: Arms, state: FloatArray, uniforms: FloatArray, normals: FloatArray
    ) -> FloatArray:
        ahead = 1.0 + np.floor(uniforms * (self.num_contexts - 1))
        return (state + ahead) % self.num_contexts


@dataclass(frozen=True)
class Cycle(Recur):
    """As :class:`Recur`, but the contexts come in order: 0, 1, ..., num_contexts - 1, 0, ..."""

    @override
    def start_draws(self, arms: Arms) -> Draws:
        return Draws()

    @override
    def jump_draws(self, arms: Arms) -> Draws:
        return Draws()

    @override
    def start(self, arms: Arms, uniforms: FloatArray, normals: FloatArray) -> FloatArray:
        return np.zeros((len(uniforms), 1))

    @override
    def jump(
        self, arms: Arms, state: FloatArray, uniforms: FloatArray, normals: FloatArray
    ) -> FloatArray:
        return (state + 1.0) % self.num_contexts


@dataclass(frozen=True)
class Permute(Drift):
    """At a change, the arms exchange their means; no arm keeps its own.

    The exchange is one random cycle through all arms. Of dependent arms, it is one through the
    pairs (and a last arm that has no partner), each of which also turns over with probability 1/2;
    a single pair always does.
    """

    @override
    def jump_draws(self, arms: Arms) -> Draws:
        return Draws(uniforms=arms.num_arms - 1)

    @override
    def jump(
        self, arms: Arms, state: FloatArray, uniforms: FloatArray, normals: FloatArray
    ) -> FloatArray:
        if not arms.dependent:
            return exchange(state, uniforms)
        means = state.copy()
        first = exchange(state[:, ::2], uniforms)
        turns = uniforms[:, first.shape[1] - 1 :]
        pairs = turns.shape[1]
        turned = (turns < 0.5) | (first.shape[1] == 1)
        first[:, :pairs] = np.where(turned, arms.mirrored(first[:, :pairs]), first[:, :pairs])
        means[:, ::2] = first
        return arms.tie(means)


@dataclass(frozen=True)
class SwapBest(Drift):
    """At a change, the best arm exchanges its mean with another arm, each equally likely.

    The partners of dependent arms follow.
    """

    @override
    def jump_draws(self, arms: Arms) -> Draws:
        return Draws(uniforms=1)

    @override
    def jump(
        self, arms: Arms, state: FloatArray, uniforms: FloatArray, normals: FloatArray
    ) -> FloatArray:
        means = state.copy()
        rows = np.arange(len(means))
        best = means.argmax(axis=1)
        ahead = 1 + (uniforms[:, 0] * (arms.num_arms - 1)).astype(np.int64)
        other = (best + ahead) % arms.num_arms
        means[rows, best], means[rows, other] = means[rows, other], means[rows, best]
        if arms.dependent:
            for arm in (best, other):
                paired = np.flatnonzero(arm ^ 1 < arms.num_arms)
                means[paired, arm[paired] ^ 1] = arms.mirrored(means[paired, arm[paired]])
        return arms.tie(means)


@dataclass(frozen=True)
class Mirror(Drift):
    """At a change, some means turn to the other side: m becomes 1 - m (Gaussian arms: -m).

    Each arm turns with probability 1/2; if none would, one does, each equally likely.
    """

    @override
    def check(self, arms: Arms) -> None:
        if arms.dependent:
            raise ValueError(
                "dependent arms cannot be combined with Mirror, which turns single arms"
            )

    @override
    def jump_draws(self, arms: Arms) -> Draws:
        return Draws(uniforms=arms.num_arms + 1)

    @override
    def jump(
        self, arms: Arms, state: FloatArray, uniforms: FloatArray, normals: FloatArray
    ) -> FloatArray:
        turns = uniforms[:, :-1] < 0.5
        still = np.flatnonzero(~turns.any(axis=1))
        turns[still, (uniforms[still, -1] * arms.num_arms).astype(np.int64)] = True
        return np.where(turns, arms.mirrored(state), state)


@dataclass(frozen=True)
class Rotting(Drift):
    """Rested arms that wear out: each pull moves the arm's mean towards a floor.

    ``m <- floor + decay * (m - floor)`` for the pulled arm if it is above the floor (Levine,
    Crammer and Mannor, "Rotting bandits", NeurIPS 2017, study such arms). Arms that are not pulled
    keep their means. A change draws all means anew.

    Args:
        decay: Factor per pull, in [0, 1).
        floor: Mean that a worn-out arm tends to.
    """

    decay: float = 0.95
    floor: float = 0.0
    rested: ClassVar[bool] = True

    def __post_init__(self) -> None:
        assign(
            self, decay=check_finite("decay", self.decay), floor=check_finite("floor", self.floor)
        )
        if not 0.0 <= self.decay < 1.0:
            raise ValueError(f"decay must be in [0, 1), got {self.decay}")

    @override
    def check(self, arms: Arms) -> None:
        if arms.dependent:
            raise ValueError("dependent arms cannot be combined with Rotting, which moves one arm")
        if arms.bernoulli and not 0.0 <= self.floor <= 1.0:
            raise ValueError(f"floor must be in [0, 1] for Bernoulli arms, got {self.floor}")

    @override
    def pull(self, arms: Arms, state: FloatArray, actions: IntArray) -> FloatArray:
        state = state.copy()
        rows = np.arange(len(state))
        means = state[rows, actions]
        worn = self.floor + self.decay * (means - self.floor)
        state[rows, actions] = np.minimum(means, worn)
        return state


@dataclass(frozen=True)
class InformativeArm(Drift):
    """All arms pay the same but one, the target; the last arm tells which, and pays little.

    The arms of Wang et al. (2016): the target is one of the first A - 1 arms; the last arm pays
    ``hint`` times the target's number, counted from 1. At a change, the target moves to another of
    the first arms, each equally likely. Meant for Gaussian arms with ``noise_std=0``, whose payout
    is exact.

    Args:
        target: Mean of the target.
        others: Mean of the other arms.
        hint: Mean of the last arm per number of the target.
    """

    target: float = 5.0
    others: float = 1.0
    hint: float = 0.1

    def __post_init__(self) -> None:
        assign(
            self,
            target=check_finite("target", self.target),
            others=check_finite("others", self.others),
            hint=check_finite("hint", self.hint),
        )
        if self.target <= self.others:
            raise ValueError(f"target must be above others={self.others}, got {self.target}")

    @override
    def check(self, arms: Arms) -> None:
        if arms.num_arms < 3:
            raise ValueError(f"num_arms must be at least 3 for InformativeArm, got {arms.num_arms}")
        if arms.bernoulli:
            raise ValueError('InformativeArm needs arms="gaussian", got "bernoulli"')
        if arms.dependent or arms.mean_values is not None:
            raise ValueError("InformativeArm cannot be combined with dependent or mean_values")

    @override
    def start_draws(self, arms: Arms) -> Draws:
        return Draws(uniforms=1)

    @override
    def jump_draws(self, arms: Arms) -> Draws:
        return Draws(uniforms=1)

    @override
    def start(self, arms: Arms, uniforms: FloatArray, normals: FloatArray) -> FloatArray:
        return np.floor(uniforms * (arms.num_arms - 1))  # State: the target.

    @override
    def jump(
        self, arms: Arms, state: FloatArray, uniforms: FloatArray, normals: FloatArray
    ) -> FloatArray:
        ahead = 1.0 + np.floor(uniforms * (arms.num_arms - 2))
        return (state + ahead) % (arms.num_arms - 1)

    @override
    def means(self, arms: Arms, state: FloatArray) -> FloatArray:
        means = np.where(np.arange(arms.num_arms) == state, self.target, self.others)
        means[:, -1:] = self.hint * (state + 1.0)
        return means

    @override
    def from_means(self, arms: Arms, means: FloatArray) -> FloatArray:
        state = means[:, :-1].argmax(axis=1)[:, None].astype(np.float64)
        if not np.allclose(self.means(arms, state), means):
            raise ValueError("means must be those of InformativeArm for some target")
        return state


def exchange(values: NDArray[Number], uniforms: FloatArray) -> NDArray[Number]:
    """Values (k, A) moved along one random cycle per row, uniforms (k, A - 1); none stays.

    Sattolo's algorithm (1986).
    """
    values = values.copy()
    rows = np.arange(len(values))
    for last in range(values.shape[1] - 1, 0, -1):
        other = (uniforms[:, last - 1] * last).astype(np.int64)  # uniform on 0 ... last - 1
        values[rows, other], values[:, last] = values[:, last].copy(), values[rows, other]
    return values
