"""Training of our own agents for the suite: a recipe for each world, within its budget."""

import dataclasses
import os
from collections.abc import Callable
from typing import Any

from ..config import TrainConfig
from ..recipes import (
    barcode_bandit,
    drifting_cartpole,
    island_transport,
    maze,
    standard_bandit,
    two_step,
    with_memory,
)
from ..training import train_agent
from .entrants import Entrant, EnvMaker
from .worlds import SUITE, WORLDS


def _control(gamma: float) -> TrainConfig:
    """Worlds that are drawn anew with every episode."""
    return dataclasses.replace(drifting_cartpole(), memory_reset="episode", gamma=gamma)


RECIPES: dict[str, Callable[[], TrainConfig]] = {
    "standard-bandit": standard_bandit,
    "barcode-bandit": barcode_bandit,
    "shifting-maze": maze,
    "redrawn-maze": maze,
    "two-step": two_step,
    "island-transport": island_transport,
    "drifting-cartpole": lambda: _control(0.98),
    "shifting-lake": lambda: dataclasses.replace(_control(0.95), ent_coef=0.02),
}


def suite_config(world: str, memory: str = "sparse", seed: int = 0) -> TrainConfig:
    """The training of a ``MemoryPPO`` agent for a world of the suite.

    Args:
        world: its name.
        memory: sparse, dense, gru, lstm or none, in agents that are equally large in each world.
        seed: of the run.

    Raises:
        ValueError: for a memory that there is not.
    """
    task = WORLDS[world]
    return dataclasses.replace(
        with_memory(RECIPES[world](), memory),
        env=task.env,
        env_kwargs=task.env_kwargs,
        total_timesteps=task.train_steps,
        seed=seed,
    )


def memory_entrant(
    memory: str = "sparse",
    seed: int = 0,
    *,
    runs: str | os.PathLike[str] = "runs",
    progress: bool = True,
) -> Entrant:
    """``MemoryPPO``, trained on each world by :func:`suite_config`.

    Runs lie in ``runs/driftwise-8/``; one that was killed continues, one that is done is loaded.

    Args:
        memory: see :func:`suite_config`.
        seed: see there.
        runs: folder of all runs.
        progress: show a progress bar.

    Raises:
        ValueError: for a memory that there is not, or a seed out of range.
    """
    for world in WORLDS:
        suite_config(world, memory, seed).check()

    def train(world: str, make_env: EnvMaker) -> Any:
        config = suite_config(world, memory, seed)
        trained = train_agent(config, runs=os.path.join(runs, SUITE), progress=progress)
        trained.run.close()
        return trained.model

    return train
