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
        "epsilon_greedy": {"epsilon": 0.000527, "discount": 0.878, "prior": (0.429, 0.235)},
        "ucb1": {"scale": 0.627},
        "ucb1_posterior": {"scale": 1.61, "prior": (14.7, 14.9)},
        "restart_ucb": {"scale": 0.268},
        "restart_ucb_posterior": {"scale": 0.00291, "prior": (2.38, 0.679)},
        "discounted_ucb": {"discount": 0.989, "scale": 0.385},
        "discounted_ucb_posterior": {"discount": 0.843, "scale": 0.0398, "prior": (0.0634, 0.0619)},
        "sliding_window_ucb": {"window": 121, "scale": 0.451},
        "sliding_window_ucb_posterior": {"window": 11, "scale": 0.0093, "prior": (2.03, 1.33)},
        "discounted_thompson": {"discount": 0.8, "prior": (0.0622, 1.38)},
        "exp3s": {"gamma": 0.323, "alpha": 0.000159},
        "glr_ucb": {"delta": 0.021, "exploration": 0.0055},
        "bayes_ucb": {"scale": 1.83},
    },
    "two_arms_100_pulls": {
        "ucb1": {"scale": 0.359},
        "ucb1_posterior": {"scale": 0.00413, "prior": (1.74, 0.0677)},
    },
    "five_arms_100_pulls": {
        "ucb1": {"scale": 0.272},
        "ucb1_posterior": {"scale": 0.0212, "prior": (2.45, 0.597)},
    },
}
"""Arguments per setting and policy."""
