"""Stationary bandits, where the optimum is known: agents and policies beside exact ceilings.

    driftwise results run stationary_bandits --rows random thompson gittins --seeds 0   # a minute
    driftwise results run stationary_bandits --seeds 0 1 2

Two and five Bernoulli arms with means from U(0, 1), 100 pulls. Everybody plays the same 20,000
held-out worlds; UCB1 has the constant tuned for the setting (``benchmarks/tune_policies.py``).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from driftwise.agents import TrainConfig
from driftwise.agents.bandits import bayes_optimal_two_arms
from driftwise.agents.bandits.tuned import SETTINGS, TUNED
from driftwise.agents.memories import EQUAL_SIZE_CONTROLLED
from driftwise.agents.recipes import stationary_bandit
from driftwise.benchmarks.agent_cells import agent_plays, plain, policy_plays, trained
from driftwise.tracking import Result

NUM_WORLDS = 20_000
TUNED_AS = {"default": "two_arms_100_pulls", "five_arms": "five_arms_100_pulls"}
PLAIN = {"memory_kwargs": {}, "reward_coef": 0.0}
# Trained for little regret, which a simulated world tells. It is less noisy than rewards, so that a
# longer horizon can be learned, by which exploring pays.
ON_REGRET = {"objective": "regret", "gamma": 0.99, "gae_lambda": 0.95}
AGENTS: dict[str, dict[str, Any]] = {
    "sparse": ON_REGRET,
    "gru": {**EQUAL_SIZE_CONTROLLED["gru"], **PLAIN, **ON_REGRET},
    "sparse_on_rewards": {},
    "gru_on_rewards": {**EQUAL_SIZE_CONTROLLED["gru"], **PLAIN},
}
POLICIES = ("random", "greedy", "thompson", "kl_ucb", "ucb1", "ucb1_posterior", "gittins")
OPTIMAL = ("bayes_optimal", "bayes_optimal_exact")


def _agent(row: str, setting: str) -> TrainConfig:
    num_arms = SETTINGS[TUNED_AS[setting]].num_arms
    return dataclasses.replace(stationary_bandit(num_arms), **AGENTS.get(row, {}))


def _arguments(row: str, setting: str) -> dict[str, Any]:
    horizon = {"horizon": 100} if row in ("gittins", "bayes_optimal") else {}
    return {**TUNED[TUNED_AS[setting]].get(row, {}), **horizon}


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Compute one cell."""
    task = _agent(row, setting)
    if row == "bayes_optimal_exact":
        return {"regret": bayes_optimal_two_arms(100).regret}
    if row in AGENTS:
        record = agent_plays(trained(task, seed, f"stationary-{row}-{setting}"), task, NUM_WORLDS)
    else:
        record = policy_plays(row, task, seed, _arguments(row, setting), NUM_WORLDS)
    return {"regret": float(record.regret.sum(axis=1).mean())}


def config(row: str, setting: str) -> Mapping[str, Any] | None:
    """What decides the numbers of a cell."""
    if row in OPTIMAL and setting != "default":
        return None  # the exact program is for two arms
    task = _agent(row, setting)
    if row in AGENTS:
        return {"agent": plain(task), "version": 1}
    world = {"env": task.env, "env_kwargs": task.env_kwargs}
    return {**world, "arguments": _arguments(row, setting), "version": 1}


RESULT = Result(
    name="stationary_bandits",
    command="driftwise results run stationary_bandits",
    protocol="Bernoulli arms, p ~ U(0, 1), that do not change; 100 pulls; mean total regret over "
    "20,000 held-out worlds. default: two arms. bayes_optimal_exact is the exact expectation, by "
    "dynamic programming; the other rows share the worlds, whose sample is that of bayes_optimal. "
    "Agents learn from minus the regret that the simulated world tells while training, those "
    "on_rewards from rewards; in play all see rewards alone.",
    rows=[*AGENTS, *POLICIES, *OPTIMAL],
    settings=list(TUNED_AS),
    seeds=list(range(5)),
    run=run,
    config=config,
)
