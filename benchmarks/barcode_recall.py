"""Codes that come back: is what they stood for still known, and how long after?

    driftwise results run barcode_recall --seeds 0 1 2

Episodic recall after Ritter et al. (2018). Every episode draws M contexts, each with a random code,
which is shown, and one arm that pays with probability 0.9 where the others pay with 0.1. A visit of
ten pulls to one context is followed by a visit to another. What counts is the *first* pull of a
visit to a context that was there before: nothing but memory can tell its arm.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftwise.agents import TrainConfig, make_vector_env, play_steps
from driftwise.agents.evaluation import PLAYERS
from driftwise.agents.memories import EQUAL_SIZE
from driftwise.agents.play_agent import Step
from driftwise.agents.players import Playable
from driftwise.agents.recipes import barcode_bandit, with_memory
from driftwise.benchmarks.agent_cells import (
    NUM_WORLDS,
    WORLDS_AT_ONCE,
    cell_config,
    first_worlds,
    num_parameters,
    player_of,
)
from driftwise.benchmarks.recurring_bandit import AGENTS
from driftwise.tracking import Result

PULLS = 10  # of a visit
SETTINGS = {"contexts_4": 4, "contexts_8": 8, "default": 16, "contexts_32": 32}
STEPS = 400
# Visits from the last one to the same context to this one; no code returns at once.
LAGS = {"2_3": (2, 4), "4_7": (4, 8), "8_15": (8, 16), "16_39": (16, 40)}
LONG = 8


def agent(row: str, setting: str) -> TrainConfig:
    """The agent of a row; of other rows the world that they play in."""
    config = barcode_bandit(SETTINGS[setting], STEPS)
    # Where contexts recur, dense fast weights of equal cost are called "dense"; here those of equal
    # size are.
    if row == "dense_narrow":
        return dataclasses.replace(config, **AGENTS["dense"])
    return with_memory(config, row) if row in EQUAL_SIZE else config


class Visits(NamedTuple):
    """All visits of N worlds, arrays (N, V).

    Attributes:
        lag: visits since the last one to the same context, this one included; 0 if there was none.
        first: whether its first pull was of the good arm.
        left: whether the last pull of the visit before to the same context was of the good arm.
    """

    lag: NDArray[np.int64]
    first: NDArray[np.bool_]
    left: NDArray[np.bool_]


def visits(context: NDArray[np.int64], good: NDArray[np.bool_]) -> Visits:
    """Cut episodes into visits.

    Args:
        context: (N, T), the same for PULLS steps.
        good: (N, T) whether the good arm was pulled.
    """
    context, first, last = context[:, ::PULLS], good[:, ::PULLS], good[:, PULLS - 1 :: PULLS]
    rows, num_contexts = np.arange(len(context)), int(context.max()) + 1
    latest = np.full((len(context), num_contexts), -1)  # visit to each context
    lag, left = np.zeros(context.shape, dtype=np.int64), np.zeros(context.shape, dtype=bool)
    for visit in range(context.shape[1]):
        before = latest[rows, context[:, visit]]
        lag[:, visit] = np.where(before < 0, 0, visit - before)
        left[:, visit] = last[rows, before] & (before >= 0)
        latest[rows, context[:, visit]] = visit
    return Visits(lag, first, left)


def measure(played: Visits) -> dict[str, float]:
    """Shares of good first pulls: of all returns, after a long time, and by the lag.

    ``retention_long`` is that after a long time where the last pull, then, was good: of what was
    known for certain, how much still is.
    """
    lag, first, left = played
    chosen = {
        "recall": lag > 0,
        "recall_long": lag >= LONG,
        "retention_long": (lag >= LONG) & left,
        **{f"recall_{name}": (lag >= low) & (lag < high) for name, (low, high) in LAGS.items()},
    }
    return {name: float(first[where].mean()) for name, where in chosen.items() if where.any()}


def play_visits(
    player: Playable, task: TrainConfig, num_worlds: int = NUM_WORLDS
) -> tuple[Visits, float]:
    """The visits in the first held-out worlds, and the mean regret per step."""
    env = make_vector_env(task.env, WORLDS_AT_ONCE, **task.env_kwargs)
    parts, regrets = [], []
    for seed in first_worlds(num_worlds):
        steps: list[Step] = []

        def visit(step: Step, steps: list[Step] = steps) -> bool:
            steps.append(step)
            return not step.dones.all()

        play_steps(player, env, visit, seed=seed)
        context, regret = (
            np.stack([step.info[key] for step in steps], axis=1) for key in ("context", "regret")
        )
        parts.append(visits(context, regret == 0.0))
        regrets.append(float(regret.mean()))
    return Visits(*(np.concatenate(part) for part in zip(*parts, strict=True))), float(
        np.mean(regrets)
    )


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Compute one cell."""
    task = agent(row, setting)
    player = player_of(row, task, seed, f"barcode_recall-{row}-{setting}")
    played, regret = play_visits(player, task)
    return {**measure(played), "dynamic_regret": regret, **num_parameters(player)}


def config(row: str, setting: str) -> Mapping[str, Any]:
    """What decides the numbers of a cell."""
    return cell_config(row, agent(row, setting))


RESULT = Result(
    name="barcode_recall",
    command="driftwise results run barcode_recall",
    protocol="M contexts an episode, each with a random code of 10 signs that is shown and one arm "
    "of 0.9 among others of 0.1; visits of 10 pulls, 400 steps; 4,000 held-out worlds, sampled "
    "actions. recall: share of first pulls that are of the good arm, of visits to contexts that "
    "were there before; recall_long: where 7 or more other visits lie between; recall_2_3 and so "
    "on: by the number of visits since; retention_long: recall_long where the last pull of the "
    "visit before was good. Agents of about equal size and steps, but for dense_narrow, which "
    "touches as many fast weights at every step as sparse, and dense 3.5 times as many.",
    rows=[*EQUAL_SIZE, "dense_narrow", *PLAYERS],
    settings=list(SETTINGS),
    seeds=list(range(10)),
    run=run,
    config=config,
)
