"""The clairvoyant: a policy that is shown the best arm before it acts."""

from __future__ import annotations

from typing import Any

from gymnasium.vector import VectorEnv

from .policy import BanditPolicy, BoolArray, FloatArray, Info, IntArray


class Clairvoyant(BanditPolicy):
    """Pulls the best arm of every step: an oracle with dynamic regret 0, not a learner.

    Step infos describe the world of the action just taken, too late for the next one. It therefore
    asks the environment for what is to come, ``env.unwrapped.foresee(num_steps).optimal_action``,
    an array (num_steps, num_envs) of best arms from the coming step on, whenever an episode starts
    and whenever it has used up what it was told. It must be bound to the environment that it plays
    (`play` does so).
    """

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
            raise ValueError(f"env must have foresee(num_steps) for Clairvoyant, got {env}")
        self._env = env.unwrapped
        self._plan = None

    def reset(self, mask: BoolArray | None = None) -> None:
        """See `BanditPolicy.reset`: what was foretold does not hold for the new episodes."""
        self._plan = None

    def act(self) -> IntArray:
        """See `BanditPolicy.act`.

        Raises:
            ValueError: If `bind` was not called.
        """
        if self._env is None:
            raise ValueError("Clairvoyant must be bound to its environment: call bind(env) first")
        if self._plan is None or self._step == len(self._plan):
            self._plan = self._env.foresee(200).optimal_action
            self._step = 0
        return self._plan[self._step]

    def update(self, actions: IntArray, rewards: FloatArray, info: Info | None = None) -> None:
        """See `BanditPolicy.update`."""
        self._step += 1
