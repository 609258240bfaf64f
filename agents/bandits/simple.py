"""Policies that need no confidence bounds: uniform, (epsilon-)greedy, and the clairvoyant."""

from __future__ import annotations

import numpy as np

from ...envs.arguments import check_probability
from .policy import BanditPolicy, BoolArray, CountingPolicy, FloatArray, Info, IntArray


class Random(BanditPolicy):
    """Pulls every arm with the same probability. The zero of the scale on which others are read."""

    def reset(self, mask: BoolArray | None = None) -> None:
        """Nothing to forget."""

    def act(self) -> IntArray:
        """See `BanditPolicy.act`."""
        return self.rng.integers(self.num_arms, size=self.num_envs)

    def update(self, actions: IntArray, rewards: FloatArray, info: Info | None = None) -> None:
        """Nothing to learn."""


class EpsilonGreedy(CountingPolicy):
    """Pulls the arm of the highest mean, and a uniformly random one with probability `epsilon`.

    Sutton & Barto, Reinforcement Learning (2nd ed. 2018), section 2.2. ``epsilon=0`` is the greedy
    policy. The mean is the posterior mean under the prior, (S_i + a) / (N_i + a + b); with a
    `discount` below 1 an arm that is not pulled drifts back to the prior's mean.

    Args:
        num_arms: Number of arms.
        num_envs: Number of rows.
        epsilon: Probability of a uniformly random arm, in [0, 1].
        prior: Pseudo-observations (a, b); see `CountingPolicy`.
        discount: In (0, 1]; see `CountingPolicy`.
        seed: Seed of the policy's own random numbers.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        num_arms: int,
        num_envs: int,
        *,
        epsilon: float = 0.1,
        prior: tuple[float, float] = (1.0, 1.0),
        discount: float = 1.0,
        seed: int | None = None,
    ) -> None:
        super().__init__(num_arms, num_envs, prior=prior, discount=discount, seed=seed)
        self.epsilon = check_probability("epsilon", epsilon)

    def act(self) -> IntArray:
        """See `BanditPolicy.act`."""
        greedy = self.random_argmax(self.mean)
        if self.epsilon == 0:
            return greedy
        explores = self.rng.random(self.num_envs) < self.epsilon
        return np.where(explores, self.rng.integers(self.num_arms, size=self.num_envs), greedy)
