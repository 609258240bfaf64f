"""Gymnasium spaces in plain data, so that an agent's file needs no pickle."""

from typing import Any

import numpy as np
from gymnasium import spaces


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
