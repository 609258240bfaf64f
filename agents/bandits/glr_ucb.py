"""GLR-UCB: kl-UCB that restarts when a generalised likelihood ratio test sees a change."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from scipy.special import entr

from ...envs.arguments import check_count, check_probability
from .kl import bernoulli_kl_upper_bound
from .policy import BanditPolicy, BoolArray, FloatArray, Info, IntArray

Restart = Literal["global", "local"]


class GLRUCB(BanditPolicy):
    """GLR-klUCB for rewards in [0, 1].

    Besson, Kaufmann, Maillard & Seznec, Efficient change-point detection for tackling
    piecewise-stationary bandits (JMLR 2022; Besson & Kaufmann, arXiv 1902.01575), algorithm 1.
    Pulls the arm with the largest max{q : n_i kl(mean_i, q) <= ln(t - tau_i)}, where tau_i is the
    last restart of arm i and n_i, mean_i count since then (the 3 ln(ln(t - tau_i)) that their
    theorem adds is left out, as Garivier & Cappé recommend for kl-UCB); every
    ``floor(K / exploration)`` steps it pulls all K arms once, in order. After the n-th pull since
    its restart, an arm with rewards x_1..x_n has changed if, for some split s, ::

        s kl(mean(x_1..s), mean(x_1..n)) + (n - s) kl(mean(x_s+1..n), mean(x_1..n))
            >= ln(3 n^(3/2) / delta)

    Then all arms restart ("global") or that arm alone ("local"). The history of an arm is kept
    until it restarts: memory grows with the longest stretch without one.

    Args:
        num_arms: Number of arms K.
        num_envs: Number of rows.
        delta: False-alarm level of the test, in (0, 1). The defaults of `delta` and `exploration`
            are the authors' 1 / sqrt(S T) and 0.1 sqrt(S ln(T) / T), with T = 200 and S = 4.
        exploration: Share of forced exploration (the paper's alpha), in [0, 1].
        restart: "global" or "local".
        test_every: The test is run at every `test_every`-th pull of an arm (the paper's Delta n).
        split_every: The test tries the splits s = split_every, 2 split_every, ... (its Delta s).
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
        delta: float = 0.035,
        exploration: float = 0.033,
        restart: Restart = "global",
        test_every: int = 2,
        split_every: int = 2,
        seed: int | None = None,
    ) -> None:
        super().__init__(num_arms, num_envs, seed=seed)
        if not 0 < delta < 1:
            raise ValueError(f"delta must be in (0, 1), got {delta}")
        check_probability("exploration", exploration)
        if restart not in get_args(Restart):
            raise ValueError(f"restart must be one of {get_args(Restart)}, got {restart!r}")
        for name, value in (("test_every", test_every), ("split_every", split_every)):
            check_count(name, value, 1)
        self.delta = delta
        self.restart = restart
        self.test_every = test_every
        self.split_every = split_every
        self.period = int(num_arms / exploration) if exploration > 0 else None
        self.steps = np.zeros(num_envs, dtype=np.int64)  # decisions taken in this episode
        self.age = np.zeros((num_envs, num_arms))  # t - tau_i
        self.pulls = np.zeros((num_envs, num_arms), dtype=np.int64)  # n_i
        # cumulative[row, arm, n] is the sum of the arm's first n rewards since its restart.
        self.cumulative = np.zeros((num_envs, num_arms, 64))

    def reset(self, mask: BoolArray | None = None) -> None:
        """See `BanditPolicy.reset`."""
        rows = slice(None) if mask is None else mask
        self.steps[rows] = 0
        self.age[rows] = 0.0
        self.pulls[rows] = 0

    def act(self) -> IntArray:
        """See `BanditPolicy.act`."""
        actions = self.random_argmax(self.index())
        if self.period is not None:
            turn = self.steps % self.period
            actions = np.where(turn < self.num_arms, turn, actions)
        return actions

    def index(self) -> FloatArray:
        """The kl-UCB indices, (N, A); +inf for an arm without observations."""
        total = np.take_along_axis(self.cumulative, self.pulls[:, :, None], axis=2)[:, :, 0]
        pulled = np.maximum(self.pulls, 1)
        budget = np.log(self.age + 1.0) / pulled
        return np.where(self.pulls > 0, bernoulli_kl_upper_bound(total / pulled, budget), np.inf)

    def update(self, actions: IntArray, rewards: FloatArray, info: Info | None = None) -> None:
        """See `BanditPolicy.update`."""
        actions, rewards = self.check_step(actions, rewards)
        before = self.pulls[self.rows, actions]
        if before.max() + 1 == self.cumulative.shape[2]:
            self.cumulative = np.concatenate(
                [self.cumulative, np.zeros_like(self.cumulative)], axis=2
            )
        self.cumulative[self.rows, actions, before + 1] = (
            self.cumulative[self.rows, actions, before] + rewards
        )
        self.pulls[self.rows, actions] += 1
        self.age += 1.0
        self.steps += 1
        tested = np.flatnonzero((before + 1) % self.test_every == 0)
        changed = tested[self._detects_change(tested, actions[tested])]
        arms = slice(None) if self.restart == "global" else actions[changed]
        self.pulls[changed, arms] = 0
        self.age[changed, arms] = 0.0

    def _detects_change(self, rows: IntArray, arms: IntArray) -> BoolArray:
        """The test of the class docstring on the histories of `arms` in `rows`: (len(rows),)."""
        n = self.pulls[rows, arms][:, None]
        splits = np.arange(self.split_every, n.max(initial=1), self.split_every)[None, :]
        if splits.size == 0:
            return np.zeros(len(rows), dtype=bool)
        history = self.cumulative[rows, arms, : splits[0, -1] + 1]
        left = history[:, splits[0]]
        total = self.cumulative[rows, arms, n[:, 0]][:, None]
        # s kl(left, all) + (n-s) kl(right, all) = n H(all) - s H(left) - (n-s) H(right).
        # Splits beyond a row's own n see clipped nonsense, which `inside` discards.
        rest = np.maximum(n - splits, 1)
        statistic = n * _binary_entropy(total / n) - (
            splits * _binary_entropy(left / splits)
            + rest * _binary_entropy(np.clip((total - left) / rest, 0.0, 1.0))
        )
        inside = splits < n
        threshold = np.log(3.0 / self.delta) + 1.5 * np.log(n)
        return (inside & (statistic >= threshold)).any(axis=1)


def _binary_entropy(p: FloatArray) -> FloatArray:
    return entr(p) + entr(1.0 - p)
