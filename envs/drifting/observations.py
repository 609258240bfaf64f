"""Any environment whose observations change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from typing_extensions import Unpack, override

from .effect import Effect, Values
from .effects import Drop, Permutation, Scale, parse_effect
from .notices import notified_space
from .settings import DriftArguments
from .wrapper import DriftingWrapper, check_single


class ShiftingObservations(DriftingWrapper):
    """An environment whose observations change: entries change places, vanish, or change scale.

    With :class:`~.effects.Permutation` p, the default, entry i shows what entry ``p[i]`` of the
    wrapped environment's observation is, and a discrete observation s shows as ``p[s]``. With
    :class:`~.effects.Drop`, entries are 0 while they are dropped. With :class:`~.effects.Scale`,
    each entry has a factor.

    Args:
        env: The environment. Its observations are ``Box`` (of floats, for Scale), or ``Discrete``
            with two or more (for Permutation).
        effect: ``Permutation()``, ``Drop(probability)`` or ``Scale(low, high)``, also as text.
        arguments: See :class:`~.settings.DriftArguments`.

    The observation space has bounds that hold whatever the values are. ``change_size`` is the share
    of entries that changed (Scale: the largest move of a factor, as a share of its range).

    Raises:
        TypeError, ValueError: The observations are others, or an argument is wrong.
    """

    default_name: ClassVar[str] = "observations"

    def __init__(
        self,
        env: gym.Env[Any, Any],
        effect: Effect | str | Mapping[str, Any] = "Permutation()",
        **arguments: Unpack[DriftArguments],
    ) -> None:
        check_single(env, type(self).__name__)
        parsed = parse_effect(effect)
        self._lens = Lens(env.observation_space, parsed)
        super().__init__(env, parsed, self._lens.size, {"effect": effect}, **arguments)
        space = self._lens.space
        if self.settings.notify is not None:
            space = notified_space(self.settings, space)
        self.observation_space = space

    @override
    def _observation(self, observation: Any, values: Values) -> Any:
        return self._lens.one(observation, values)


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
            self.size, self._dtype = int(np.prod(space.shape)), space.dtype
            low, high = space.low, space.high
            if self._permutes:
                low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
            elif isinstance(effect, Drop):
                low, high = np.minimum(low, 0), np.maximum(high, 0)
            elif space.dtype.kind != "f":
                raise ValueError(f"observations must be floats for {effect}, got {space}")
            elif isinstance(effect, Scale):
                factors = np.array([effect.low, effect.high], dtype=space.dtype)
                low = np.minimum(low * factors[0], low * factors[1])
                high = np.maximum(high * factors[0], high * factors[1])
            self.space = spaces.Box(low, high, dtype=space.dtype.type)
        else:
            raise ValueError(f"observations must be Box or Discrete, got {space}")
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
