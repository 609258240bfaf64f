"""What can be reached on stationary bandits: classic policies and exact optima on common worlds.

    python benchmarks/stationary_ceilings.py      # about half a minute on one core

Two and five Bernoulli arms with means from U(0, 1), 100 pulls. All policies meet the same 20,000
held-out worlds; UCB1 has the constant tuned for the setting (`benchmarks/tune_policies.py`).
"""

from __future__ import annotations

import argparse
import math
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from driftwise.agents import HELD_OUT_WORLDS
from driftwise.agents.bandits import SETTINGS, TUNED, bayes_optimal_two_arms, make_policy, play

STATIONARY = ("two_arms_100_pulls", "five_arms_100_pulls")
POLICIES = ("random", "greedy", "thompson", "kl_ucb", "ucb1", "ucb1_posterior", "gittins")
WORLDS_AT_ONCE = 2_000  # bounds the memory of the environment


class Row(NamedTuple):
    """One line of a result table; `value` is a mean and [low, high] its 95 % interval."""

    row: str
    setting: str
    metric: str
    value: float
    low: float
    high: float
    n: int


def regret_per_world(
    policy: str, setting_name: str, num_worlds: int, **arguments: Any
) -> npt.NDArray[np.float64]:
    """Regret of the whole episode in each of the first held-out worlds: (num_worlds,)."""
    setting = SETTINGS[setting_name]
    regrets = []
    for first in range(0, num_worlds, WORLDS_AT_ONCE):
        count = min(WORLDS_AT_ONCE, num_worlds - first)
        env = gym.make_vec("driftwise/ShiftingBandit-v0", num_envs=count, **setting.env_kwargs)
        player = make_policy(policy, setting.num_arms, count, seed=first, **arguments)
        record = play(player, env, num_episodes=1, seed=HELD_OUT_WORLDS + first)
        regrets.append(record.regret.sum(axis=1))
    return np.concatenate(regrets)


def stationary_ceilings(num_worlds: int = 20_000) -> list[Row]:
    """Total regret of every policy in both settings, and the exact optimum for two arms."""
    rows = []
    for setting_name in STATIONARY:
        setting = SETTINGS[setting_name]
        policies = list(POLICIES)
        if setting.num_arms == 2:
            policies.append("bayes_optimal")
        for policy in policies:
            arguments = dict(TUNED[setting_name].get(policy, {}))
            if policy in ("gittins", "bayes_optimal"):
                arguments["horizon"] = setting.num_steps
            regret = regret_per_world(policy, setting_name, num_worlds, **arguments)
            mean = float(regret.mean())
            margin = 1.96 * float(regret.std(ddof=1)) / math.sqrt(num_worlds)
            interval = (mean - margin, mean + margin)
            rows.append(Row(policy, setting_name, "regret", mean, *interval, num_worlds))
        if setting.num_arms == 2:
            exact = bayes_optimal_two_arms(setting.num_steps).regret
            rows.append(Row("bayes_optimal_exact", setting_name, "regret", exact, exact, exact, 0))
    return rows


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-worlds", type=int, default=20_000)
    for row in stationary_ceilings(parser.parse_args().num_worlds):
        print(
            f"{row.setting:20s} {row.row:20s} {row.metric} {row.value:7.3f} "
            f"[{row.low:.3f}, {row.high:.3f}]  n={row.n}"
        )


if __name__ == "__main__":
    main()
