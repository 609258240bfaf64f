"""Infos of vector environments, as Gymnasium lays them out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def masked(infos: dict[str, Any], mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Infos that are set where ``mask`` says so, with Gymnasium's ``_key`` for each key."""
    found: dict[str, Any] = {}
    for key, values in infos.items():
        if isinstance(values, dict):
            found[key] = masked(values, mask)
        else:
            found[key] = mixed(mask, values, np.zeros_like(values))
        found[f"_{key}"] = mask.copy()
    return found


def final_infos(
    ended: NDArray[np.int64], observations: Sequence[Any], infos: dict[str, Any]
) -> dict[str, Any]:
    """Last observations and infos of the episodes that have ended, as ``SyncVectorEnv`` does.

    ``observations`` are those of ``ended`` (n,), and ``infos`` those of all.
    """
    num_envs = len(infos["changed"])
    mask = np.zeros(num_envs, dtype=bool)
    mask[ended] = True
    last = np.full(num_envs, None, dtype=object)
    for index, observation in zip(ended.tolist(), observations, strict=True):
        last[index] = observation
    return {
        "final_obs": last,
        "_final_obs": mask,
        "final_info": masked(infos, mask),
        "_final_info": mask.copy(),
    }


def mixed(rows: NDArray[np.bool_], first: Any, second: Any) -> Any:
    """``first`` in ``rows`` (N,) and ``second`` elsewhere, for dicts of arrays (N, ...)."""
    if isinstance(first, dict):
        return {key: mixed(rows, first[key], second[key]) for key in first}
    return np.where(rows.reshape(-1, *[1] * (first.ndim - 1)), first, second)
