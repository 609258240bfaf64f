"""Thompson sampling for rewards in [0, 1], with or without forgetting."""

from __future__ import annotations

from .policy import CountingPolicy, IntArray, check_prior


class Thompson(CountingPolicy):
    """Thompson sampling, and discounted Thompson sampling where `discount` is below 1.

    Draws theta_i ~ Beta(S_i + a, F_i + b) for every arm and pulls the largest; after the pull of
    arm I with reward r, ::

        S_i <- discount * S_i + r 1{i = I}        F_i <- discount * F_i + (1 - r) 1{i = I}

    Thompson, On the likelihood that one unknown probability exceeds another (Biometrika 1933);
    Chapelle & Li, An empirical evaluation of Thompson sampling (NeurIPS 2011), algorithm 2.
    Discounted: Raj & Kalyani, Taming non-stationary bandits: a Bayesian approach
    (arXiv 1707.09727), there called dTS.

    Args:
        num_arms: Number of arms.
        num_envs: Number of rows.
        prior: (a, b) of the Beta prior, both > 0.
        discount: In (0, 1]; 1 is stationary Thompson sampling.
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
        prior: tuple[float, float] = (1.0, 1.0),
        discount: float = 1.0,
        seed: int | None = None,
    ) -> None:
        super().__init__(num_arms, num_envs, prior=prior, discount=discount, seed=seed)
        check_prior(prior, proper=True)

    def act(self) -> IntArray:
        """See `BanditPolicy.act`."""
        a, b = self.prior
        failures = self.pulls - self.reward_sum
        return self.random_argmax(self.rng.beta(self.reward_sum + a, failures + b))
