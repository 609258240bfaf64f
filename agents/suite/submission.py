"""Submissions: what an agent has done in the suite, as a JSON file that others can check and cite.

::

    {
      "suite": "driftwise-8", "version": 1, "definition": ...,  what was played
      "agent": ..., "settings": {...},                          who played
      "command": ..., "date": ..., "versions": {...}, "machine": {...},
      "score": {"value": ..., "low": ..., "high": ...},         null until all worlds are played
      "worlds": {name: {"score": ..., "score_low": ..., "score_high": ...,
                        "value": ..., "low": ..., "high": ...,  mean return and its interval
                        "num_parameters": ..., "num_timesteps": ..., "within_budget": ...,
                        "returns": [...]}}                      of every held-out episode
    }

All other numbers follow from the returns, so that a check can find them again.
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...tracking import write_text
from .score import (
    definition_hash,
    normalised,
    return_interval,
    suite_interval,
    suite_scores,
)
from .worlds import NUM_EPISODES, SUITE, VERSION, WORLDS, World

Submission = dict[str, Any]

_WHAT = ("suite", "version", "definition")
_WHO = ("agent", "settings", "versions")
_KEYS = (*_WHAT, *_WHO, "command", "date", "machine", "score", "worlds")
_COUNTS = ("num_parameters", "num_timesteps")


def suite_identity() -> dict[str, Any]:
    """What a submission must agree in to be comparable."""
    return {"suite": SUITE, "version": VERSION, "definition": definition_hash()}


def world_entry(
    world: World, returns: ArrayLike, num_parameters: int | None, num_timesteps: int | None
) -> dict[str, Any]:
    """What a submission says of one world.

    Args:
        world: which.
        returns: of the held-out episodes, in the order of their seeds.
        num_parameters: of the agent; None if it is not known.
        num_timesteps: that it was trained for, in all environments together; None likewise.
    """
    value, low, high, _ = return_interval(returns)
    score, score_low, score_high = normalised(world, (value, low, high)).tolist()
    return {
        "score": score,
        "score_low": score_low,
        "score_high": score_high,
        "value": value,
        "low": low,
        "high": high,
        "num_parameters": num_parameters,
        "num_timesteps": num_timesteps,
        "within_budget": None if num_timesteps is None else num_timesteps <= world.train_steps,
        "returns": np.asarray(returns, dtype=np.float64).tolist(),
    }


def joined_commands(earlier: str | None, command: str | None) -> str | None:
    """The commands that a submission is made with, each once: a line for the shell.

    Args:
        earlier: those so far; None if they are not known.
        command: that goes on with it; None likewise.
    """
    if earlier is None or command is None:
        return earlier or command
    if f" && {command} && " in f" && {earlier} && ":  # it was killed, and started again
        return earlier
    return f"{earlier} && {command}"


def suite_score(worlds: Mapping[str, Mapping[str, Any]]) -> dict[str, float] | None:
    """The score of all worlds together, or None if one is missing."""
    if any(name not in worlds for name in WORLDS):
        return None
    interval = suite_interval(suite_scores({name: worlds[name]["returns"] for name in WORLDS}))
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def write_submission(path: str | os.PathLike[str], submission: Submission) -> None:
    """Write a submission atomically, a line for each world."""
    lines = []
    for key, value in submission.items():
        text = json.dumps(value, allow_nan=False)
        if key == "worlds":
            worlds = (f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
            text = "{\n" + ",\n".join(worlds) + "\n  }"
        lines.append(f"  {json.dumps(key)}: {text}")
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def load_submission(path: str | os.PathLike[str]) -> Submission:
    """Read a submission and check it.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is not one of this suite and version, or its numbers do not follow from
            its returns; says what is wrong.
    """
    path = Path(path)
    try:
        submission = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} must be the JSON of a submission: {error}") from None
    try:
        check_submission(submission)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return dict(submission)


def check_submission(submission: Any) -> None:
    """Raise a ``ValueError`` that says what is wrong with a submission, if anything is."""
    if not isinstance(submission, Mapping):
        raise ValueError(f"a submission must be an object with {', '.join(_KEYS)}")
    for key in _KEYS:
        if key not in submission:
            raise ValueError(f"a submission must have {key!r}")
    _check_same(submission, suite_identity())
    check_name(submission["agent"])
    worlds = submission["worlds"]
    if not isinstance(worlds, Mapping) or not worlds:
        raise ValueError("worlds must be an object with a world or more")
    for name, entry in worlds.items():
        if name not in WORLDS:
            raise ValueError(f"worlds must be among {', '.join(WORLDS)}, got {name!r}")
        _check_entry(WORLDS[name], entry)
    _check_numbers("score", submission["score"], suite_score(worlds))


def check_name(agent: Any) -> None:
    """Raise a ``ValueError`` unless an entry's name is one."""
    if not isinstance(agent, str) or not agent:
        raise ValueError(f"agent must be a name, got {agent!r}")


def check_continues(path: Path, begun: Submission, wanted: Submission) -> None:
    """Raise a ``ValueError`` unless a submission that was begun is of the same agent."""
    try:
        _check_same(begun, {key: wanted[key] for key in _WHO})
    except ValueError as error:
        raise ValueError(f"{path} holds another entry, choose another file: {error}") from None


def _check_same(submission: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for key, value in expected.items():
        if submission[key] != value:
            raise ValueError(f"{key} must be {value!r}, got {submission[key]!r}")


def _check_entry(world: World, entry: Any) -> None:
    returns = entry.get("returns") if isinstance(entry, Mapping) else None
    if not isinstance(returns, list) or len(returns) != NUM_EPISODES or not _finite(returns):
        raise ValueError(f"returns of {world.name} must be {NUM_EPISODES} finite numbers")
    counts = [entry.get(key) for key in _COUNTS]
    for key, count in zip(_COUNTS, counts, strict=True):
        if count is not None and (type(count) is not int or count < 0):
            raise ValueError(f"{key} of {world.name} must be a whole number or null, got {count!r}")
    _check_numbers(world.name, entry, world_entry(world, returns, *counts))


def _check_numbers(
    name: str, found: Mapping[str, Any] | None, expected: Mapping[str, Any] | None
) -> None:
    """Compare what a submission says with what follows from its returns."""
    if expected is None or not isinstance(found, Mapping):
        if found != expected:
            raise ValueError(f"{name} must be {expected}, got {found}")
        return
    for key, value in expected.items():
        told: Any = found.get(key)
        slack = 1e-9  # sums differ in their last digits among machines
        if key.endswith(("low", "high")):  # and resampling differs among versions of scipy
            end = key.removesuffix("low").removesuffix("high")
            slack += 0.25 * (expected[f"{end}high"] - expected[f"{end}low"])
        if isinstance(value, float) and _finite([told]):
            right = math.isclose(told, value, abs_tol=slack)
        else:
            right = told == value
        if not right:
            raise ValueError(f"{key!r} of {name} must be {value}, by its returns; got {told}")


def _finite(values: list[Any]) -> bool:
    return all(type(value) in (int, float) and math.isfinite(value) for value in values)
