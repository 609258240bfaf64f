"""Effects say *what* of an environment a wrapper changes; ``schedules.py`` says when, drifts how.

The numbers that drifts move are the means of Bernoulli arms that nobody pulls: Q quantities in
[0, 1]. An effect turns them into values that an environment can be given: parameters, a
permutation, signs, factors. All work on arrays with any leading axes: (..., Q).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from ..drifts import Drift, InformativeArm, Mirror, Permute, Resample, SwapBest
from ..streams import FloatArray

Values = NDArray[Any]  # of the effect's dtype


@dataclass(frozen=True)
class Effect(ABC):
    """Base class.

    Attributes:
        default_drift: How the values change unless something else is asked for.
        dtype: Type of the values.
        linear: Whether values are a linear function of the quantities, each of its own one.
        permutes: Whether exchanging quantities moves the values anywhere, as ``Permute()`` does.
        mirrors: Whether quantities have another side, to which ``Mirror()`` turns them.
    """

    default_drift: ClassVar[Drift] = Resample()
    dtype: ClassVar[type[np.generic]] = np.float64
    linear: ClassVar[bool] = False
    permutes: ClassVar[bool] = False
    mirrors: ClassVar[bool] = False

    def check_drift(self, drift: Drift) -> None:
        """Raises ValueError if ``drift`` cannot move these values."""
        if drift.rested or isinstance(drift, (InformativeArm, SwapBest)):
            raise ValueError(f"drift must not depend on what is best or pulled, got {drift}")
        if drift.continuous and not self.linear:
            raise ValueError(f"drift must move in jumps for {self}, got {drift}")
        if isinstance(drift, Permute) and not self.permutes:
            raise ValueError(f"drift must not be Permute() for {self}: it exchanges what differs")
        if isinstance(drift, Mirror) and not self.mirrors:
            raise ValueError(f"drift must not be Mirror() for {self}, which has no other side")

    @abstractmethod
    def neutral(self, size: int) -> Values:
        """Values (Q,) that leave an environment as it is."""

    @abstractmethod
    def bounds(self, size: int) -> tuple[FloatArray, FloatArray]:
        """Least and largest values, (Q,) each."""

    @abstractmethod
    def values(self, means: FloatArray) -> Values:
        """Values (..., Q) of the quantities ``means`` (..., Q)."""

    @abstractmethod
    def means(self, values: Values) -> FloatArray:
        """Some quantities (..., Q) that have these ``values`` (..., Q)."""

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
class Linear(Effect):
    """Base class of numbers that drift within ranges: 0 and 1 are the ends of a range."""

    linear: ClassVar[bool] = True
    mirrors: ClassVar[bool] = True

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


def _show(bound: FloatArray) -> object:
    """One number where all are the same, which is usual."""
    numbers = bound.tolist()
    return numbers[0] if len(set(numbers)) == 1 else numbers
