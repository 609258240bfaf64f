"""Which worlds are trained on, which are held out, and how both are made."""

from typing import Any

import gymnasium as gym
from gymnasium.vector import AutoresetMode, VectorEnv

HELD_OUT_WORLDS = 1_000_000_000
"""Environment seeds from here on are never trained on."""


def training_world_seed(seed: int) -> int:
    """First environment seed of a run; runs have room for 10,000 environments each."""
    return 10_000 * seed


def make_vector_env(env_id: str, num_envs: int, **kwargs: Any) -> VectorEnv:
    """A vector environment with same-step autoreset, native where the environment has one.

    Raises:
        ValueError: for an unknown id, or arguments that the environment does not take.
    """
    try:
        spec = gym.spec(env_id)
        if spec.vector_entry_point is not None:
            return gym.make_vec(env_id, num_envs, autoreset_mode=AutoresetMode.SAME_STEP, **kwargs)
        return gym.make_vec(
            env_id,
            num_envs,
            vectorization_mode="sync",
            vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP},
            **kwargs,
        )
    except gym.error.Error as error:
        raise ValueError(f"env: {error}") from error
    except TypeError as error:
        raise ValueError(f"env_kwargs do not fit {env_id}: {error}") from error
