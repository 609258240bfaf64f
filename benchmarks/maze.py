"""The 9 x 9 maze with a hidden goal, which moves or stays: memories at equal size and steps.

    driftwise results run maze --seeds 0 1 2

``search`` knows the plan and where it is, but not the goal: it visits the nearest cell that it has
not seen yet, then keeps going to where it was paid. ``belief`` sees what agents see, and knows the
plan and when the goal may move: it keeps the exact posterior of its own place and of the goal.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from driftwise.agents import Player, TrainConfig
from driftwise.agents.bandits import PlayRecord
from driftwise.agents.evaluation import PLAYERS
from driftwise.agents.memories import EQUAL_SIZE
from driftwise.agents.recipes import maze, with_memory
from driftwise.benchmarks.agent_cells import (
    agent_plays,
    cell_config,
    measure,
    num_parameters,
    player_of,
)
from driftwise.benchmarks.maze_belief import BeliefPlayer
from driftwise.benchmarks.maze_search import SearchPlayer
from driftwise.tracking import Result

HORIZON = 50  # the goal moves no sooner again
SEARCH_REWARD = 479.0  # of an episode of the stationary maze: the published plan, exact simulation

OTHERS: dict[str, type[Player]] = {
    **PLAYERS,
    "search": SearchPlayer,
    "belief": BeliefPlayer,
}


def agent(row: str, setting: str) -> TrainConfig:
    """The agent of a row; of other rows the world that they play in."""
    config = maze(setting == "stationary")
    return with_memory(config, row) if row in EQUAL_SIZE else config


def recovery_steps(record: PlayRecord) -> float:
    """Mean number of steps from a change to the next reward, where HORIZON follow; at most that."""
    paid = sliding_window_view(record.reward > 0, HORIZON, axis=1)
    paid = paid[record.changed[:, : paid.shape[1]]]
    return float(np.where(paid.any(axis=1), paid.argmax(axis=1) + 1, HORIZON).mean())


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Compute one cell."""
    task = agent(row, setting)
    player = player_of(row, task, seed, f"maze-{row}-{setting}", OTHERS)
    record = agent_plays(player, task)
    reward = float(record.reward.sum(axis=1).mean())
    metrics = {"reward": reward, **measure(record, HORIZON), **num_parameters(player)}
    if setting == "stationary":
        return {**metrics, "share_of_search": reward / SEARCH_REWARD}
    return {**metrics, "recovery_steps": recovery_steps(record)}


def config(row: str, setting: str) -> Mapping[str, Any]:
    """What decides the numbers of a cell."""
    return cell_config(row, agent(row, setting), OTHERS)


RESULT = Result(
    name="maze",
    command="driftwise results run maze",
    protocol="9 x 9 cells, 3 x 3 in view, 10 for the hidden goal and a random place after it, 250 "
    "steps; mean reward of an episode in 4,000 held-out worlds, with sampled actions. default: the "
    "goal moves every 50 to 100 steps; recovery_steps: steps from then to the next reward, at most "
    "50. stationary: it stays, and share_of_search is the share of 479, the reward of search and "
    "shortest paths with the plan known. Agents of about 41,000 parameters and equal steps.",
    rows=[*EQUAL_SIZE, *OTHERS],
    settings=["default", "stationary"],
    seeds=list(range(10)),
    run=run,
    config=config,
)
