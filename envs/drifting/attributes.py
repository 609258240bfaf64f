"""Numeric attributes of an environment: checked, set, and put back."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# Attributes that follow from others: CartPole keeps them beside its masses and its length. They
# are kept up to date wherever an environment has all three and the equation holds.
DERIVED: dict[str, tuple[Callable[[Any, Any], Any], str, str]] = {
    "total_mass": (operator.add, "masspole", "masscart"),
    "polemass_length": (operator.mul, "masspole", "length"),
}


class Attributes:
    """Named numbers of an environment, and what follows from them.

    Args:
        env: The unwrapped environment.
        names: Attributes that are going to be set.

    Attributes:
        own: Their values as they are, in the order of ``names``.
        integer: Which of them are integers.

    Raises:
        ValueError: An attribute does not exist, cannot be set, or follows from others.
        TypeError: An attribute is not a number.
    """

    def __init__(self, env: Any, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.integer = tuple(
            isinstance(getattr(env, name, None), (int, np.integer)) for name in names
        )
        derived = [name for name in DERIVED if _follows(env, name)]
        for name in names:
            _check(env, name)
            if name in derived:
                _, *sources = DERIVED[name]
                raise ValueError(f"{name!r} follows from {' and '.join(sources)}: let those drift")
        self.own = tuple(getattr(env, name) for name in names)
        self._derived = [name for name in derived if {*DERIVED[name][1:]} & {*names}]
        self._before = {name: getattr(env, name) for name in (*names, *self._derived)}
        self._in_class = {name for name in self._before if name not in _own_dict(env)}
        for name, value in zip(names, self.own, strict=True):
            try:
                setattr(env, name, value)
            except AttributeError:
                raise ValueError(f"{name!r} of {env} cannot be set") from None
        self.restore(env)

    def set(self, env: Any, values: Sequence[Any]) -> None:
        """Sets the attributes to ``values``, numbers or arrays, and updates what follows."""
        for name, value in zip(self.names, self.cast(values), strict=True):
            setattr(env, name, value)
        for name in self._derived:
            combine, first, second = DERIVED[name]
            setattr(env, name, combine(getattr(env, first), getattr(env, second)))

    def cast(self, values: Sequence[Any]) -> list[Any]:
        """The values as they are set: integers where the attribute was one."""
        return [
            _to_integer(value) if integer else value
            for value, integer in zip(values, self.integer, strict=True)
        ]

    def restore(self, env: Any) -> None:
        """Puts everything back as it was."""
        for name, value in self._before.items():
            if name in self._in_class and name in _own_dict(env):
                delattr(env, name)  # it hides the class's
            else:
                setattr(env, name, value)


def _own_dict(env: Any) -> dict[str, Any]:
    """An environment's own attributes, where it has any beside slots."""
    return getattr(env, "__dict__", {})


def _check(env: Any, name: object) -> None:
    if not isinstance(name, str) or not hasattr(env, name):
        # Those of its class, too, but nothing that is computed when it is asked for.
        named = sorted({*_own_dict(env), *dir(type(env))})
        known = [key for key in named if _is_number(inspect.getattr_static(env, key))]
        raise ValueError(
            f"{env} has no attribute {name!r}; its numbers are {', '.join(known) or 'none'}"
        )
    value = getattr(env, name)
    if not _is_number(value):
        raise TypeError(f"{name!r} of {env} must be a finite number, got {value!r}")


def _is_number(value: object) -> bool:
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(
        value, bool
    )
    return number and math.isfinite(value)  # type: ignore[arg-type]


def _to_integer(value: Any) -> Any:
    return value.astype(np.int64) if isinstance(value, np.ndarray) else int(value)


def _follows(env: Any, name: str) -> bool:
    """Whether a derived attribute is there, with what it follows from, and follows from it."""
    combine, first, second = DERIVED[name]
    numbers = [getattr(env, part, None) for part in (name, first, second)]
    return all(map(_is_number, numbers)) and numbers[0] == combine(*numbers[1:])
