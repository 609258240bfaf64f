"""The Bayes filter of the bandit whose arms are all redrawn at once, and policies on top of it."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from ...envs.arguments import check_count_or_none, check_nonnegative, check_probability
from .policy import BanditPolicy, BoolArray, FloatArray, Info, IntArray, check_prior

Rule = Literal["greedy", "thompson", "ucb"]


class BayesChangePoint(BanditPolicy):
    """Acts on the exact posterior of a Bernoulli bandit whose arms are all redrawn at once.

    The model: before every action but the first, with probability `hazard` and independently of
    everything else, *all* means are redrawn from Beta(a, b); the standard bandit is hazard = 0.02,
    a = b = 1. Under it the posterior is a mixture over the step j of the last redraw (Adams &
    MacKay, Bayesian online changepoint detection, arXiv 0710.3742, with one Beta per arm; Mellor &
    Shapiro, Thompson sampling in switching environments with Bayesian online change detection,
    AISTATS 2013, call the Thompson rule Global CTS). Given j, arm i is Beta(a_ij, b_ij), the prior
    plus what arm i paid since j; after the pull of arm I with reward r, ::

        w_j   <- w_j p_j / sum_k w_k p_k      p_j = a_Ij / (a_Ij + b_Ij) if r = 1, else 1 - that
        a_Ij  <- a_Ij + r,   b_Ij <- b_Ij + 1 - r
        w_j   <- (1 - hazard) w_j,   and a new j with weight hazard and the prior in all arms

    so that the mixture always describes the means that the *next* action will meet. The rules:

    - "greedy": the largest posterior mean, mean_i = sum_j w_j a_ij / (a_ij + b_ij);
    - "ucb": the largest mean_i + scale * sd_i, with sd_i the standard deviation of the mixture;
    - "thompson": draw j from w, then every arm from Beta(a_ij, b_ij), and pull the largest.

    One step costs O(A R) per row for R redraw times; R grows with the episode unless
    `max_run_lengths` bounds it. Then a new redraw time takes the place of the one of least weight.
    Its weight is added to `pruned_mass` (N,): under the model, the expected total variation
    distance between the pruned and the exact posterior is at most the expected `pruned_mass`.
    (The pruned filter is the exact posterior conditioned on the redraw histories never discarded.
    The exact posterior probability of the discarded ones bounds the distance; it is a martingale
    between prunings, and grows in each by at most the weight that is discarded.) The bound is
    loose: with 32 redraw times on the standard bandit `pruned_mass` reaches 1, while the regret
    stays within 0.0005 of the exact filter's.

    Args:
        num_arms: Number of arms.
        num_envs: Number of rows.
        hazard: Probability of a redraw before each action, in [0, 1].
        rule: "greedy", "thompson" or "ucb".
        scale: Standard deviations added by "ucb"; the other rules do not use it.
        prior: (a, b) of the Beta distribution that means are drawn from, both > 0.
        max_run_lengths: Bound on R, at least 2; None is exact.
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
        hazard: float = 0.02,
        rule: Rule = "ucb",
        scale: float = 1.6,
        prior: tuple[float, float] = (1.0, 1.0),
        max_run_lengths: int | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(num_arms, num_envs, seed=seed)
        check_probability("hazard", hazard)
        if rule not in get_args(Rule):
            raise ValueError(f"rule must be one of {get_args(Rule)}, got {rule!r}")
        check_nonnegative("scale", scale)
        check_prior(prior, proper=True)
        check_count_or_none("max_run_lengths", max_run_lengths, 2)
        self.hazard = hazard
        self.rule = rule
        self.scale = scale
        self.prior = prior
        self.max_run_lengths = max_run_lengths
        slots = 64 if max_run_lengths is None else max_run_lengths
        # Slot r holds one redraw time: its weight, and per arm a, a + b, and the first two moments
        # of Beta(a, b). An unborn slot has weight 0, and finite numbers that count for nothing.
        self.weights = np.zeros((num_envs, slots))
        self.successes = np.ones((num_envs, num_arms, slots))
        self.totals = np.ones((num_envs, num_arms, slots))
        self.moments = np.ones((num_envs, 2, num_arms, slots))
        self.age = np.zeros(num_envs, dtype=np.int64)  # updates in this episode
        self.pruned_mass = np.zeros(num_envs)
        self.reset()

    def reset(self, mask: BoolArray | None = None) -> None:
        """See `BanditPolicy.reset`."""
        rows = self.rows if mask is None else np.flatnonzero(mask)
        self.age[rows] = 0
        self.pruned_mass[rows] = 0.0
        self.weights[rows] = 0.0
        self._start_run(rows, np.zeros(len(rows), dtype=np.int64), 1.0)

    def act(self) -> IntArray:
        """See `BanditPolicy.act`."""
        if self.rule == "thompson":
            return self._sample()
        mean, variance = self.posterior()
        if self.rule == "greedy":
            return self.random_argmax(mean)
        return self.random_argmax(mean + self.scale * np.sqrt(variance))

    def posterior(self) -> tuple[FloatArray, FloatArray]:
        """Posterior mean and variance of every arm for the coming action: two arrays (N, A)."""
        used = min(int(self.age.max()) + 1, self.weights.shape[1])
        moments = self.moments[..., :used].reshape(self.num_envs, 2 * self.num_arms, -1)
        mixed = (moments @ self.weights[:, :used, None]).reshape(self.num_envs, 2, self.num_arms)
        mean, square = mixed[:, 0], mixed[:, 1]
        return mean, np.maximum(square - mean**2, 0.0)

    def _sample(self) -> IntArray:
        cumulative = self.weights[:, : self.age.max() + 1].cumsum(axis=1)
        u = self.rng.random(self.num_envs) * cumulative[:, -1]
        slot = (cumulative <= u[:, None]).sum(axis=1)
        a = self.successes[self.rows, :, slot]
        b = self.totals[self.rows, :, slot] - a
        return self.random_argmax(self.rng.beta(a, b))

    def update(self, actions: IntArray, rewards: FloatArray, info: Info | None = None) -> None:
        """See `BanditPolicy.update`; rewards other than 0 and 1 are errors too."""
        actions, rewards = self.check_step(actions, rewards)
        won = rewards == 1.0
        if not (won | (rewards == 0.0)).all():
            raise ValueError("rewards must be 0 or 1: the filter models Bernoulli arms")
        used = min(int(self.age.max()) + 1, self.weights.shape[1])
        weights = self.weights[:, :used]
        mean = self.moments[self.rows, 0, actions, :used]
        weights *= np.where(won[:, None], mean, 1.0 - mean)
        weights /= weights.sum(axis=1, keepdims=True)

        a = self.successes[self.rows, actions, :used] + rewards[:, None]
        total = self.totals[self.rows, actions, :used] + 1.0
        mean = a / total
        self.successes[self.rows, actions, :used] = a
        self.totals[self.rows, actions, :used] = total
        self.moments[self.rows, 0, actions, :used] = mean
        self.moments[self.rows, 1, actions, :used] = mean * (a + 1.0) / (total + 1.0)

        weights *= 1.0 - self.hazard
        self.age += 1
        slot = self._slot_for_new_run()
        pruned = self.weights[self.rows, slot]
        self._start_run(self.rows, slot, self.hazard)
        if pruned.any():
            self.pruned_mass += pruned
            self.weights /= 1.0 - pruned[:, None]

    def _slot_for_new_run(self) -> IntArray:
        """An unborn slot in every row, or, where there is none, the one of least weight."""
        slots = self.weights.shape[1]
        if self.age.max() < slots:
            return self.age
        if self.max_run_lengths is None:
            for name in ("weights", "successes", "totals", "moments"):
                array = getattr(self, name)
                setattr(self, name, np.concatenate([array, np.ones_like(array)], axis=-1))
            self.weights[:, slots:] = 0.0
            return self.age
        return np.where(self.age < slots, self.age, self.weights.argmin(axis=1))

    def _start_run(self, rows: IntArray, slot: IntArray, weight: float) -> None:
        a, b = self.prior
        mean = a / (a + b)
        self.weights[rows, slot] = weight
        self.successes[rows, :, slot] = a
        self.totals[rows, :, slot] = a + b
        self.moments[rows, 0, :, slot] = mean
        self.moments[rows, 1, :, slot] = mean * (a + 1.0) / (a + b + 1.0)
