"""Any environment whose actions change their meaning."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from typing_extensions import Unpack, override

from .effect import Effect, Values
from .effects import Flip, Permutation, parse_effect
from .settings import DriftArguments
from .wrapper import DriftingWrapper, check_single


class ShiftingActions(DriftingWrapper):
    """An environment whose actions change their meaning.

    With :class:`~.effects.Permutation` p, the default, the wrapped environment gets ``p[a]`` where
    the agent takes the discrete action a, or ``a[p[i]]`` in place of entry i of a ``Box`` action a.
    With :class:`~.effects.Flip`, entries of a ``Box`` action whose sign is -1 are mirrored in the
    middle of their bounds: ``low + high - a``.

    Args:
        env: The environment. Its actions are ``Discrete`` with two or more, or ``Box``: of two
            entries or more with the same bounds (Permutation), or with bounds that have a middle
            (Flip).
        effect: ``Permutation()`` or ``Flip()``, also as text.
        arguments: See :class:`~.settings.DriftArguments`. The default drift lets no discrete action
            keep its meaning at a change.

    ``change_size`` is the share of actions (of entries) whose meaning changed. Where the wrapped
    environment's info has an ``optimal_action`` or an ``action_mask``, they are put in terms of the
    agent's actions.

    Raises:
        TypeError, ValueError: The actions are others, or an argument is wrong.
    """

    default_name: ClassVar[str] = "actions"

    def __init__(
        self,
        env: gym.Env[Any, Any],
        effect: Effect | str | Mapping[str, Any] = "Permutation()",
        **arguments: Unpack[DriftArguments],
    ) -> None:
        check_single(env, type(self).__name__)
        parsed = parse_effect(effect)
        self._meaning = Meaning(env.action_space, parsed)
        super().__init__(env, parsed, self._meaning.size, {"effect": effect}, **arguments)

    def optimal_action(self) -> int:
        """The best action of the coming step, where the wrapped environment tells its own.

        Raises:
            AttributeError: It has no method ``optimal_action``.
            ValueError: The actions are not discrete.
        """
        if not self._meaning.discrete:
            raise ValueError(f"actions must be discrete, got {self.action_space}")
        inner = self.env.get_wrapper_attr("optimal_action")()
        return self._meaning.of(inner, self._rows[self._world.row][0])

    @override
    def _action(self, action: Any, values: Values) -> Any:
        return self._meaning.one(action, values)

    @override
    def _info(self, info: dict[str, Any], values: Values, ahead: Values) -> None:
        if not self._meaning.discrete:
            return
        optimal, mask = info.get("optimal_action"), info.get("action_mask")
        if optimal is not None:
            info["optimal_action"] = self._meaning.of(optimal, values)
        if isinstance(mask, np.ndarray) and mask.shape == values.shape:
            info["action_mask"] = mask[ahead]  # of the actions to come


class Meaning:
    """What actions of a space become in the wrapped environment.

    Args:
        space: The space of single actions.
        effect: What changes.

    Attributes:
        size: Quantities that the effect takes.
        discrete: Whether the actions are discrete.
        first: Least discrete action.

    Raises:
        ValueError: The effect cannot change such actions.
    """

    def __init__(self, space: spaces.Space[Any], effect: Effect) -> None:
        if not isinstance(effect, (Permutation, Flip)):
            raise ValueError(f"effect must be Permutation() or Flip(), got {effect}")
        self.discrete = isinstance(space, spaces.Discrete)
        self.first = 0
        self._permutes = isinstance(effect, Permutation)
        if isinstance(space, spaces.Discrete):
            self.size, self.first = int(space.n), int(space.start)
            if not self._permutes:
                raise ValueError(f"effect must be Permutation() for discrete actions, got {effect}")
        elif isinstance(space, spaces.Box):
            low, high = space.low.reshape(-1), space.high.reshape(-1)
            self.size, self._shape, self._dtype = low.size, space.shape, space.dtype
            if self._permutes and ((low != low[0]) | (high != high[0])).any():
                raise ValueError(f"actions must have the same bounds to change places, got {space}")
            # Bounds that are opposite have their middle at 0, infinite ones, too.
            self._low, self._high = low, high
            with np.errstate(invalid="ignore"):
                self._sum = np.where(low == -high, 0, low + high).astype(space.dtype)
            if not self._permutes and not np.isfinite(self._sum).all():
                raise ValueError(f"actions must have bounds with a middle to flip, got {space}")
        else:
            raise ValueError(f"actions must be Discrete or Box, got {space}")
        if self._permutes and self.size < 2:
            raise ValueError(f"actions must be two or more to change places, got {space}")

    def one(self, action: Any, values: Values) -> Any:
        """What an action becomes where the values are ``values`` (Q,)."""
        if self.discrete:
            try:
                index = operator.index(action) - self.first
            except TypeError:
                raise TypeError(f"action must be an integer, got {action!r}") from None
            if not 0 <= index < self.size:
                low, high = self.first, self.first + self.size
                raise ValueError(f"action must be in [{low}, {high}), got {action}")
            return int(values[index]) + self.first
        return self._box(np.asarray(action), values, self._shape)

    def of(self, inner: int, values: Values) -> int:
        """Which discrete action becomes ``inner`` where the values are ``values`` (Q,)."""
        return int((values == inner - self.first).argmax()) + self.first

    def many(self, actions: NDArray[Any], values: Values) -> NDArray[Any]:
        """What actions (N, ...) become where the values are ``values`` (N, Q)."""
        actions = np.asarray(actions)
        if self.discrete:
            indices = actions - self.first
            if indices.shape != values.shape[:1] or indices.dtype.kind not in "iu":
                raise ValueError(
                    f"actions must be integers of shape {values.shape[:1]}, got {actions!r}"
                )
            if ((indices < 0) | (indices >= self.size)).any():
                low, high = self.first, self.first + self.size
                raise ValueError(f"actions must be in [{low}, {high}), got {actions}")
            meant = values[np.arange(len(values)), indices] + self.first
            return meant.astype(actions.dtype)
        return self._box(actions, values, (len(values), *self._shape))

    def _box(self, action: NDArray[Any], values: Values, shape: tuple[int, ...]) -> NDArray[Any]:
        if action.shape != shape:
            raise ValueError(f"action must have shape {shape}, got {action.shape}")
        flat = action.reshape(values.shape)
        if self._permutes:
            return np.take_along_axis(flat, values, axis=-1).reshape(shape)
        mirrored = np.clip(self._sum - flat, self._low, self._high).astype(flat.dtype)
        return np.where(values < 0, mirrored, flat).reshape(shape)
