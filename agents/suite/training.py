"""Training of our own agents for the suite: a configuration for each world, within its budget."""

import os
from typing import Any

from ..config import TrainConfig
from ..memories import EQUAL_SIZE
from ..recipes import standard_bandit
from ..training import train_agent
from .entrants import Entrant, EnvMaker
from .worlds import SUITE, WORLDS

# What differs from TrainConfig's defaults. Discounts are short where what is found out pays soon.
_MAZE = {"num_envs": 64, "n_steps": 250, "learning_rate": 3e-3, "gamma": 0.95}
_CONTROL = {"num_envs": 64, "n_steps": 128, "learning_rate": 3e-3, "gae_lambda": 0.95}
SETTINGS: dict[str, dict[str, Any]] = {
    "standard-bandit": {"learning_rate": standard_bandit().learning_rate},
    "barcode-bandit": {"num_envs": 64, "learning_rate": 4e-3, "gamma": 0.8, "gae_lambda": 0.8},
    "shifting-maze": _MAZE,
    "redrawn-maze": _MAZE,
    "two-step": {"num_envs": 64, "learning_rate": 4e-3},
    "island-transport": {"num_envs": 256, "n_steps": 30, "learning_rate": 4e-3},
    "drifting-cartpole": {**_CONTROL, "gamma": 0.98},
    "shifting-lake": {**_CONTROL, "gamma": 0.95, "ent_coef": 0.02},
}


def suite_config(world: str, memory: str = "sparse", seed: int = 0) -> TrainConfig:
    """The training of a ``MemoryPPO`` agent for a world of the suite.

    Args:
        world: its name.
        memory: sparse, dense, gru, lstm or none, all in agents of about the same size.
        seed: of the run.

    Raises:
        ValueError: for a memory that there is not.
    """
    if memory not in EQUAL_SIZE:
        raise ValueError(f"memory must be one of {', '.join(EQUAL_SIZE)}, got {memory!r}")
    task = WORLDS[world]
    return TrainConfig(
        env=task.env,
        env_kwargs=task.env_kwargs,
        total_timesteps=task.train_steps,
        seed=seed,
        **SETTINGS[world],
        **EQUAL_SIZE[memory],
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
