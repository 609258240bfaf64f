"""What a drifting wrapper tells of its changes: in the info, and in observations if asked to."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from .effect import Values
from .settings import DriftSettings

# The keys that every changing world of the package has in its info.
CONTRACT = ("context", "changed", "steps_since_change")


def notified_space(settings: DriftSettings, space: spaces.Space[Any]) -> spaces.Dict:
    """The space of observations with a notice."""
    parts: dict[str, spaces.Space[Any]] = {
        "observation": space,
        "changed": spaces.Box(0.0, 1.0, (1,), np.float32),
    }
    if settings.notify == "values":
        low, high = settings.effect.bounds(settings.size)
        parts["values"] = spaces.Box(low.astype(np.float32), high.astype(np.float32))
    return spaces.Dict(parts)


def notice(
    settings: DriftSettings, observation: Any, changed: Values, values: Values
) -> dict[str, Any]:
    """An observation with a notice; ``changed`` is (1,) or (N, 1), ``values`` (Q,) or (N, Q)."""
    told = {"observation": observation, "changed": changed.astype(np.float32)}
    if settings.notify == "values":
        told["values"] = values.astype(np.float32)
    return told


def merged_info(info: dict[str, Any], name: str, report: dict[str, Any]) -> dict[str, Any]:
    """The info with a wrapper's report.

    ``info["shifts"][name]`` has the report as it is. The keys ``context``, ``changed``,
    ``steps_since_change`` and ``change_size`` are about all that changes: where what is wrapped
    changes, too, they have the sum, whether any did, the fewest steps, and the largest size.
    """
    flat = {key: report[key] for key in (*CONTRACT, "change_size")}
    if all(key in info for key in CONTRACT):
        arrays = isinstance(flat["changed"], np.ndarray)
        least, largest = (np.minimum, np.maximum) if arrays else (min, max)
        since, size = info["steps_since_change"], info.get("change_size", 0.0)
        flat = {
            "context": info["context"] + flat["context"],
            "changed": info["changed"] | flat["changed"],
            "steps_since_change": least(since, flat["steps_since_change"]),
            "change_size": largest(size, flat["change_size"]),
        }
    return {**info, **flat, "shifts": {**info.get("shifts", {}), name: report}}
