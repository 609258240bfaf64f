"""Gymnasium spaces in plain data, so that an agent's file needs no pickle."""

from typing import Any, Protocol

import numpy as np
from gymnasium import spaces


class HasSpaces(Protocol):
    """Whoever was made for certain spaces, such as a model of stable-baselines3."""

    @property
    def observation_space(self) -> spaces.Space[Any]:
        """Of the observations that are understood."""

    @property
    def action_space(self) -> spaces.Space[Any]:
        """Of the actions that are taken."""


def space_to_plain(space: spaces.Space) -> dict[str, Any]:
    """Describe a space as a dictionary of plain values and numpy arrays.

    Raises:
        TypeError: for a kind of space that agents cannot have.
    """
    if isinstance(space, spaces.Box):
        return {"kind": "Box", "low": space.low, "high": space.high, "dtype": str(space.dtype)}
    if isinstance(space, spaces.Discrete):
        return {"kind": "Discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        return {"kind": "MultiDiscrete", "nvec": space.nvec}
    if isinstance(space, spaces.MultiBinary):
        return {"kind": "MultiBinary", "n": space.n}
    if isinstance(space, spaces.Dict):
        parts = {key: space_to_plain(part) for key, part in space.spaces.items()}
        return {"kind": "Dict", "spaces": parts}
    raise TypeError(f"space must be Box, Discrete, MultiDiscrete, MultiBinary or Dict, got {space}")


def space_from_plain(data: dict[str, Any]) -> spaces.Space:
    """Inverse of :func:`space_to_plain`.

    Raises:
        ValueError: for an unknown kind.
    """
    kind = data["kind"]
    if kind == "Box":
        return spaces.Box(data["low"], data["high"], dtype=np.dtype(data["dtype"]).type)
    if kind == "Discrete":
        return spaces.Discrete(data["n"], start=data["start"])
    if kind == "MultiDiscrete":
        return spaces.MultiDiscrete(data["nvec"])
    if kind == "MultiBinary":
        return spaces.MultiBinary(data["n"])
    if kind == "Dict":
        return spaces.Dict({key: space_from_plain(part) for key, part in data["spaces"].items()})
    raise ValueError(f"kind must be that of a space an agent can have, got {kind!r}")


def check_same_spaces(
    model: HasSpaces, observation_space: spaces.Space, action_space: spaces.Space
) -> None:
    """Raise a ``ValueError`` if an environment's spaces are not the agent's."""
    for kind, theirs in (("observation_space", observation_space), ("action_space", action_space)):
        ours = getattr(model, kind)
        if theirs != ours:
            raise ValueError(
                f"env must have the agent's {kind} {_brief(ours)}, got {_brief(theirs)}"
            )


def _brief(space: spaces.Space) -> str:
    """On one line, and short: the bounds of a box can fill a page."""
    if isinstance(space, spaces.Box):
        low, high = space.low.min(initial=np.inf), space.high.max(initial=-np.inf)
        return f"Box({low:g} to {high:g}, {space.shape}, {space.dtype})"
    return " ".join(str(space).split())
