"""Drifts of restless arms: their means move at every step, whatever the agent does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from typing_extensions import override

from .arguments import assign, check_count, check_finite, check_positive
from .arms import Arms
from .drifts import Drift, FloatArray
from .streams import Draws


@dataclass(frozen=True)
class RandomWalk(Drift):
    """Restless arms: every mean takes a Gaussian step at every step.

    ``m <- m + std * e`` with e ~ N(0, 1). Bernoulli means are reflected at 0 and 1: the state is a
    free walk, and the mean its fold into [0, 1] (a triangle wave of period 2), which has the law of
    the reflected walk since steps are symmetric.

    Args:
        std: Standard deviation of one step.
    """

    std: float = 0.02
    continuous: ClassVar[bool] = True

    def __post_init__(self) -> None:
        assign(self, std=check_positive("std", self.std))

    @override
    def step_draws(self, arms: Arms) -> Draws:
        return Draws(normals=arms.num_arms)

    @override
    def step(
        self, arms: Arms, state: FloatArray, uniforms: FloatArray, normals: FloatArray
    ) -> FloatArray:
        return state + self.std * normals

    @override
    def means(self, arms: Arms, state: FloatArray) -> FloatArray:
        if not arms.bernoulli:
            return arms.tie(state)
        turn = state % 2.0
        return arms.tie(np.where(turn > 1.0, 2.0 - turn, turn))


@dataclass(frozen=True)
class OrnsteinUhlenbeck(Drift):
    """Restless arms that wander around a centre.

    The latent x of each arm follows ``x <- center + (1 - reversion) (x - center) + s e`` with
    ``s = std * sqrt(1 - (1 - reversion)^2)``, whose stationary law is N(center, std^2) and whose
    autocorrelation after k steps is ``(1 - reversion)^k``. A Gaussian arm's mean is x, a Bernoulli
    arm's is ``1 / (1 + exp(-x))``. Starts and jumps draw x from the stationary law.

    Args:
        reversion: Share of the distance to the centre that is lost per step, in (0, 1].
        std: Stationary standard deviation of the latent.
        center: Stationary mean of the latent.
    """

    reversion: float = 0.05
    std: float = 1.0
    center: float = 0.0
    continuous: ClassVar[bool] = True

    def __post_init__(self) -> None:
        assign(
            self,
            reversion=check_finite("reversion", self.reversion),
            std=check_positive("std", self.std),
            center=check_finite("center", self.center),
        )
        if not 0.0 < self.reversion <= 1.0:
            raise ValueError(f"reversion must be in (0, 1], got {self.reversion}")

    @override
    def check(self, arms: Arms) -> None:
        _check_prior(self, arms)

    @override
    def start_draws(self, arms: Arms) -> Draws:
        return Draws(normals=arms.num_arms)

    @override
    def jump_draws(self, arms: Arms) -> Draws:
        return Draws(normals=arms.num_arms)

    @override
    def step_draws(self, arms: Arms) -> Draws:
        return Draws(normals=arms.num_arms)

    @override
    def start(self, arms: Arms, uniforms: FloatArray, normals: FloatArray) -> FloatArray:
        return self.center + self.std * normals

    @override
    def step(
        self, arms: Arms, state: FloatArray, uniforms: FloatArray, normals: FloatArray
    ) -> FloatArray:
        keep = 1.0 - self.reversion
        noise_std = self.std * np.sqrt(1.0 - keep**2)
        return self.center + keep * (state - self.center) + noise_std * normals

    @override
    def means(self, arms: Arms, state: FloatArray) -> FloatArray:
        return arms.tie(1.0 / (1.0 + np.exp(-state)) if arms.bernoulli else state)

    @override
    def from_means(self, arms: Arms, means: FloatArray) -> FloatArray:
        if not arms.bernoulli:
            return means
        if ((means <= 0) | (means >= 1)).any():
            raise ValueError("means must be inside (0, 1) for OrnsteinUhlenbeck on Bernoulli arms")
        return np.log(means) - np.log1p(-means)


@dataclass(frozen=True)
class Sinusoid(Drift):
    """Restless arms that swing: ``m(t) = center + amplitude * sin(2 pi t / period + phase)``.

    Each arm draws its own phase, uniform, and its own centre: N(0, 1) for Gaussian arms, uniform on
    [amplitude, 1 - amplitude] for Bernoulli arms, so that the mean stays in [0, 1]. Means set from
    outside are the centres, and their phase is 0.

    Args:
        period: Steps of one swing, positive.
        amplitude: Half the distance between the turning points; at most 0.5 for Bernoulli arms.
    """

    period: float = 100.0
    amplitude: float = 0.25
    continuous: ClassVar[bool] = True

    def __post_init__(self) -> None:
        assign(
            self,
            period=check_positive("period", self.period),
            amplitude=check_positive("amplitude", self.amplitude),
        )

    @override
    def check(self, arms: Arms) -> None:
        if arms.bernoulli and self.amplitude > 0.5:
            raise ValueError(
                f"amplitude must be at most 0.5 for Bernoulli arms, got {self.amplitude}"
            )
        _check_prior(self, arms)

    @override
    def start_draws(self, arms: Arms) -> Draws:
        return Draws(arms.prior_draws.uniforms + arms.num_arms, arms.prior_draws.normals)

    @override
    def jump_draws(self, arms: Arms) -> Draws:
        return self.start_draws(arms)

    @override
    def start(self, arms: Arms, uniforms: FloatArray, normals: FloatArray) -> FloatArray:
        # State: the centres, the phases, and the steps since this draw.
        phases = 2.0 * np.pi * uniforms[:, : arms.num_arms]
        centers = arms.prior(uniforms[:, arms.num_arms :], normals)
        if arms.bernoulli:
            centers = self.amplitude + (1.0 - 2.0 * self.amplitude) * centers
        return np.concatenate([centers, phases, np.zeros((len(phases), 1))], axis=1)

    @override
    def step(
        self, arms: Arms, state: FloatArray, uniforms: FloatArray, normals: FloatArray
    ) -> FloatArray:
        state = state.copy()
        state[:, -1] += 1.0
        return state

    @override
    def means(self, arms: Arms, state: FloatArray) -> FloatArray:
        centers, phases = state[:, : arms.num_arms], state[:, arms.num_arms : -1]
        swing = np.sin(2.0 * np.pi / self.period * state[:, -1:] + phases)
        means = centers + self.amplitude * swing
        # Rounding may put a turning point a hair outside the interval.
        return arms.tie(np.clip(means, 0.0, 1.0) if arms.bernoulli else means)

    @override
    def from_means(self, arms: Arms, means: FloatArray) -> FloatArray:
        low, high = self.amplitude, 1.0 - self.amplitude
        if arms.bernoulli and ((means < low) | (means > high)).any():
            raise ValueError(
                f"means must be in [{low:g}, {high:g}] for {self}, which swings around them"
            )
        return np.concatenate([means, np.zeros_like(means), np.zeros((len(means), 1))], axis=1)


@dataclass(frozen=True)
class Interpolate(Drift):
    """Gradual change: after a change the means move linearly to newly drawn ones.

    A change at step t draws targets from the prior; the means of step t + j are
    ``start + (target - start) * min((j + 1) / duration, 1)``, where start is what they were at
    step t - 1. With ``duration=1`` this is :class:`Resample`.

    Args:
        duration: Steps that the move takes, at least 1.
    """

    duration: int = 20
    continuous: ClassVar[bool] = True

    def __post_init__(self) -> None:
        assign(self, duration=check_count("duration", self.duration, least=1))

    @override
    def start(self, arms: Arms, uniforms: FloatArray, normals: FloatArray) -> FloatArray:
        # State: where the move starts, where it ends, and how many of its steps are done.
        means = arms.prior(uniforms, normals)
        return self.from_means(arms, means)

    @override
    def jump(
        self, arms: Arms, state: FloatArray, uniforms: FloatArray, normals: FloatArray
    ) -> FloatArray:
        targets = arms.prior(uniforms, normals)
        return np.concatenate([self.means(arms, state), targets, np.ones((len(state), 1))], axis=1)

    @override
    def step(
        self, arms: Arms, state: FloatArray, uniforms: FloatArray, normals: FloatArray
    ) -> FloatArray:
        state = state.copy()
        state[:, -1] = np.minimum(state[:, -1] + 1.0, self.duration)
        return state

    @override
    def means(self, arms: Arms, state: FloatArray) -> FloatArray:
        starts, targets = state[:, : arms.num_arms], state[:, arms.num_arms : -1]
        done = state[:, -1:] / self.duration
        return arms.tie(starts * (1.0 - done) + targets * done)

    @override
    def from_means(self, arms: Arms, means: FloatArray) -> FloatArray:
        done = np.full((len(means), 1), float(self.duration))
        return np.concatenate([means, means, done], axis=1)


def _check_prior(drift: Drift, arms: Arms) -> None:
    """For drifts that draw their own starts."""
    if arms.mean_values is not None:
        raise ValueError(f"mean_values cannot be combined with drift={drift}")
