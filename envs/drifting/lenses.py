"""What observations look like through an effect: all of them, or one part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from .effect import Effect, Values
from .effects import Drop, Permutation, Scale


def make_lens(space: spaces.Space[Any], effect: Effect, part: str | int | None) -> Lens | PartLens:
    """The lens for observations of ``space``, or for one part of them.

    Raises:
        ValueError: The effect cannot change such observations, or they have no such part.
    """
    return Lens(space, effect) if part is None else PartLens(space, effect, part)


class Lens:
    """What observations of a space look like through an effect.

    Args:
        space: The space of single observations.
        effect: What changes.

    Attributes:
        size: Quantities that the effect takes.
        space: The space of what is seen.

    Raises:
        ValueError: The effect cannot change such observations.
    """

    def __init__(self, space: spaces.Space[Any], effect: Effect) -> None:
        if not isinstance(effect, (Permutation, Drop, Scale)):
            raise ValueError(f"effect must be Permutation, Drop or Scale, got {effect}")
        self._permutes = isinstance(effect, Permutation)
        self._discrete = isinstance(space, spaces.Discrete)
        self.space: spaces.Space[Any]
        if isinstance(space, spaces.Discrete):
            self.size, self._first, self.space = int(space.n), int(space.start), space
            if not self._permutes:
                raise ValueError(f"observations must be a Box for {effect}, got {space}")
        elif isinstance(space, spaces.Box):
            self.size = int(np.prod(space.shape))
            low, high = space.low, space.high
            if self._permutes:
                low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
            elif isinstance(effect, Drop):
                low, high = np.minimum(low, 0), np.maximum(high, 0)
            elif space.dtype.kind != "f":
                raise ValueError(f"observations must be floats for {effect}, got {space}")
            elif isinstance(effect, Scale):
                factors = np.array([effect.low, effect.high], dtype=space.dtype)
                with np.errstate(over="ignore"):  # bounds that are as large as can be
                    low = np.minimum(low * factors[0], low * factors[1])
                    high = np.maximum(high * factors[0], high * factors[1])
            self.space = spaces.Box(low, high, dtype=space.dtype.type)
        else:
            hint = ": name one with part" if isinstance(space, spaces.Dict | spaces.Tuple) else ""
            raise ValueError(f"observations must be Box or Discrete, got {space}{hint}")
        if self._permutes and self.size < 2:
            raise ValueError(f"observations must be two or more to change places, got {space}")

    def one(self, observation: Any, values: Values) -> Any:
        """What an observation looks like where the values are ``values`` (Q,)."""
        if self._discrete:
            return int(values[observation - self._first]) + self._first
        return self._box(np.asarray(observation), values)

    def many(self, observations: NDArray[Any], values: Values) -> NDArray[Any]:
        """What observations (N, ...) look like where the values are ``values`` (N, Q)."""
        if self._discrete:
            seen = values[np.arange(len(values)), observations - self._first] + self._first
            return seen.astype(observations.dtype)
        return self._box(observations, values)

    def _box(self, observation: NDArray[Any], values: Values) -> NDArray[Any]:
        flat = observation.reshape(values.shape)
        if self._permutes:
            seen = np.take_along_axis(flat, values, axis=-1)
        else:
            seen = flat * values.astype(flat.dtype)
        return seen.reshape(observation.shape)


class PartLens:
    """As :class:`Lens`, for one part of observations that are a ``Dict`` or a ``Tuple``."""

    def __init__(self, space: spaces.Space[Any], effect: Effect, part: str | int) -> None:
        parts: Mapping[Any, spaces.Space[Any]] = {}
        if isinstance(space, spaces.Dict):
            parts = space.spaces
        elif isinstance(space, spaces.Tuple):
            parts = dict(enumerate(space.spaces))
        if part not in parts or isinstance(part, bool):
            known = ", ".join(map(repr, parts)) or "None, as observations have no parts"
            raise ValueError(f"part must be {known}, got {part!r}")
        self._part, self._lens = part, Lens(parts[part], effect)
        self.size = self._lens.size
        seen = {**parts, part: self._lens.space}
        self.space: spaces.Space[Any] = (
            spaces.Dict(seen)
            if isinstance(space, spaces.Dict)
            else spaces.Tuple(tuple(seen.values()))
        )

    def one(self, observation: Any, values: Values) -> Any:
        """See :meth:`Lens.one`."""
        return self._with_part(observation, self._lens.one(observation[self._part], values))

    def many(self, observations: Any, values: Values) -> Any:
        """See :meth:`Lens.many`; a dict or tuple of arrays (N, ...)."""
        return self._with_part(observations, self._lens.many(observations[self._part], values))

    def _with_part(self, observation: Any, seen: Any) -> Any:
        if isinstance(observation, Mapping):
            return {**observation, self._part: seen}
        return tuple(seen if i == self._part else part for i, part in enumerate(observation))
