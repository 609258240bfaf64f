"""What a pen does in one stroke: where it heads, and how fast, from the stroke's start to its end.

A stroke is T steps of equal duration. ``heading`` (T,) is an angle, 0 to the right and a quarter
turn down; ``pace`` (T,) is the length of each step, as a share of the mean.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

STEPS = 96  # T
TIME: FloatArray = (np.arange(STEPS) + 0.5) / STEPS


class Stroke(NamedTuple):
    """A stroke without its place.

    Attributes:
        heading: Angle of each step (T,), in radians.
        pace: Relative length of each step (T,).
        length: Length of the whole, as a share of a character's usual size.
        straight: Whether it is a plain line.
    """

    heading: FloatArray
    pace: FloatArray
    length: float
    straight: bool = False

    def path(self) -> FloatArray:
        """Points (T, 2), x to the right and y down, from the origin on."""
        return trace_path(self.heading, self.pace, np.array(self.length))


def trace_path(heading: FloatArray, pace: FloatArray, length: FloatArray) -> FloatArray:
    """Points (..., T, 2) of strokes (..., T) of the given length (...), from the origin on."""
    step = pace * (length / STEPS)[..., None]
    path = np.empty((*heading.shape, 2))
    np.cumsum(step * np.cos(heading), axis=-1, out=path[..., 0])
    np.cumsum(step * np.sin(heading), axis=-1, out=path[..., 1])
    return path


# Usual length of each kind of stroke, and how often a script has it.
KINDS: dict[str, tuple[float, float]] = {
    "line": (1.0, 6.0),
    "arc": (1.0, 4.0),
    "hook": (1.1, 3.0),
    "corner": (1.1, 2.5),
    "cup": (1.4, 2.0),
    "zigzag": (1.3, 0.6),
    "bend": (1.2, 1.3),
    "ring": (1.2, 1.5),
    "loop": (1.7, 1.3),
    "spiral": (1.8, 0.3),
    "bumps": (1.6, 0.7),
    "wave": (1.0, 0.5),
}


def make_stroke(kind: str, start: float, scale: float, u: FloatArray) -> Stroke:
    """A stroke of this kind.

    Args:
        kind: One of ``KINDS``.
        start: Heading at its start.
        scale: Its length, as a multiple of the usual one.
        u: Five numbers from 0 to 1 that shape it; the first says to which side it turns.
    """
    t, half_turn = TIME, np.pi
    pace = np.ones(STEPS)
    if kind == "line":
        turn = 0.0 * t
    elif kind == "arc":
        turn = (0.5 + 0.7 * u[1]) * half_turn * t
    elif kind == "hook":  # straight, then round
        turn = (0.5 + 0.6 * u[1]) * half_turn * _ease(t, 0.45 + 0.3 * u[2], 1.0)
    elif kind == "corner":
        turn = (0.35 + 0.4 * u[1]) * half_turn * (t > 0.35 + 0.3 * u[2])
    elif kind == "cup":  # two corners to the same side
        first, second = t > 0.28 + 0.12 * u[2], t > 0.6 + 0.12 * u[3]
        turn = (0.4 + 0.2 * u[1]) * half_turn * (first + 1.0 * second)
    elif kind == "zigzag":  # two corners, to either side
        first, second = t > 0.25 + 0.15 * u[2], t > 0.6 + 0.15 * u[3]
        turn = (0.5 + 0.3 * u[1]) * half_turn * (first - (0.8 + 0.4 * u[4]) * second)
    elif kind == "bend":  # round to one side, then to the other
        turn = (0.6 + 0.5 * u[1]) * half_turn * (1.0 - (1.0 + 0.3 * u[2]) * np.abs(1 - 2 * t))
    elif kind == "ring":
        turn = (2.0 + 0.1 * u[1]) * half_turn * t
    elif kind == "loop":  # straight, a full turn, straight
        begin = 0.2 + 0.3 * u[1]
        turn = (1.6 + 0.5 * u[2]) * half_turn * _ease(t, begin, begin + 0.45)
    elif kind == "spiral":
        turn = (2.2 + 0.8 * u[1]) * half_turn * t
        pace = 1.5 - 1.0 * t
    elif kind == "bumps":  # arcs with cusps between them
        turn = (0.75 + 0.25 * u[1]) * half_turn * (t * (3 if u[2] < 0.3 else 2) % 1.0)
    elif kind == "wave":
        turn = (0.3 + 0.2 * u[1]) * half_turn * np.sin(np.pi * (3 if u[2] < 0.4 else 2) * t)
    else:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    side = 1.0 if u[0] < 0.5 else -1.0
    return Stroke(start + side * turn, pace, KINDS[kind][0] * scale, kind == "line")


def _ease(t: FloatArray, begin: float, end: float) -> FloatArray:
    """From 0 before ``begin`` to 1 after ``end``, smoothly."""
    x = ((t - begin) / (end - begin)).clip(0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)
