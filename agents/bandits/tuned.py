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

TUNED: dict[str, dict[str, dict[str, Any]]] = {}
"""Arguments per setting and policy."""
