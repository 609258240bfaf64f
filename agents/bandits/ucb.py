"""Upper-confidence-bound policies: optimistic means, with or without forgetting."""

from __future__ import annotations

import numpy as np

from ...envs.arguments import check_count, check_nonnegative
from .kl import bernoulli_kl_upper_bound
from .policy import BoolArray, CountingPolicy, FloatArray, Info, IntArray


class UCB(CountingPolicy):
    """UCB1, and discounted UCB where `discount` is below 1.

    Pulls the arm with the largest ::

        mean_i + scale * sqrt(ln(n) / N_i)

    with N_i the (discounted) number of pulls of arm i, n = sum_i N_i and `mean_i` the (discounted)
    mean of its rewards. An arm never pulled comes first.

    UCB1: Auer, Cesa-Bianchi & Fischer, Finite-time analysis of the multiarmed bandit problem
    (Machine Learning 2002), figure 1: scale = sqrt(2).
    D-UCB: Garivier & Moulines, On upper-confidence bound policies for switching bandit problems
    (ALT 2011), section 2: the padding 2 B sqrt(xi ln(n) / N_i), thus scale = 2 B sqrt(xi), equal
    to sqrt(2) for rewards in [0, 1] (B = 1) and xi = 1/2, above which their theorem holds.

    Args:
        num_arms: Number of arms.
        num_envs: Number of rows.
        scale: Width of the confidence bound.
        discount: In (0, 1]; 1 is UCB1.
        prior: Pseudo-observations (a, b) counted in `mean_i` and N_i, not in n. (0, 0) is the
            paper's; (1, 1) gives posterior means, and no forced first pulls.
        seed: Seed of the policy's own random numbers.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        num_arms: int,
        num_envs: int,
        *,
        scale: float = 2.0**0.5,
        discount: float = 1.0,
        prior: tuple[float, float] = (0.0, 0.0),
        seed: int | None = None,
    ) -> None:
        super().__init__(num_arms, num_envs, prior=prior, discount=discount, seed=seed)
        self.scale = check_nonnegative("scale", scale)

    def act(self) -> IntArray:
        """See `BanditPolicy.act`."""
        return self.random_argmax(self.index())

    def log_time(self) -> FloatArray:
        """ln(n) of each row, (N,); 0 before the first pull."""
        return np.log(np.maximum(self.pulls.sum(axis=1), 1.0))

    def index(self) -> FloatArray:
        """The optimistic means, (N, A); +inf for an arm without observations."""
        weight = self.weight
        width = np.sqrt(
            np.divide(self.log_time()[:, None], weight, out=np.zeros_like(weight), where=weight > 0)
        )
        return self.mean + self.scale * width


class RestartUCB(UCB):
    """UCB1 that is told of every change and starts afresh: an oracle, not a learner.

    It reads ``info["changed"]``, which says that the world changed just before the action that was
    just taken. It therefore forgets *after* that action, keeps its reward (the first of the new
    world), and so pays one uninformed pull per change. It looks at nothing else.

    Args:
        num_arms: Number of arms.
        num_envs: Number of rows.
        scale: Width of the confidence bound; see `UCB`.
        prior: Pseudo-observations; see `UCB`.
        seed: Seed of the policy's own random numbers.
    """

    def __init__(
        self,
        num_arms: int,
        num_envs: int,
        *,
        scale: float = 2.0**0.5,
        prior: tuple[float, float] = (0.0, 0.0),
        seed: int | None = None,
    ) -> None:
        super().__init__(num_arms, num_envs, scale=scale, prior=prior, seed=seed)

    def update(self, actions: IntArray, rewards: FloatArray, info: Info | None = None) -> None:
        """See `BanditPolicy.update`.

        Raises:
            ValueError: If `info` does not hold ``"changed"``.
        """
        if info is None or "changed" not in info:
            raise ValueError('info must hold "changed" for RestartUCB, which is told of changes')
        actions, rewards = self.check_step(actions, rewards)
        self.reset(np.asarray(info["changed"], dtype=bool))
        self.count(actions, rewards)


class SlidingWindowUCB(UCB):
    """SW-UCB: UCB on the last `window` steps only.

    Garivier & Moulines (ALT 2011), section 2: pulls the arm with the largest ::

        mean_i + scale * sqrt(ln(min(t, window)) / N_i)

    with N_i and `mean_i` over the last `window` steps, and scale = B sqrt(xi); the default is
    xi = 0.6, just above the 1/2 that their theorem needs.

    Args:
        num_arms: Number of arms.
        num_envs: Number of rows.
        window: Steps remembered, at least 1. The default is the paper's
            2 B sqrt(T ln(T) / changes) for T = 200 steps with 4 changes.
        scale: Width of the confidence bound.
        prior: Pseudo-observations; see `UCB`.
        seed: Seed of the policy's own random numbers.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        num_arms: int,
        num_envs: int,
        *,
        window: int = 33,
        scale: float = 0.6**0.5,
        prior: tuple[float, float] = (0.0, 0.0),
        seed: int | None = None,
    ) -> None:
        super().__init__(num_arms, num_envs, scale=scale, prior=prior, seed=seed)
        self.window = check_count("window", window, 1)
        # A ring of the last `window` steps of every row; -1 is a step of an earlier episode.
        self.ring_actions = np.full((window, num_envs), -1)
        self.ring_rewards = np.zeros((window, num_envs))
        self.cursor = 0

    def reset(self, mask: BoolArray | None = None) -> None:
        """See `BanditPolicy.reset`."""
        super().reset(mask)
        self.ring_actions[:, slice(None) if mask is None else mask] = -1

    def update(self, actions: IntArray, rewards: FloatArray, info: Info | None = None) -> None:
        """See `BanditPolicy.update`."""
        actions, rewards = self.check_step(actions, rewards)
        old = self.ring_actions[self.cursor]
        leaving = np.flatnonzero(old >= 0)
        old_actions = old[leaving]
        self.pulls[leaving, old_actions] -= 1.0
        self.reward_sum[leaving, old_actions] -= self.ring_rewards[self.cursor, leaving]
        self.count(actions, rewards)
        self.ring_actions[self.cursor] = actions
        self.ring_rewards[self.cursor] = rewards
        self.cursor = (self.cursor + 1) % self.window


class KLUCB(CountingPolicy):
    """KL-UCB for rewards in [0, 1].

    Garivier & Cappé, The KL-UCB algorithm for bounded stochastic bandits and beyond (COLT 2011),
    algorithm 1: pulls every arm once, then the arm with the largest ::

        max { q : N_i kl(mean_i, q) <= ln(t) + c ln(ln(t)) }

    where t counts the decision about to be taken. The theorem needs c = 3; the authors recommend
    c = 0 in practice.

    Args:
        num_arms: Number of arms.
        num_envs: Number of rows.
        c: Weight of the ln(ln(t)) term.
        seed: Seed of the policy's own random numbers.

    Raises:
        ValueError: If c < 0.
    """

    reward_range = (0.0, 1.0)

    def __init__(
        self, num_arms: int, num_envs: int, *, c: float = 0.0, seed: int | None = None
    ) -> None:
        super().__init__(num_arms, num_envs, seed=seed)
        self.c = check_nonnegative("c", c)

    def act(self) -> IntArray:
        """See `BanditPolicy.act`."""
        return self.random_argmax(self.index())

    def index(self) -> FloatArray:
        """The upper confidence bounds, (N, A); +inf for an arm without observations."""
        log_time = np.log(self.pulls.sum(axis=1) + 1.0)
        # ln(ln(t)) is negative below t = e; the budget is never allowed to be.
        budget = np.maximum(log_time + self.c * np.log(np.maximum(log_time, 1e-12)), 0.0)
        pulled = np.maximum(self.pulls, 1.0)
        bound = bernoulli_kl_upper_bound(self.reward_sum / pulled, budget[:, None] / pulled)
        return np.where(self.pulls > 0, bound, np.inf)
