"""What each part of the sparse fast-weight layers is worth, where contexts come back.

    driftwise results run smn_ablation --seeds 0 1 2

Each row changes one thing of the agent of the recurring bandit with 16 contexts. There the memory
must hold something: on the standard bandit one table of five arms is all there is to know, and no
row but the one without memory differs from another by more than two seeds do.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from driftwise.agents import TrainConfig
from driftwise.agents.memories import MANY_SLOTS
from driftwise.agents.recipes import recurring_bandit
from driftwise.benchmarks.agent_cells import plain, train_and_play
from driftwise.tracking import Result

CHANGES: dict[str, dict[str, Any]] = {
    "sparse": {},
    "K_1": {"top_k": 1},
    "K_4": {"top_k": 4},
    "G_4": {"num_slots": 4},
    "G_8": {"num_slots": 8},
    "G_64": {"num_slots": 64},
    "additive": {"rule": "additive"},
    "decay": {"decay": True},
    "straight_through": {"selection": "straight_through"},
    "product_address": {"address": "product"},
    "random_address": {"address": "random"},
    "one_layer": {"num_layers": 1},
    "four_heads": {"num_heads": 4, "value_size": 16},
    "gru_below": {"num_layers": 1, "controller": "gru"},
}
"""Of the memory's arguments."""
ROWS: dict[str, dict[str, Any]] = {
    **{row: {"memory_kwargs": {**MANY_SLOTS, **change}} for row, change in CHANGES.items()},
    "no_reward_prediction": {"reward_coef": 0.0},
    "never_reset": {"memory_reset": "never"},
}


def _agent(row: str) -> TrainConfig:
    return dataclasses.replace(recurring_bandit(), **ROWS[row])


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Compute one cell."""
    return train_and_play(_agent(row), seed, f"smn_ablation-{row}")


def config(row: str, setting: str) -> Mapping[str, Any]:
    """What decides the numbers of a cell."""
    return {"agent": plain(_agent(row)), "version": 1}


RESULT = Result(
    name="smn_ablation",
    command="driftwise results run smn_ablation",
    protocol="The recurring bandit as in recurring_bandit.json, with 16 contexts, which every "
    "episode draws anew. never_reset forgets nothing between episodes and is scored in the last "
    "three of four, the others in one.",
    rows=list(ROWS),
    settings=["default"],
    seeds=list(range(5)),
    run=run,
    config=config,
)
