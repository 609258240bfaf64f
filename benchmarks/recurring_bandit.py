"""Contexts that recur: does a memory of many slots keep what a dense one of equal compute loses?

    driftwise results run recurring_bandit --seeds 0 1 2

Every episode draws M contexts, each with one arm that pays with probability 0.9 where the others
pay with 0.1, and a random cue. At every step the world jumps to another of the M contexts with
probability 0.1, and the cue is shown. An agent that remembers which arm a cue meant loses nothing
when a context comes back; the more contexts there are, the more it must hold.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from driftwise.agents import TrainConfig
from driftwise.agents.memories import EQUAL_SIZE_SLOTS, MANY_SLOTS
from driftwise.agents.recipes import recurring_bandit
from driftwise.benchmarks.agent_cells import measure, plain, policy_plays, train_and_play
from driftwise.tracking import Result

# Contexts and arms of every setting.
SETTINGS: dict[str, tuple[int, int]] = {
    "default": (16, 5),
    "contexts_4": (4, 5),
    "contexts_8": (8, 5),
    "contexts_32": (32, 5),
    "arms_20": (16, 20),
}

# A step of "sparse" touches 2 of 32 slots with keys of 8: as many weights as "dense" has, whose
# keys are 16 wide. "dense_wide" has as many parameters as "sparse", and "dense_large" as many fast
# weights: they touch 3.5 and 16 times as many of these at every step. "gru", "lstm" and "none" have
# as many parameters as "sparse".
WIDE = EQUAL_SIZE_SLOTS["dense"]["memory_kwargs"]
AGENTS: dict[str, dict[str, Any]] = {
    **EQUAL_SIZE_SLOTS,
    "dense": {"memory": "dense", "memory_kwargs": {**WIDE, "key_size": 16}},
    "dense_wide": {"memory": "dense", "memory_kwargs": WIDE},
    "dense_large": {"memory": "dense", "memory_kwargs": {**WIDE, "key_size": 256}},
    "random_k": {"memory": "sparse", "memory_kwargs": {**MANY_SLOTS, "address": "random"}},
}
# One good arm of twenty is too rare a reward: on rewards, and after two million steps, every agent
# still plays at random (LOG.md).
MANY_ARMS = {"objective": "regret", "total_timesteps": 8_192_000}
POLICIES: dict[str, dict[str, Any]] = {
    "random": {},
    "bayes_ucb": {"hazard": 0.1},
    "recall_bayes": {},
}


def _agent(row: str, setting: str) -> TrainConfig:
    num_contexts, num_arms = SETTINGS[setting]
    task = recurring_bandit(num_contexts, num_arms)
    longer = MANY_ARMS if num_arms == 20 else {}
    return dataclasses.replace(task, **{"memory_kwargs": {}, **AGENTS.get(row, {}), **longer})


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Compute one cell."""
    task = _agent(row, setting)
    if row in AGENTS:
        return train_and_play(task, seed, f"recurring_bandit-{row}-{setting}")
    return measure(policy_plays(row, task, seed, POLICIES[row]))


def config(row: str, setting: str) -> Mapping[str, Any]:
    """What decides the numbers of a cell."""
    task = _agent(row, setting)
    if row in AGENTS:
        return {"agent": plain(task), "version": 1}
    world = {"env": task.env, "env_kwargs": task.env_kwargs}
    return {**world, "arguments": POLICIES[row], "version": 1}


RESULT = Result(
    name="recurring_bandit",
    command="driftwise results run recurring_bandit",
    protocol="M contexts an episode, each with one arm of 0.9 and the others of 0.1 and a random "
    "cue of 16 signs that is shown; a jump to another context with probability 0.1 a step; 400 "
    "steps; mean regret per step over 4,000 held-out worlds, with sampled actions.",
    rows=[*AGENTS, *POLICIES],
    settings=list(SETTINGS),
    seeds=list(range(10)),
    run=run,
    config=config,
)
