"""Checks of arguments: each raises a one-line error that names the argument."""

from __future__ import annotations

import math

import numpy as np


def check_count(name: str, value: object, least: int) -> int:
    """Returns ``value`` as an int if it is an integer of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return int(value)


def check_probability(name: str, value: float) -> None:
    """Accepts numbers in [0, 1]."""
    _check_number(name, value)
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} must be a probability in [0, 1], got {value}")


def check_positive(name: str, value: float) -> None:
    """Accepts positive finite numbers."""
    _check_number(name, value)
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be positive and finite, got {value}")


def check_finite(name: str, value: float) -> None:
    """Accepts finite numbers."""
    _check_number(name, value)
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")


def _check_number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, got {value!r}")
