"""Checks of arguments: each raises a one-line error that names the argument.

What they return is of Python's own types, so that equal arguments compare and print alike, however
they were given.
"""

from __future__ import annotations

import math
import reprlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_count(name: str, value: object, least: int) -> int:
    """Returns ``value`` as an int if it is an integer of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return int(value)


def check_count_or_none(name: str, value: object, least: int) -> int | None:
    """As :func:`check_count`, but None may be given, too."""
    return None if value is None else check_count(name, value, least)


def check_flag(name: str, value: object) -> bool:
    """Returns ``value`` as a bool if it is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def check_probability(name: str, value: object) -> float:
    """Returns ``value`` as a float if it is a number in [0, 1]."""
    number = _check_number(name, value)
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{name} must be a probability in [0, 1], got {value}")
    return number


def check_positive(name: str, value: object) -> float:
    """Returns ``value`` as a float if it is a positive finite number."""
    number = _check_number(name, value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name} must be positive and finite, got {value}")
    return number


def check_nonnegative(name: str, value: object) -> float:
    """Returns ``value`` as a float if it is a finite number of at least 0."""
    number = _check_number(name, value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{name} must be at least 0 and finite, got {value}")
    return number


def check_finite(name: str, value: object) -> float:
    """Returns ``value`` as a float if it is a finite number."""
    number = _check_number(name, value)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {value}")
    return number


def _check_number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    return float(value)


def check_numbers(name: str, value: object) -> NDArray[Any]:
    """Returns ``value`` as an array of integers or floats if it is numbers, in any shape."""
    try:
        array = np.array(value)
    except ValueError:  # rows of different lengths
        array = np.array(None)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be an array of numbers, got {in_short(value)}")
    return array


def in_short(value: object) -> str:
    """Any value in one short line, for messages."""
    return " ".join(reprlib.repr(value).split())


def assign(part: object, **values: object) -> None:
    """Sets fields of a frozen dataclass, for use in its ``__post_init__``."""
    for name, value in values.items():
        object.__setattr__(part, name, value)
