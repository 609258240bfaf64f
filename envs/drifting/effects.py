"""Effects say *what* of an environment a wrapper changes; ``schedules.py`` says when, drifts how.

The numbers that drifts move are the means of Bernoulli arms that nobody pulls: Q quantities in
[0, 1]. An effect turns them into values that an environment can be given: parameters, a
permutation, signs, factors. All work on arrays with any leading axes: (..., Q).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from ..arguments import assign, check_count, check_finite, check_probability
from ..drifts import Drift, Mirror, Permute, Resample, SwapBest

FloatArray = NDArray[np.float64]
Values = NDArray[Any]  # of the effect's dtype


@dataclass(frozen=True)
class Effect:
    """Base class.

    Attributes:
        default_drift: How the values change unless something else is asked for.
        dtype: Type of the values.
        linear: Whether values are a linear function of the quantities, each of its own one.
    """

    default_drift: ClassVar[Drift] = Resample()
    dtype: ClassVar[type[np.generic]] = np.float64
    linear: ClassVar[bool] = False

    def check_drift(self, drift: Drift) -> None:
        """Raises ValueError if ``drift`` cannot move these values."""
        if drift.rested or isinstance(drift, SwapBest):
            raise ValueError(f"drift must not depend on what is best or pulled, got {drift}")
        if drift.continuous and not self.linear:
            raise ValueError(f"drift must move in jumps for {self}, got {drift}")
        if isinstance(drift, Permute) and not isinstance(self, Permutation):
            raise ValueError(f"drift must not be Permute() for {self}: it exchanges what differs")
        if isinstance(drift, Mirror) and not (self.linear or isinstance(self, Flip)):
            raise ValueError(f"drift must not be Mirror() for {self}, which has no other side")

    def neutral(self, size: int) -> Values:
        """Values (Q,) that leave an environment as it is."""
        raise NotImplementedError

    def bounds(self, size: int) -> tuple[FloatArray, FloatArray]:
        """Least and largest values, (Q,) each."""
        raise NotImplementedError

    def values(self, means: FloatArray) -> Values:
        """Values (..., Q) of the quantities ``means`` (..., Q)."""
        raise NotImplementedError

    def means(self, values: Values) -> FloatArray:
        """Some quantities (..., Q) that have these ``values`` (..., Q)."""
        raise NotImplementedError

    def distance(self, values: Values, others: Values) -> FloatArray:
        """Size of the change from ``values`` to ``others``, (..., Q) each, in [0, 1]: (...).

        Here the share of the values that differ.
        """
        differ: FloatArray = (values != others).mean(axis=-1)
        return differ

    def check(self, name: str, values: NDArray[Any], size: int) -> Values:
        """Returns values (..., Q) in the effect's dtype, or raises an error naming ``name``."""
        if values.shape[-1:] != (size,):
            raise ValueError(f"{name} must have {size} numbers per row, got shape {values.shape}")
        low, high = self.bounds(size)
        # Written so that NaN is refused, too.
        wrong = ~((values >= low) & (values <= high) & (values == values.astype(self.dtype)))
        if wrong.any():
            raise ValueError(
                f"{name} must be {np.dtype(self.dtype).name} numbers from {_show(low)} to "
                f"{_show(high)}, got {values.tolist()}"
            )
        return values.astype(self.dtype)


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
class Linear(Effect):
    """Base class of numbers that drift within ranges: 0 and 1 are the ends of a range."""

    linear: ClassVar[bool] = True

    @override
    def values(self, means: FloatArray) -> Values:
        low, high = self.bounds(means.shape[-1])
        # Rounding may leave the range by a hair.
        return np.clip(low + (high - low) * means, low, high)

    @override
    def means(self, values: Values) -> FloatArray:
        low, high = self.bounds(values.shape[-1])
        return np.clip((values - low) / (high - low), 0.0, 1.0)

    @override
    def distance(self, values: Values, others: Values) -> FloatArray:
        """The largest move, as a share of its range."""
        low, high = self.bounds(values.shape[-1])
        moved: FloatArray = (np.abs(values - others) / (high - low)).max(axis=-1)
        return moved


@dataclass(frozen=True)
class Ranges(Linear):
    """Numbers that each have a range of their own.

    Args:
        low: Lower ends, (Q,).
        high: Upper ends, (Q,).
        own: Values that leave the environment as it is, (Q,).
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    own: tuple[float, ...]

    @override
    def neutral(self, size: int) -> Values:
        return np.array(self.own)

    @override
    def bounds(self, size: int) -> tuple[FloatArray, FloatArray]:
        return np.array(self.low), np.array(self.high)


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


def _show(bound: FloatArray) -> object:
    """One number where all are the same, which is usual."""
    numbers = bound.tolist()
    return numbers[0] if len(set(numbers)) == 1 else numbers
