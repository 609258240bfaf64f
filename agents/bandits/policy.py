"""What a bandit policy is, and the two things that nearly all of them share.

A policy plays `num_envs` independent bandits ("rows") at once: its statistics are arrays of shape
(num_envs, num_arms), and one call decides for every row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...envs.arguments import check_count, check_numbers

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Info = Mapping[str, Any]

_POLICY_STREAM = 0x706F6C


class BanditPolicy:
    """Base class of the bandit policies: `act`, then `update`, and `reset` between episodes.

    A new policy overrides the three methods. `act` may use `self.rng` (the only source of
    randomness), `self.random_argmax` (unbiased tie-breaking) and `self.rows`
    (``arange(num_envs)``). An object that was just made is at the start of an episode.

    Args:
        num_arms: Number of arms A.
        num_envs: Number of bandits N played side by side.
        seed: Seed of the policy's own random numbers.

    Raises:
        ValueError: If `num_arms` or `num_envs` is below 1.
    """

    reward_range: tuple[float, float] = (-np.finfo(np.float64).max, np.finfo(np.float64).max)
    """Rewards that `check_step` accepts: any finite number, unless the policy says otherwise."""

    def __init__(self, num_arms: int, num_envs: int, *, seed: int | None = None) -> None:
        self.num_arms = check_count("num_arms", num_arms, 1)
        self.num_envs = check_count("num_envs", num_envs, 1)
        # Apart from the environment's stream of the same seed, whose first world would otherwise
        # be drawn from the very numbers that the policy acts on.
        self.rng = np.random.default_rng(None if seed is None else [seed, _POLICY_STREAM])
        self.rows = np.arange(num_envs)

    def reset(self, mask: BoolArray | None = None) -> None:
        """Forgets everything in the rows of `mask` (N,), all rows without it: an episode starts."""
        raise NotImplementedError

    def act(self) -> IntArray:
        """Chooses an arm for every row: (N,)."""
        raise NotImplementedError

    def update(self, actions: IntArray, rewards: FloatArray, info: Info | None = None) -> None:
        """Learns from what came of the actions just taken.

        Args:
            actions: Arms pulled, (N,).
            rewards: What they paid, (N,).
            info: The environment's info arrays of this step. Only the oracles (`clairvoyant`,
                `restart_ucb`) read it; a policy that is to be compared with others must not.

        Raises:
            ValueError: If an action is no arm, or a reward is not a number or outside
                `reward_range`.
            TypeError: If the actions are no integers.
        """
        raise NotImplementedError

    def bind(self, env: Any) -> None:
        """Called by `play` with the environment before the first step; only an oracle uses it."""

    def check_step(self, actions: IntArray, rewards: FloatArray) -> tuple[IntArray, FloatArray]:
        """Returns both as arrays (N,), the rewards as float64, or raises `update`'s errors."""
        actions = np.asarray(actions)
        if actions.dtype.kind not in "iu":
            raise TypeError(f"actions must be integers, got dtype {actions.dtype}")
        if actions.shape != (self.num_envs,):
            raise ValueError(f"actions must have shape ({self.num_envs},), got {actions.shape}")
        if actions.min() < 0 or actions.max() >= self.num_arms:
            raise ValueError(
                f"actions must be arms from 0 to {self.num_arms - 1}, "
                f"got {actions.min()} to {actions.max()}"
            )
        rewards = np.asarray(rewards, dtype=np.float64)
        if rewards.shape != (self.num_envs,):
            raise ValueError(f"rewards must have shape ({self.num_envs},), got {rewards.shape}")
        low, high = self.reward_range
        # Written so that a NaN, which compares false with everything, fails too.
        if not (rewards.min() >= low and rewards.max() <= high):
            raise ValueError(
                f"rewards must be numbers in [{low:g}, {high:g}] for {type(self).__name__}, "
                f"got values from {rewards.min():g} to {rewards.max():g}"
            )
        return actions, rewards

    def random_argmax(self, index: FloatArray) -> IntArray:
        """Position of the largest entry of each row of (N, A); ties are broken uniformly."""
        tied = index == index.max(axis=1, keepdims=True)
        rank = tied.cumsum(axis=1)
        # u < 1 in float64, so floor(u * ties) < ties also after rounding.
        chosen = (self.rng.random(self.num_envs) * rank[:, -1]).astype(np.int64)
        return (rank > chosen[:, None]).argmax(axis=1)


def check_prior(prior: tuple[float, float], *, proper: bool = False) -> None:
    """Raises an error if `prior` is not two finite numbers >= 0, > 0 if it is to be `proper`."""
    numbers = check_numbers("prior", prior)
    if numbers.shape != (2,) or not (np.isfinite(numbers).all() and numbers.min() >= 0):
        raise ValueError(f"prior must be two finite numbers (a, b) >= 0, got {prior}")
    if proper and numbers.min() == 0:
        raise ValueError(f"prior must be two numbers (a, b) > 0 for a Beta, got {prior}")


class CountingPolicy(BanditPolicy):
    """A policy whose statistics are (discounted) pull counts and reward sums per arm.

    After the rewards r_1..r_t of the arms I_1..I_t::

        pulls[i]      = sum_s discount^(t-s) 1{I_s = i}
        reward_sum[i] = sum_s discount^(t-s) 1{I_s = i} r_s

    Args:
        num_arms: Number of arms.
        num_envs: Number of rows.
        prior: Pseudo-observations (a, b) added to every arm: a of reward 1 and b of reward 0, never
            discounted. (1, 1) makes `mean` the posterior mean under a uniform prior; (0, 0) makes
            it the sample mean.
        discount: In (0, 1]; 1 forgets nothing.
        seed: Seed of the policy's own random numbers.

    Raises:
        ValueError: If a prior is negative or `discount` outside (0, 1].
    """

    def __init__(
        self,
        num_arms: int,
        num_envs: int,
        *,
        prior: tuple[float, float] = (0.0, 0.0),
        discount: float = 1.0,
        seed: int | None = None,
    ) -> None:
        super().__init__(num_arms, num_envs, seed=seed)
        check_prior(prior)
        if not 0 < discount <= 1:
            raise ValueError(f"discount must be in (0, 1], got {discount}")
        self.prior = prior
        self.discount = discount
        self.pulls = np.zeros((num_envs, num_arms))
        self.reward_sum = np.zeros((num_envs, num_arms))

    def reset(self, mask: BoolArray | None = None) -> None:
        """See `BanditPolicy.reset`."""
        rows = slice(None) if mask is None else mask
        self.pulls[rows] = 0.0
        self.reward_sum[rows] = 0.0

    def update(self, actions: IntArray, rewards: FloatArray, info: Info | None = None) -> None:
        """See `BanditPolicy.update`."""
        self.count(*self.check_step(actions, rewards))

    def count(self, actions: IntArray, rewards: FloatArray) -> None:
        """Adds one step, as `check_step` returns it, to the statistics."""
        if self.discount < 1:
            self.pulls *= self.discount
            self.reward_sum *= self.discount
        self.pulls[self.rows, actions] += 1.0
        self.reward_sum[self.rows, actions] += rewards

    @property
    def weight(self) -> FloatArray:
        """Observations behind each arm's mean, prior included: (N, A)."""
        return self.pulls + sum(self.prior)

    @property
    def mean(self) -> FloatArray:
        """Mean reward of each arm, prior included: (N, A); +inf where nothing was observed."""
        weight = self.weight
        unknown = np.full_like(weight, np.inf)
        return np.divide(self.reward_sum + self.prior[0], weight, out=unknown, where=weight > 0)
