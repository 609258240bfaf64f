"""The score: how far from random play to the oracle, in one world and over the suite."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ...evaluation import bootstrap_interval
from ...evaluation.statistics import Floats, Interval
from .worlds import WORLDS, World, definition

REFERENCES = files(__package__) / "references.json"
NUM_RESAMPLES = 2_000


class Reference(NamedTuple):
    """The mean returns of a world that are scored 0 and 1."""

    random: float
    oracle: float


def definition_hash() -> str:
    """A hash of all that makes scores comparable: what is played, and what is scored 0 and 1."""
    text = json.dumps([definition(), references()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def references() -> Mapping[str, Reference]:
    """Returns of random play and of the oracle, by world, from the file that is kept of them."""
    worlds = json.loads(REFERENCES.read_text(encoding="utf-8"))["worlds"]
    return {
        name: Reference(entry["random"]["value"], entry["oracle"]["value"])
        for name, entry in worlds.items()
    }


def normalised(world: World, returns: ArrayLike) -> Any:
    """``(returns - random) / (oracle - random)``, not clipped, in the shape of ``returns``."""
    random, oracle = references()[world.name]
    return (np.asarray(returns, dtype=np.float64) - random) / (oracle - random)


def return_interval(returns: ArrayLike) -> Interval:
    """Mean return with its 95 % bootstrap interval over held-out worlds."""
    return bootstrap_interval(returns, num_resamples=NUM_RESAMPLES)


def suite_scores(returns: Mapping[str, ArrayLike]) -> Floats:
    """Normalised returns (episodes, worlds) of an agent that has played all worlds."""
    return np.stack([normalised(world, returns[name]) for name, world in WORLDS.items()], axis=1)


def suite_interval(scores: Floats) -> Interval:
    """The score, the mean over worlds and episodes, or a difference of two.

    The 95 % interval is a bootstrap in which the episodes of every world are drawn independently
    of the other worlds'.

    Args:
        scores: (episodes, worlds).
    """
    return bootstrap_interval(scores, num_resamples=NUM_RESAMPLES)
