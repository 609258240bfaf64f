"""Which worlds are trained on, which are held out, and how both are made."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec, load_env_creator
from gymnasium.vector import AutoresetMode, VectorEnv

from ..envs.registration import ISLANDS

HELD_OUT_WORLDS = 1_000_000_000
"""Environment seeds from here on are never trained on."""


MAX_ENVS = 10_000
"""Environments of a run, at most: so many environment seeds belong to each of its seeds."""
MAX_SEEDS = HELD_OUT_WORLDS // MAX_ENVS
"""Seeds of runs are below this; beyond it their worlds would be held-out ones."""


def training_world_seed(seed: int) -> int:
    """First environment seed of a run; environment i has the i-th from there."""
    return MAX_ENVS * seed


def held_out_seed(seed: int) -> int:
    """First environment seed of a set of held-out worlds: the sets of different seeds differ.

    Raises:
        ValueError: for a negative seed, whose worlds are trained on.
    """
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    return HELD_OUT_WORLDS + MAX_ENVS * seed


def held_out_arguments(env_id: str, env_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of an environment for held-out worlds, given those for training.

    Other seeds are other worlds, except for islands: their graphs are those of a split.
    """
    return {**env_kwargs, **({"split": "test"} if env_id in ISLANDS else {})}


def find_spec(env_id: str) -> EnvSpec:
    """What an environment is registered as.

    ``"module:Id"`` imports the module first, which registers it, as ``gymnasium.make`` does.

    Raises:
        ValueError: for an unknown id, or a module that is not there.
    """
    module, _, name = env_id.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        return gym.spec(name)
    except (gym.error.Error, ModuleNotFoundError) as error:
        raise ValueError(f"env: {error}") from error


def make_vector_env(
    env_id: str,
    num_envs: int,
    *,
    autoreset_mode: AutoresetMode = AutoresetMode.SAME_STEP,
    **kwargs: Any,
) -> VectorEnv:
    """A vector environment, by default with same-step autoreset.

    It is the environment's own vector class where that lets the mode be chosen, as all of
    ``driftwise`` do, and a ``SyncVectorEnv`` otherwise; also where there are ``wrappers``, which
    are for single environments.

    Raises:
        ValueError: for an unknown id, or arguments that the environment does not take.
    """
    try:
        vector_entry_point = find_spec(env_id).vector_entry_point
        if "wrappers" not in kwargs and _lets_the_mode_be_chosen(vector_entry_point):
            return gym.make_vec(env_id, num_envs, autoreset_mode=autoreset_mode, **kwargs)
        return gym.make_vec(
            env_id,
            num_envs,
            vectorization_mode="sync",
            vector_kwargs={"autoreset_mode": autoreset_mode},
            **kwargs,
        )
    except gym.error.Error as error:
        raise ValueError(f"env: {error}") from error
    except TypeError as error:
        raise ValueError(f"env_kwargs do not fit {env_id}: {error}") from error


def _lets_the_mode_be_chosen(entry_point: str | Callable[..., VectorEnv] | None) -> bool:
    if entry_point is None:
        return False
    maker = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    return "autoreset_mode" in inspect.signature(maker).parameters
