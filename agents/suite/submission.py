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

import datetime
import json
import math
import os
from collections.abc import Iterable, Mapping
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

# Nobody earns more than the oracle but by luck, or where its shortest ways run into time-outs.
# Over a thousand episodes, either is worth hundredths.
_MAX_SCORE = 1.25


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
    _check_keys("a submission", submission, _KEYS)
    _check_same(submission, suite_identity())
    check_name(submission["agent"])
    _check_circumstances(submission)
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


def _check_keys(what: str, found: Mapping[str, Any], keys: Iterable[str]) -> None:
    for key in keys:
        if key not in found:
            raise ValueError(f"{what} must have {key!r}")
    for key in found:
        if key not in keys:
            raise ValueError(f"{what} must have nothing but {', '.join(keys)}, got {key!r}")


def _check_same(submission: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for key, value in expected.items():
        if not _same(submission[key], value):
            raise ValueError(f"{key} must be {value!r}, got {submission[key]!r}")


def _check_circumstances(submission: Mapping[str, Any]) -> None:
    """Check what goes on record and follows from nothing."""
    for key in ("settings", "versions", "machine"):
        if not isinstance(submission[key], Mapping):
            raise ValueError(f"{key} must be an object, got {submission[key]!r}")
    for name, version in submission["versions"].items():
        if not isinstance(version, str):
            raise ValueError(f"versions must be texts, got {version!r} for {name}")
    command, date = submission["command"], submission["date"]
    if command is not None and not isinstance(command, str):
        raise ValueError(f"command must be a command line or null, got {command!r}")
    try:  # also without dashes, in later versions of Python
        right = datetime.date.fromisoformat(date).isoformat() == date
    except (TypeError, ValueError):
        right = False
    if not right:
        raise ValueError(f"date must be a day as YYYY-MM-DD, got {date!r}")


def _check_entry(world: World, entry: Any) -> None:
    if not isinstance(entry, Mapping):
        raise ValueError(f"{world.name} must be an object with returns, got {entry!r}")
    returns = entry.get("returns")
    if not isinstance(returns, list) or len(returns) != NUM_EPISODES or not _finite(returns):
        raise ValueError(f"returns of {world.name} must be {NUM_EPISODES} finite numbers")
    low, high = world.return_range
    for value in returns:
        if not low - 1e-6 <= value <= high + 1e-6:  # sums of rewards of single precision
            raise ValueError(
                f"returns of {world.name} must be from {low} to {high}, which is all that an "
                f"episode can bring, got {value}"
            )
    counts = [entry.get(key) for key in _COUNTS]
    for key, count in zip(_COUNTS, counts, strict=True):
        if count is not None and (type(count) is not int or count < 0):
            raise ValueError(f"{key} of {world.name} must be a whole number or null, got {count!r}")
    expected = world_entry(world, returns, *counts)
    _check_numbers(world.name, entry, expected)
    if expected["score"] > _MAX_SCORE:
        raise ValueError(
            f"'score' of {world.name} must be at most {_MAX_SCORE}, got {expected['score']:.3f}: "
            "nobody earns so much more than the oracle"
        )


def _check_numbers(
    name: str, found: Mapping[str, Any] | None, expected: Mapping[str, Any] | None
) -> None:
    """Compare what a submission says with what follows from its returns."""
    if expected is None or not isinstance(found, Mapping):
        if found != expected:
            raise ValueError(f"{name} must be {expected}, got {found}")
        return
    _check_keys(name, found, expected)
    for key, value in expected.items():
        told = found[key]
        slack = 1e-9  # sums differ in their last digits among machines
        if key.endswith(("low", "high")):  # and resampling differs among versions of scipy
            end = key.removesuffix("low").removesuffix("high")
            slack += 0.25 * (expected[f"{end}high"] - expected[f"{end}low"])
        if isinstance(value, float) and _finite([told]):
            right = math.isclose(told, value, abs_tol=slack)
        else:
            right = _same(told, value)
        if not right:
            raise ValueError(f"{key!r} of {name} must be {value}, by its returns; got {told}")


def _same(found: Any, expected: Any) -> bool:
    """Equal, and of the same type: in Python, 1 and true are equal."""
    return type(found) is type(expected) and bool(found == expected)


def _finite(values: list[Any]) -> bool:
    return all(type(value) in (int, float) and math.isfinite(value) for value in values)
