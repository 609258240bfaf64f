"""Constants of the classic policies, tuned on training worlds for the settings we report on.

Found by ``python benchmarks/tune_policies.py``; the record is ``results/tuned_policies.json``.
Use them as ``make_policy(name, num_arms, num_envs, seed, **TUNED["standard_bandit"][name])``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

TRAINING_SEED = 10_000_000
"""Tuning met worlds with seeds from here to five times this number only."""


class Setting(NamedTuple):
    """A bandit that results are reported on.

    Attributes:
        num_arms: Number of arms.
        num_steps: Steps in an episode.
        env_kwargs: Arguments of ``gymnasium.make_vec("driftwise/ShiftingBandit-v0", ...)``.
    """

    num_arms: int
    num_steps: int
    env_kwargs: dict[str, Any]


def _setting(num_arms: int, num_steps: int, schedule: str) -> Setting:
    kwargs = {"num_arms": num_arms, "max_episode_steps": num_steps, "schedule": schedule}
    return Setting(num_arms, num_steps, kwargs)


SETTINGS: dict[str, Setting] = {
    "standard_bandit": _setting(5, 200, "Hazard(probability=0.02)"),
    "two_arms_100_pulls": _setting(2, 100, "Never()"),
    "five_arms_100_pulls": _setting(5, 100, "Never()"),
}
"""Bernoulli arms with means drawn from U(0, 1): all redrawn with probability 0.02 before every step
(standard_bandit), or never."""

TUNED: dict[str, dict[str, dict[str, Any]]] = {
    "standard_bandit": {
        "epsilon_greedy": {"epsilon": 0.001, "discount": 0.853, "prior": (0.109, 0.065)},
        "ucb1": {"scale": 0.65},
        "ucb1_posterior": {"scale": 1.22, "prior": (0.158, 5.0)},
        "restart_ucb": {"scale": 0.283},
        "restart_ucb_posterior": {"scale": 0.106, "prior": (1.99, 0.868)},
        "discounted_ucb": {"discount": 0.981, "scale": 0.275},
        "discounted_ucb_posterior": {"discount": 0.858, "scale": 0.02, "prior": (0.105, 0.0843)},
        "sliding_window_ucb": {"window": 98, "scale": 0.462},
        "sliding_window_ucb_posterior": {"window": 13, "scale": 0.0308, "prior": (1.69, 1.02)},
        "discounted_thompson": {"discount": 0.813, "prior": (0.0855, 1.89)},
        "exp3s": {"gamma": 0.327, "alpha": 0.000258},
        "glr_ucb": {"delta": 0.136, "exploration": 0.00959},
        "bayes_ucb": {"scale": 1.75},
    },
    "two_arms_100_pulls": {
        "ucb1": {"scale": 0.357},
        "ucb1_posterior": {"scale": 0.0229, "prior": (2.06, 0.441)},
    },
    "five_arms_100_pulls": {
        "ucb1": {"scale": 0.313},
        "ucb1_posterior": {"scale": 0.0305, "prior": (2.1, 0.481)},
    },
}
"""Arguments per setting and policy."""
