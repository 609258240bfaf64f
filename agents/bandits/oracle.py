"""Policies that are shown what no learner may see: yardsticks, not rivals."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv

from .policy import BanditPolicy, BoolArray, FloatArray, Info, IntArray


class Foreseeing(BanditPolicy):
    """Base of the policies that look into the environment.

    Step infos describe the world of the action just taken, too late for the next one. Such a policy
    therefore asks the environment for what is to come, ``env.unwrapped.foresee(num_steps)``, from
    the coming step on, whenever an episode starts and whenever it has used up what it was told. It
    must be bound to the environment that it plays (`play` does so).
    """

    shown: str
    """The field of `foresee` that it looks at, (num_steps, num_envs)."""

    def __init__(self, num_arms: int, num_envs: int, *, seed: int | None = None) -> None:
        super().__init__(num_arms, num_envs, seed=seed)
        self._env: Any = None
        self._plan: IntArray | None = None
        self._step = 0

    def bind(self, env: VectorEnv) -> None:
        """Takes `env` as the one to look into.

        Raises:
            ValueError: If it cannot be looked into.
        """
        if not hasattr(env.unwrapped, "foresee"):
            name = type(self).__name__
            raise ValueError(f"env must have foresee(num_steps) for {name}, got {env}")
        self._env = env.unwrapped
        self._plan = None

    def reset(self, mask: BoolArray | None = None) -> None:
        """See `BanditPolicy.reset`: what was foretold does not hold for the new episodes."""
        self._plan = None

    def look(self) -> IntArray:
        """What is shown of the coming step, (N,).

        Raises:
            ValueError: If `bind` was not called.
        """
        if self._env is None:
            name = type(self).__name__
            raise ValueError(f"{name} must be bound to its environment: call bind(env) first")
        if self._plan is None or self._step == len(self._plan):
            self._plan = getattr(self._env.foresee(200), self.shown)
            self._step = 0
        return self._plan[self._step]

    def update(self, actions: IntArray, rewards: FloatArray, info: Info | None = None) -> None:
        """See `BanditPolicy.update`."""
        self._step += 1


class Clairvoyant(Foreseeing):
    """Pulls the best arm of every step: an oracle with dynamic regret 0, not a learner."""

    shown = "optimal_action"

    def act(self) -> IntArray:
        """See `BanditPolicy.act`. Raises a `ValueError` if `bind` was not called."""
        return self.look()


class RecallBayes(Foreseeing):
    """Remembers every context perfectly: what a memory can reach where contexts recur.

    It is told the number of the context of every step, which a cue only hints at, and knows that
    each context has one good arm, which pays with probability `high` where the others pay with
    `low`. For every context it keeps the exact posterior of which arm that is,

        P(i is the good arm) ∝ prod_{pulls of i} P(reward | good arm) / P(reward | bad arm),

    and pulls the most probable arm.

    Args:
        num_arms: Number of arms.
        num_envs: Number of bandits played side by side.
        high: Probability that the good arm pays 1.
        low: Probability that another arm does.
        seed: Seed of the policy's own random numbers.

    Raises:
        ValueError: Unless ``0 < low < high < 1``.
    """

    shown = "context"
    reward_range = (0.0, 1.0)

    def __init__(
        self,
        num_arms: int,
        num_envs: int,
        *,
        high: float = 0.9,
        low: float = 0.1,
        seed: int | None = None,
    ) -> None:
        super().__init__(num_arms, num_envs, seed=seed)
        if not 0 < low < high < 1:
            raise ValueError(f"low and high must fulfil 0 < low < high < 1, got {low} and {high}")
        self.evidence = (np.log((1 - high) / (1 - low)), np.log(high / low))
        self.log_odds: FloatArray = np.zeros((num_envs, 1, num_arms))

    def reset(self, mask: BoolArray | None = None) -> None:
        """See `BanditPolicy.reset`."""
        super().reset(mask)
        self.log_odds[slice(None) if mask is None else mask] = 0.0

    def act(self) -> IntArray:
        """See `BanditPolicy.act`. Raises a `ValueError` if `bind` was not called."""
        context = self.look()
        new = int(context.max()) + 1 - self.log_odds.shape[1]
        if new > 0:
            self.log_odds = np.pad(self.log_odds, ((0, 0), (0, new), (0, 0)))
        return self.random_argmax(self.log_odds[self.rows, context])

    def update(self, actions: IntArray, rewards: FloatArray, info: Info | None = None) -> None:
        """See `BanditPolicy.update`."""
        actions, rewards = self.check_step(actions, rewards)
        against, in_favour = self.evidence
        change = against + rewards * (in_favour - against)
        self.log_odds[self.rows, self.look(), actions] += change
        super().update(actions, rewards, info)
