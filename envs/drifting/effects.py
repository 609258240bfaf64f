"""What may change: places, signs, presence, timing, scale. See ``effect.py``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from ..arguments import assign, check_count, check_finite, check_probability
from ..drifts import Drift, Mirror, Permute
from ..streams import FloatArray
from ..world_settings import parse_part
from .effect import Effect, Linear, Values


@dataclass(frozen=True)
class Permutation(Effect):
    """Which entry takes whose place: a permutation of 0 ... Q - 1.

    Entry i takes the place of entry ``p[i]``. The quantities are sort keys, whose order is the
    permutation: new draws give a uniform one (``drift=Resample()``; it may be the one before), and
    an exchange along a random cycle (``drift=Permute()``, the default) one in which no entry keeps
    its place. Such cycles lead to all permutations of an even number of entries, and to half of
    them, the even ones, where the number is odd.
    """

    default_drift: ClassVar[Drift] = Permute()
    permutes: ClassVar[bool] = True
    dtype: ClassVar[type[np.generic]] = np.int64

    @override
    def neutral(self, size: int) -> Values:
        return np.arange(size)

    @override
    def bounds(self, size: int) -> tuple[FloatArray, FloatArray]:
        return np.zeros(size), np.full(size, size - 1.0)

    @override
    def values(self, means: FloatArray) -> Values:
        return np.argsort(means, axis=-1, kind="stable")

    @override
    def means(self, values: Values) -> FloatArray:
        ranks = np.argsort(values, axis=-1)  # The inverse permutation: p[ranks[i]] = i.
        keys: FloatArray = (ranks + 0.5) / values.shape[-1]
        return keys

    @override
    def check(self, name: str, values: NDArray[Any], size: int) -> Values:
        values = super().check(name, values, size)
        if (np.sort(values, axis=-1) != np.arange(size)).any():
            raise ValueError(
                f"{name} must be permutations of 0 to {size - 1}, got {values.tolist()}"
            )
        return values


@dataclass(frozen=True)
class Flip(Effect):
    """A sign per entry, 1 or -1.

    With ``drift=Mirror()``, the default, each sign turns with probability 1/2 at a change, and at
    least one does; with ``Resample()`` all are drawn anew.
    """

    default_drift: ClassVar[Drift] = Mirror()
    mirrors: ClassVar[bool] = True

    @override
    def neutral(self, size: int) -> Values:
        return np.ones(size)

    @override
    def bounds(self, size: int) -> tuple[FloatArray, FloatArray]:
        return -np.ones(size), np.ones(size)

    @override
    def values(self, means: FloatArray) -> Values:
        return np.where(means > 0.5, -1.0, 1.0)

    @override
    def means(self, values: Values) -> FloatArray:
        return np.where(values < 0, 1.0, 0.0)

    @override
    def check(self, name: str, values: NDArray[Any], size: int) -> Values:
        values = super().check(name, values, size)
        if (np.abs(values) != 1).any():
            raise ValueError(f"{name} must be 1 or -1, got {values.tolist()}")
        return values


@dataclass(frozen=True)
class Drop(Effect):
    """A factor per entry, 0 or 1: at a change, each entry is dropped (set to 0) or shown anew.

    Args:
        probability: Probability that an entry is dropped, above 0 and below 1.
    """

    probability: float = 0.25

    def __post_init__(self) -> None:
        assign(self, probability=check_probability("probability", self.probability))
        if self.probability in (0.0, 1.0):
            raise ValueError(f"probability must be inside (0, 1), got {self.probability}")

    @override
    def neutral(self, size: int) -> Values:
        return np.ones(size)

    @override
    def bounds(self, size: int) -> tuple[FloatArray, FloatArray]:
        return np.zeros(size), np.ones(size)

    @override
    def values(self, means: FloatArray) -> Values:
        return np.where(means < self.probability, 0.0, 1.0)

    @override
    def means(self, values: Values) -> FloatArray:
        return values.astype(np.float64)

    @override
    def check(self, name: str, values: NDArray[Any], size: int) -> Values:
        values = super().check(name, values, size)
        if ((values != 0) & (values != 1)).any():
            raise ValueError(f"{name} must be 0 or 1, got {values.tolist()}")
        return values


@dataclass(frozen=True)
class Delay(Effect):
    """A number of steps, from 0 to ``max_delay``.

    Args:
        max_delay: Longest delay, at least 1 step.
    """

    max_delay: int = 10
    dtype: ClassVar[type[np.generic]] = np.int64

    def __post_init__(self) -> None:
        assign(self, max_delay=check_count("max_delay", self.max_delay, least=1))

    @override
    def neutral(self, size: int) -> Values:
        return np.zeros(size, dtype=np.int64)

    @override
    def bounds(self, size: int) -> tuple[FloatArray, FloatArray]:
        return np.zeros(size), np.full(size, float(self.max_delay))

    @override
    def values(self, means: FloatArray) -> Values:
        steps = np.floor(means * (self.max_delay + 1)).astype(np.int64)
        return np.minimum(steps, self.max_delay)

    @override
    def means(self, values: Values) -> FloatArray:
        keys: FloatArray = (values + 0.5) / (self.max_delay + 1)
        return keys

    @override
    def distance(self, values: Values, others: Values) -> FloatArray:
        moved: FloatArray = np.abs(values - others).max(axis=-1) / self.max_delay
        return moved


@dataclass(frozen=True)
class Scale(Linear):
    """A factor per entry, from ``low`` to ``high``; 1 leaves an entry as it is.

    Args:
        low: Smallest factor, positive.
        high: Largest factor.
    """

    low: float = 0.5
    high: float = 2.0

    def __post_init__(self) -> None:
        assign(self, low=check_finite("low", self.low), high=check_finite("high", self.high))
        if not 0 < self.low < self.high:
            raise ValueError(f"low must be above 0 and below high={self.high}, got {self.low}")

    @override
    def neutral(self, size: int) -> Values:
        return np.ones(size)

    @override
    def bounds(self, size: int) -> tuple[FloatArray, FloatArray]:
        return np.full(size, self.low), np.full(size, self.high)


def parse_effect(value: Effect | str | Mapping[str, Any]) -> Effect:
    """Reads the argument ``effect``, as :func:`~..world_settings.parse_part` does."""
    return parse_part("effect", value, Effect, sys.modules[__name__])  # type: ignore[type-abstract]
