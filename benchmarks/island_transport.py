"""Random graphs that agents have never seen: who finds out, remembers and combines?

    driftwise results run island_transport --seeds 0 1 2

The random-graph task of the Fast Weight Memory paper (Schlag, Munkhdalai and Schmidhuber 2021):
trained on 600 graphs, tested on 600 others. Published test rewards: 107 with a fast weight memory,
80 to 83 with LSTMs.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from driftwise.agents import TrainConfig
from driftwise.agents.evaluation import PLAYERS
from driftwise.agents.memories import CONTROLLED, EQUAL_SIZE
from driftwise.agents.recipes import island_transport, with_memory
from driftwise.benchmarks.agent_cells import (
    agent_plays,
    cell_config,
    num_parameters,
    player_of,
)
from driftwise.evaluation import dynamic_regret
from driftwise.tracking import Result

NUM_GRAPHS = 600
EPISODES = 10  # in each graph

# Sparse fast weights with one of the two things less that join transports.
WITHOUT: dict[str, dict[str, Any]] = {
    "one_read": {"memory_kwargs": CONTROLLED},
    "one_reward": {"reward_horizon": 1},
}
# What is best for the rivals: half the step size, and one reward to predict (see LOG.md).
_RECURRENT = {"learning_rate": 2e-3, "reward_horizon": 1}
CHANGES = {**WITHOUT, "gru": _RECURRENT, "lstm": _RECURRENT}


def agent(row: str, setting: str) -> TrainConfig:
    """The agent of a row; of other rows the world that they play in."""
    config = island_transport()
    if row in EQUAL_SIZE:
        config = with_memory(config, row)
    return dataclasses.replace(config, **CHANGES.get(row, {}))


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Compute one cell."""
    task = agent(row, setting)
    player = player_of(row, task, seed, f"island_transport-{row}")
    every_graph: dict[str, Any] = {
        "num_worlds": EPISODES * NUM_GRAPHS,
        "worlds_at_once": NUM_GRAPHS,
        "options": {"graph": np.arange(NUM_GRAPHS)},
    }
    trained_on = agent_plays(player, task, **every_graph)
    test = dataclasses.replace(task, env="driftwise/IslandTransportTest-v0")
    record = agent_plays(player, test, **every_graph)
    greedy = agent_plays(player, test, **every_graph, deterministic=True)
    return {
        "test_reward": float(record.reward.sum(axis=1).mean()),
        "test_reward_greedy": float(greedy.reward.sum(axis=1).mean()),
        "train_reward": float(trained_on.reward.sum(axis=1).mean()),
        "dynamic_regret": float(dynamic_regret(record.regret).mean()),
        **num_parameters(player),
    }


def config(row: str, setting: str) -> Mapping[str, Any]:
    """What decides the numbers of a cell."""
    return cell_config(row, agent(row, setting))


RESULT = Result(
    name="island_transport",
    command="driftwise results run island_transport",
    protocol="5 islands, 3 transports, 30 steps, 10 for the destination, -0.05 for a transport "
    "that does not go, both quirks of the published code; 600 graphs to train on, 600 others to "
    "test on, drawn by the published law. test_reward: mean of 10 episodes in each test graph, "
    "with sampled actions (test_reward_greedy: the most likely ones; train_reward: the same in the "
    "training graphs). Agents of about 58,000 parameters and equal steps; one_read: sparse, with "
    "one read a step (44,000 parameters); one_reward: without predicting the next reward. lstm and "
    "gru: with the step size, and the number of predicted rewards, that are best for them.",
    rows=[*EQUAL_SIZE, *WITHOUT, *PLAYERS],
    settings=["default"],
    seeds=list(range(10)),
    run=run,
    config=config,
)
