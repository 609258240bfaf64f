"""Reading what a Gymnasium `VectorEnv` returns, in every autoreset mode and observation space."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv


def autoreset_mode(env: VectorEnv) -> AutoresetMode:
    """The autoreset mode that `env` declares.

    Raises:
        ValueError: If ``env.metadata["autoreset_mode"]`` is missing or no `AutoresetMode`.
    """
    mode = env.metadata.get("autoreset_mode")
    if not isinstance(mode, AutoresetMode):
        raise ValueError(
            f'env.metadata["autoreset_mode"] must be a gymnasium AutoresetMode, got {mode!r} '
            f"from {env}"
        )
    return mode


def without_final(info: Mapping[str, Any]) -> dict[str, Any]:
    """`info` without the ends of episodes that same-step mode adds to it."""
    final = ("final_info", "_final_info", "final_obs", "_final_obs")
    return {key: value for key, value in info.items() if key not in final}


def transition_info(info: Mapping[str, Any], done: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Info of the transition itself, also in the rows that finished in same-step mode.

    Under `AutoresetMode.SAME_STEP` the rows of `info` where an episode ended describe the reset
    that followed, and the end itself is in ``info["final_info"]``. Here these rows come from
    there. Keys without a final counterpart are left as they are.

    Args:
        info: What `VectorEnv.step` returned.
        done: Rows whose episode ended with this step, (num_envs,).

    Returns:
        A new dictionary without ``final_info`` and ``final_obs``; arrays that had to change are
        copies.
    """
    merged = without_final(info)
    final = info.get("final_info")
    if isinstance(final, Mapping):
        for key, value in final.items():
            merged[key] = _take_rows(value, merged.get(key), done)
    return merged


def info_of_rows(info: Mapping[str, Any], rows: npt.NDArray[np.integer]) -> list[dict[str, Any]]:
    """The info dictionaries of single sub-environments, taken from the arrays of all.

    Follows Gymnasium's convention: ``info["_key"]``, where there is one, marks the rows that have
    `key`; a dictionary holds arrays in its turn. A value that is no array holds for every row.
    """
    single: list[dict[str, Any]] = [{} for _ in range(len(rows))]
    for key, value in info.items():
        if key.startswith("_") and key[1:] in info:
            continue
        if isinstance(value, Mapping):
            values = info_of_rows(value, rows)
        elif isinstance(value, np.ndarray) and value.ndim > 0:
            chosen = value[rows]
            values = chosen.tolist() if value.ndim == 1 else list(chosen)
        else:
            values = [value] * len(rows)
        mask = info.get(f"_{key}")
        for k in range(len(rows)) if mask is None else np.flatnonzero(mask[rows]).tolist():
            single[k][key] = values[k]
    return single


def _take_rows(source: Any, target: Any, rows: npt.NDArray[np.bool_]) -> Any:
    """`target` with `rows` taken from `source`, for arrays and nested dictionaries of arrays."""
    if isinstance(source, Mapping):
        if not isinstance(target, Mapping):
            target = {}
        return {**target, **{k: _take_rows(v, target.get(k), rows) for k, v in source.items()}}
    source = np.asarray(source)
    if target is None:
        return source
    merged = np.array(target, dtype=np.result_type(source, np.asarray(target)))
    merged[rows] = source[rows]
    return merged


def _arrays(*observations: Any) -> Iterable[tuple[npt.NDArray[Any], ...]]:
    """The arrays of batched observations, in parallel: one tuple, or one per key of a Dict."""
    if isinstance(observations[0], Mapping):
        return [tuple(obs[key] for obs in observations) for key in observations[0]]
    return [observations]


def copy_obs(obs: Any) -> Any:
    """A copy of batched observations (an array, or a dictionary of arrays)."""
    if isinstance(obs, Mapping):
        return {key: np.array(value) for key, value in obs.items()}
    return np.array(obs)


def obs_of_rows(obs: Any, rows: npt.NDArray[np.integer]) -> list[Any]:
    """Single observations, copied.

    Args:
        obs: Batched observations, or the object array of single ones that Gymnasium makes of
            ``final_obs``.
        rows: Which, (n,).
    """
    if isinstance(obs, Mapping):
        chosen = {key: value[rows] for key, value in obs.items()}
        return [{key: value[k] for key, value in chosen.items()} for k in range(len(rows))]
    return list(obs[rows])


def write_obs_rows(target: Any, source: Any, rows: npt.NDArray[np.bool_]) -> None:
    """Overwrites the rows of batched observations that `rows` (num_envs,) marks."""
    for into, values in _arrays(target, source):
        into[rows] = values[rows]


def equal_obs_rows(a: Any, b: Any, rows: npt.NDArray[np.bool_]) -> bool:
    """Whether two batches of observations agree in `rows` (num_envs,); NaN equals NaN."""
    for x, y in _arrays(a, b):
        if (x != y)[rows].any() and not np.array_equal(
            x[rows], y[rows], equal_nan=np.issubdtype(x.dtype, np.inexact)
        ):
            return False
    return True
