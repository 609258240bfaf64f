"""Players by the names that they have on a command line, and the world that they play there."""

from collections.abc import Sequence
from typing import Any

import torch

from ..memory.devices import find_device
from .agent_files import agent_label, find_agent, trained_in
from .bandits import POLICIES
from .bandits.tuned import TUNED
from .online import OnlinePlayer, find_online_learner
from .players import ModelPlayer, OraclePlayer, Player, PolicyPlayer, RandomPlayer
from .worlds import held_out_arguments


def named_player(
    name: str, *, deterministic: bool = False, device: torch.device | str = "cpu"
) -> Player:
    """Whoever goes by a name.

    Args:
        name: ``random``, ``oracle``, a classic bandit policy (with the constants tuned for the
            standard bandit), a run's folder, an agent's or an online learner's folder, or an agent
            that comes with the package.
        deterministic: for an agent, take the most likely actions instead of samples.
        device: torch device of an agent.

    Raises:
        ValueError: if nobody has that name.
        CheckpointError: if the folder is damaged, or holds something else than an agent.
    """
    if name == "random":
        return RandomPlayer()
    if name == "oracle":
        return OraclePlayer()
    if name in POLICIES:
        return PolicyPlayer(name, **TUNED["standard_bandit"].get(name, {}))
    learner = find_online_learner(name, device)
    if learner is not None:
        return OnlinePlayer(learner, deterministic=deterministic)
    others = f"random, oracle, a bandit policy ({', '.join(POLICIES)}), "
    model = find_agent(name, device, others=others)[0]
    return ModelPlayer(model, deterministic=deterministic)


def named_players(
    names: list[str], *, deterministic: bool = False, device: torch.device | str = "cpu"
) -> dict[str, Player]:
    """Several of :func:`named_player`, by what to call them.

    Raises:
        ValueError: if two would have to be called the same, nobody has a name, or there is no such
            device.
    """
    find_device(device)
    players: dict[str, Player] = {}
    for name in names:
        label = agent_label(name)
        if label in players:
            raise ValueError(f"agents must have different names, got {label!r} twice")
        players[label] = named_player(name, deterministic=deterministic, device=device)
    return players


def world_of(
    names: Sequence[str], env: str | None = None, env_kwargs: dict[str, Any] | None = None
) -> tuple[str, dict[str, Any]]:
    """Id and arguments of the environment that players meet in.

    Args:
        names: who plays.
        env: its id; None: that in which the first agent among the players was trained, held out, or
            the standard bandit if there is no agent.
        env_kwargs: its arguments; None: those of that environment.
    """
    if env is None:
        homes = (home for name in names if (home := trained_in(name)))
        env, known = next(homes, ("driftwise/ShiftingBandit-v0", {}))
        env_kwargs = held_out_arguments(env, known) if env_kwargs is None else env_kwargs
    return env, env_kwargs or {}
