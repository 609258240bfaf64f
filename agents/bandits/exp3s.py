"""Exp3.S: the adversarial policy that competes with switching sequences of arms."""

from __future__ import annotations

import numpy as np

from ...envs.arguments import check_nonnegative
from .policy import BanditPolicy, BoolArray, FloatArray, Info, IntArray


class Exp3S(BanditPolicy):
    """Exp3.S for rewards in [0, 1].

    Auer, Cesa-Bianchi, Freund & Schapire, The nonstochastic multiarmed bandit problem (SIAM J.
    Computing 2002), section 8. With K arms it draws arm i with probability ::

        p_i = (1 - gamma) w_i / sum_j w_j + gamma / K

    and after the pull of arm I with reward r, ::

        w_i <- w_i exp(gamma r 1{i = I} / (p_I K)) + (e alpha / K) sum_j w_j

    The weights are kept normalised, which changes no probability.

    Args:
        num_arms: Number of arms.
        num_envs: Number of rows.
        gamma: Share of uniform exploration, in (0, 1].
        alpha: Share of the weight spread over all arms at every step, >= 0. The defaults are the
            paper's for known changes, min(1, sqrt(K (S ln(K T) + e) / ((e - 1) T))) and 1 / T,
            with K = 5 arms, T = 200 steps and S = 5 stretches without change.
        seed: Seed of the policy's own random numbers.

    Raises:
        ValueError: If an argument is out of range.
    """

    reward_range = (0.0, 1.0)

    def __init__(
        self,
        num_arms: int,
        num_envs: int,
        *,
        gamma: float = 0.74,
        alpha: float = 0.005,
        seed: int | None = None,
    ) -> None:
        super().__init__(num_arms, num_envs, seed=seed)
        if not 0 < gamma <= 1:
            raise ValueError(f"gamma must be in (0, 1], got {gamma}")
        self.gamma = gamma
        self.alpha = check_nonnegative("alpha", alpha)
        self.weights = np.full((num_envs, num_arms), 1.0 / num_arms)

    def reset(self, mask: BoolArray | None = None) -> None:
        """See `BanditPolicy.reset`."""
        self.weights[slice(None) if mask is None else mask] = 1.0 / self.num_arms

    def probabilities(self) -> FloatArray:
        """The probability of every arm, (N, A)."""
        return (1.0 - self.gamma) * self.weights + self.gamma / self.num_arms

    def act(self) -> IntArray:
        """See `BanditPolicy.act`."""
        cumulative = self.probabilities().cumsum(axis=1)
        # Scaled by the last entry, so that rounding can never leave u beyond the last arm.
        u = self.rng.random(self.num_envs) * cumulative[:, -1]
        return (cumulative <= u[:, None]).sum(axis=1)

    def update(self, actions: IntArray, rewards: FloatArray, info: Info | None = None) -> None:
        """See `BanditPolicy.update`."""
        actions, rewards = self.check_step(actions, rewards)
        weights = self.weights
        chosen = (1.0 - self.gamma) * weights[self.rows, actions] + self.gamma / self.num_arms
        # gamma / (chosen * K) <= 1: no overflow.
        weights[self.rows, actions] *= np.exp(self.gamma * rewards / (chosen * self.num_arms))
        weights += np.e * self.alpha / self.num_arms
        weights /= weights.sum(axis=1, keepdims=True)
