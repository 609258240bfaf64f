"""Agents on disk without pickle: save, load, and the ones that come with the package."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch
from gymnasium.vector import VectorEnv
from stable_baselines3.common.type_aliases import GymEnv
from torch import Tensor, nn

from ..tracking import CheckpointError, load_checkpoint, load_metadata, save_checkpoint
from .memory_policy import MemoryPolicy
from .memory_ppo import MemoryPPO
from .plain_spaces import check_same_spaces, space_from_plain, space_to_plain

PRETRAINED = files(__package__) / "pretrained"


def save_agent(
    folder: str | os.PathLike[str], model: MemoryPPO, notes: dict[str, Any] | None = None
) -> None:
    """Write an agent's policy as safetensors and JSON.

    What training needs beyond the policy is not kept (see
    :func:`~driftwise.agents.training_state`).

    Args:
        folder: where; replaced atomically if it exists.
        model: the agent. Its policy arguments must be plain data: a memory given by name.
        notes: plain data to keep beside it, such as the environment and the training command.

    Raises:
        TypeError: if a policy argument is not plain data; names it.
        ValueError: if the policy is of a class of your own, which a file without code cannot name.
    """
    if type(model.policy) is not MemoryPolicy:
        raise ValueError(
            f"model must have a MemoryPolicy to be saved without code, got a "
            f"{type(model.policy).__name__}; use model.save"
        )
    agent = {
        "observation_space": space_to_plain(model.observation_space),
        "action_space": space_to_plain(model.action_space),
        "policy_kwargs": model.policy_kwargs,
        "memory_reset": model.memory_reset,
        "reward_horizon": model.reward_horizon,
        "policy": model.policy.state_dict(),
    }
    save_checkpoint(folder, agent, notes)


def load_agent(
    folder: str | os.PathLike[str],
    env: GymEnv | VectorEnv | None = None,
    device: torch.device | str = "auto",
    **settings: Any,
) -> MemoryPPO:
    """Load an agent that :func:`save_agent` wrote; runs no code from the file.

    Args:
        folder: where it is.
        env: an environment to go on training in; without one the agent can only ``predict``.
        device: torch device.
        **settings: arguments of :class:`MemoryPPO` for more training, such as ``gamma`` and
            ``n_steps``; its defaults otherwise, whatever the agent was trained with.

    Raises:
        CheckpointError: if the folder is damaged, or holds something else.
        ValueError: if ``env`` has other spaces than the agent's.
    """
    agent = load_checkpoint(folder)
    if not isinstance(agent, dict) or "policy_kwargs" not in agent:
        raise CheckpointError(f"{folder} must hold an agent, but it holds another checkpoint")
    model = MemoryPPO(
        "MemoryPolicy",
        None,
        memory_reset=agent["memory_reset"],
        policy_kwargs=agent["policy_kwargs"],
        device=device,
        _init_setup_model=False,
        # Files written before there was a horizon have agents that predict a single reward.
        **{"reward_horizon": agent.get("reward_horizon", 1), **settings},
    )
    model.observation_space = space_from_plain(agent["observation_space"])
    model.action_space = space_from_plain(agent["action_space"])
    model.n_envs = 1
    if env is not None:
        wrapped = model._wrap_env(env)
        check_same_spaces(model, wrapped.observation_space, wrapped.action_space)
        model.env, model.n_envs = wrapped, wrapped.num_envs
    model._setup_model()
    load_weights(model.policy, agent["policy"])
    return model


def load_weights(module: nn.Module, weights: dict[str, Tensor]) -> None:
    """Load weights, all or none.

    Raises:
        ValueError: if they are those of another architecture; names the first that differs.
    """
    own = module.state_dict()
    for name in [*own, *weights]:
        expected, got = (
            tuple(tensors[name].shape) if name in tensors else "nothing"
            for tensors in (own, weights)
        )
        if expected != got:
            raise ValueError(
                f"checkpoint does not fit the policy: {name} must have shape {expected}, got {got}"
            )
    module.load_state_dict(weights)


def agent_label(name: str) -> str:
    """What to call an agent that :func:`find_agent` finds by this name."""
    path = Path(name)
    return path.parent.name if path.name == "agent" else path.name


def pretrained_names() -> list[str]:
    """Names of the agents that come with the package."""
    if not PRETRAINED.is_dir():
        return []
    return sorted(entry.name for entry in PRETRAINED.iterdir() if entry.is_dir())


def load_pretrained(
    name: str,
    env: GymEnv | VectorEnv | None = None,
    device: torch.device | str = "auto",
    **settings: Any,
) -> MemoryPPO:
    """Load an agent that comes with the package.

    Args:
        name: one of :func:`pretrained_names`.
        env: as in :func:`load_agent`.
        device: torch device.
        **settings: as in :func:`load_agent`.

    Raises:
        ValueError: for an unknown name.
    """
    if name not in pretrained_names():
        raise ValueError(f"name must be one of {', '.join(pretrained_names())}, got {name!r}")
    with as_file(PRETRAINED / name) as folder:
        return load_agent(folder, env, device, **settings)


@contextmanager
def agent_folder(name: str) -> Iterator[Path | None]:
    """Where the agent lies that goes by the folder of its run, its own, or its name in the package.

    None: nowhere.
    """
    for folder in (Path(name) / "agent", Path(name)):
        if (folder / "state.json").exists():
            yield folder
            return
    if name in pretrained_names():
        with as_file(PRETRAINED / name) as folder:
            yield folder
    else:
        yield None


def find_agent(
    name: str, device: torch.device | str = "auto", *, others: str = ""
) -> tuple[MemoryPPO, dict[str, Any]]:
    """Load an agent by the folder of its run, by its own folder, or by its name in the package.

    Args:
        name: which.
        device: torch device.
        others: who else may be named, for the error.

    Returns:
        The agent, and the notes that were kept beside it.

    Raises:
        CheckpointError: if the folder is damaged, or holds something else.
        ValueError: if there is no such agent.
    """
    with agent_folder(name) as folder:
        if folder is None:
            raise ValueError(
                f"agents must be folders of runs or agents, {others}or one of "
                f"{', '.join(pretrained_names())}; got {name!r}"
            )
        return load_agent(folder, device=device), load_metadata(folder)


def trained_in(name: str) -> tuple[str, dict[str, Any]] | None:
    """Id and arguments of the environment that an agent was trained in.

    Args:
        name: as for :func:`find_agent`.

    Returns:
        None if there is no such agent, or its notes do not say.
    """
    with agent_folder(name) as folder:
        config = {} if folder is None else load_metadata(folder).get("config", {})
    return (config["env"], dict(config["env_kwargs"])) if "env" in config else None
