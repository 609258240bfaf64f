"""Reading what a Gymnasium `VectorEnv` returns, in every autoreset mode and observation space."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv


def check_vector_env(env: VectorEnv) -> None:
    """Raise a ``TypeError`` if ``env`` is a single environment."""
    if not isinstance(env, VectorEnv):
        raise TypeError(f"env must be a vector environment, as make_vector_env gives it, got {env}")


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
    there.

    Args:
        info: What `VectorEnv.step` returned.
        done: Rows whose episode ended with this step, (num_envs,).

    Returns:
        A new dictionary without ``final_info`` and ``final_obs``; arrays that had to change are
        copies. A key without a mask ``_key`` that only the reset info has stays as it is.
    """
    merged = without_final(info)
    final = info.get("final_info")
    return _replace_rows(merged, final, done) if isinstance(final, Mapping) else merged


def _is_mask(key: str, info: Mapping[str, Any]) -> bool:
    return key.startswith("_") and key[1:] in info


def _replace_rows(
    info: Mapping[str, Any], final: Mapping[str, Any], done: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """`info` with the rows `done` taken from `final`, masks included."""
    merged = dict(info)
    for key in {**info, **final}:
        if _is_mask(key, info) or _is_mask(key, final):
            continue
        old, mask = info.get(key), info.get(f"_{key}")
        if key in final:
            new = final[key]
            if isinstance(new, Mapping):
                merged[key] = _replace_rows(old if isinstance(old, Mapping) else {}, new, done)
            elif key not in info:
                merged[key] = new
            else:
                merged[key] = np.array(old, dtype=np.result_type(old, new))
                merged[key][done] = new[done]
        elif mask is None or key == "episode":
            continue  # "episode": what RecordEpisodeStatistics tells of ends, beside the reset's
        # Which rows have the key: those of the step as before, those that ended as in `final`.
        has_it = np.full(len(done), key in info) if mask is None else np.array(mask)
        has_it[done] = final.get(f"_{key}", done)[done] if key in final else False
        if mask is not None or not has_it.all():
            merged[f"_{key}"] = has_it
    return merged


def info_of_rows(info: Mapping[str, Any], rows: npt.NDArray[np.integer]) -> list[dict[str, Any]]:
    """The info dictionaries of single sub-environments, taken from the arrays of all.

    Follows Gymnasium's convention: ``info["_key"]``, where there is one, marks the rows that have
    `key`; a dictionary holds arrays in its turn. A value that is no array holds for every row.
    """
    single: list[dict[str, Any]] = [{} for _ in range(len(rows))]
    for key, value in info.items():
        if _is_mask(key, info):
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


def _arrays(*observations: Any) -> Iterable[tuple[npt.NDArray[Any], ...]]:
    """The arrays of batched observations, in parallel: one tuple, or one per key of a Dict."""
    if isinstance(observations[0], Mapping):
        return [tuple(obs[key] for obs in observations) for key in observations[0]]
    return [observations]


def copy_info(info: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the info of all sub-environments, with its arrays."""
    copied: dict[str, Any] = {}
    for key, value in info.items():
        if isinstance(value, np.ndarray):
            copied[key] = value.copy()
        else:
            copied[key] = copy_info(value) if isinstance(value, Mapping) else value
    return copied


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
