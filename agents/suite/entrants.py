"""Who can enter: functions that are told a world and return somebody who plays it."""

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from gymnasium.vector import VectorEnv

from ..agent_files import find_agent
from ..online import OnlinePlayer, find_online_learner
from ..players import OraclePlayer, Playable, RandomPlayer
from .worlds import chosen_worlds

EnvMaker = Callable[..., VectorEnv]
"""Called with a number of environments (16 by default), makes so many to train in."""
Entrant = Callable[[str, EnvMaker], Playable]
"""Called with a world's name and a maker of environments to train in, returns who plays it: a model
of stable-baselines3, a function of the observations, or a :class:`~driftwise.agents.Player`.
Functions and players may have attributes ``num_parameters`` and ``num_timesteps`` for the record.
Without the second, nobody can know whether they were trained; 0 says that they were not."""


def check_entrant(enter: Any) -> None:
    """Raise a ``TypeError`` unless something can be called as an :data:`Entrant` is."""
    wanted = (
        "a function that is called with a world's name and a maker of training environments, "
        "and returns who plays"
    )
    if not callable(enter):
        raise TypeError(f"enter must be {wanted}, got {enter!r}")
    try:
        signature = inspect.signature(enter)
    except (TypeError, ValueError):  # some that are built in do not tell theirs
        return
    try:
        signature.bind("world", None)
    except TypeError as error:
        raise TypeError(f"enter must be {wanted}, got {enter!r}: {error}") from None


def random_entrant(world: str, make_env: EnvMaker) -> RandomPlayer:
    """Uniformly random actions."""
    return RandomPlayer()


def oracle_entrant(world: str, make_env: EnvMaker) -> OraclePlayer:
    """The optimal actions, from the worlds themselves."""
    return OraclePlayer()


def trained_entrant(agents: Mapping[str, str], device: str = "auto") -> Entrant:
    """Trained agents: the folder of a run or an agent, or a shipped one's name, for each world.

    Raises:
        ValueError: for a world that the suite does not have.
    """
    chosen_worlds(list(agents))

    def load(world: str, make_env: EnvMaker) -> Playable:
        learner = find_online_learner(agents[world], device)
        if learner is not None:
            return OnlinePlayer(learner)
        model, notes = find_agent(agents[world], device)
        # An agent's file does not count its steps, but the notes have its configuration.
        model.num_timesteps = notes.get("config", {}).get("total_timesteps", 0)
        return model

    return load


def named_entrant(name: str) -> Entrant:
    """``"random"``, ``"oracle"``, or a function of your own as ``"module:function"``.

    Modules are also looked for in the current folder.

    Raises:
        ValueError: if there is no such function, or it cannot be called as an :data:`Entrant` is.
    """
    if name in ("random", "oracle"):
        return random_entrant if name == "random" else oracle_entrant
    module, colon, function = name.partition(":")
    if not colon:
        raise ValueError(f"player must be random, oracle or module:function, got {name!r}")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"player must be module:function, got {name!r}: {error}") from None
    try:
        check_entrant(found)
    except TypeError as error:
        raise ValueError(f"player must be module:function, got {name!r}: {error}") from None
    entrant: Entrant = found
    return entrant
