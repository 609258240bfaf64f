"""What each part of the sparse fast-weight layer is worth, on the standard bandit.

    driftwise results run smn_ablation --seeds 0 1 2

Each row changes one thing of the agent of the standard bandit, which here trains for a third of
the steps, and for little regret: without the noise of rewards, seeds differ ten times less, and so
a difference between rows can be seen.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from driftwise.agents import TrainConfig
from driftwise.agents.memories import CONTROLLED
from driftwise.agents.recipes import standard_bandit
from driftwise.benchmarks.agent_cells import plain, train_and_play
from driftwise.tracking import Result

CHANGES: dict[str, dict[str, Any]] = {
    "sparse": {},
    "K_1": {"top_k": 1},
    "K_4_of_4": {"top_k": 4},
    "G_2": {"num_slots": 2},
    "G_8": {"num_slots": 8},
    "G_32": {"num_slots": 32},
    "additive": {"rule": "additive"},
    "decay": {"decay": True},
    "additive_decay": {"rule": "additive", "decay": True},
    "straight_through": {"selection": "straight_through"},
    "random_address": {"address": "random"},
    "two_layers": {"num_layers": 2},
    "four_heads": {"num_heads": 4, "value_size": 12},
    "no_controller": {"controller": None},
    "no_feed_forward": {"feed_forward": None},
}
"""Of the memory's arguments."""
ROWS: dict[str, dict[str, Any]] = {
    **{row: {"memory_kwargs": {**CONTROLLED, **change}} for row, change in CHANGES.items()},
    "no_reward_prediction": {"reward_coef": 0.0},
    "never_reset": {"memory_reset": "never"},
}


def _agent(row: str) -> TrainConfig:
    return dataclasses.replace(
        standard_bandit(), total_timesteps=2_560_000, objective="regret", **ROWS[row]
    )


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Compute one cell."""
    return train_and_play(_agent(row), seed, f"smn_ablation-{row}")


def config(row: str, setting: str) -> Mapping[str, Any]:
    """What decides the numbers of a cell."""
    return {"agent": plain(_agent(row)), "version": 1}


RESULT = Result(
    name="smn_ablation",
    command="driftwise results run smn_ablation",
    protocol="The standard bandit as in standard_bandit.json, 2.56 M training steps on minus the "
    "regret that the simulated world tells. never_reset forgets nothing between episodes and is "
    "scored in the last three of four, the others in one.",
    rows=list(ROWS),
    settings=["default"],
    seeds=list(range(5)),
    run=run,
    config=config,
)
