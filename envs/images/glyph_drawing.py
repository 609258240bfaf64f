"""Drawings of a made-up character: each time the pen moves a little differently.

Letters: K characters, D drawings of each, M strokes of all characters, T steps of a stroke, S
pixels of a side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .glyph_scripts import MOST_STROKES, Character
from .glyph_strokes import TIME, FloatArray, trace_path

SIDE = 105  # pixels of a drawing, those of Omniglot
MARGIN = 4

# What is random in a drawing: of the whole, size, width, turn, slant and place (2); of a stroke,
# heading in 4 and in 12 pieces, pace in 4, turn, length and place (2).
_WHOLE, _SLOW, _FAST = 6, 4, 12
_STROKE = _SLOW + _FAST + _SLOW + 4
NORMALS = _WHOLE + MOST_STROKES * _STROKE


def _hats(count: int) -> FloatArray:
    """Piecewise linear functions (count, T) of the time, each 1 at its knot and 0 at the others."""
    knots = np.arange(count)[:, None] / (count - 1)
    hats: FloatArray = np.maximum(0.0, 1.0 - (count - 1) * np.abs(TIME - knots))
    return hats


def draw(characters: list[Character], sizes: FloatArray, normals: FloatArray) -> NDArray[np.bool_]:
    """Drawings (K, D, S, S), True where there is ink.

    Args:
        characters: K characters.
        sizes: Side of each in pixels, (K,).
        normals: Standard normal random numbers, (K, D, NORMALS).
    """
    num_drawings = normals.shape[1]
    owner = np.repeat(np.arange(len(characters)), [len(c.strokes) for c in characters])  # (M,)
    place = np.concatenate([np.arange(len(c.strokes)) for c in characters])
    strokes = [stroke for character in characters for stroke in character.strokes]
    heading = np.stack([stroke.heading for stroke in strokes])[:, None]  # (M, 1, T)
    pace = np.stack([stroke.pace for stroke in strokes])[:, None]
    length = np.array([stroke.length for stroke in strokes])
    stretch = np.stack([c.stretch for c in characters])[owner] * sizes[owner][:, None]
    center = np.concatenate([c.centers for c in characters]) * sizes[owner][:, None]

    # (M, D, 24) random numbers of the strokes, cut into what they are for.
    own = normals[:, :, _WHOLE:].reshape(*normals.shape[:2], MOST_STROKES, _STROKE)[owner, :, place]
    slow, fast, tempo, rest = np.split(own, np.cumsum([_SLOW, _FAST, _SLOW]), axis=2)
    heading = heading + 0.13 * slow @ _hats(_SLOW) + 0.11 * fast @ _hats(_FAST)
    heading += 0.05 * rest[..., :1]
    pace = pace * np.exp(0.15 * tempo @ _hats(_SLOW))
    path = trace_path(heading, pace, length[:, None] * np.exp(0.08 * rest[..., 1]))
    path *= stretch[:, None, None]
    path += (center[:, None] - path.mean(axis=2) + 1.2 * rest[..., 2:])[:, :, None]

    x, y = _distort(path, normals[owner, :, :_WHOLE])
    return _ink(*_fit(x, y, owner), owner, (len(characters), num_drawings))


def _distort(path: FloatArray, whole: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Coordinates (M, D, T) after the changes (M, D, 6) that all strokes of a drawing share."""
    size, width, turn, slant, right, down = np.moveaxis(whole, 2, 0)[..., None]
    size, width = np.exp(0.11 * size), np.exp(0.08 * width)
    x, y = path[..., 0], path[..., 1]
    turn, slant = 0.06 * turn, 0.1 * slant
    return (
        size * (width * x + (slant - turn) * y) + 4.8 * right + SIDE / 2,
        size * (turn * x + y / width) + 4.8 * down + SIDE / 2,
    )


def _fit(x: FloatArray, y: FloatArray, owner: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """Moves drawings that stick out back onto the paper; cuts off what is too large for it."""
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    moved = []
    for part in (x, y):
        least = np.minimum.reduceat(part.min(axis=2), first)
        most = np.maximum.reduceat(part.max(axis=2), first)
        shift = (MARGIN - least).clip(0) - (most - (SIDE - 1 - MARGIN)).clip(0)
        moved.append((part + shift[owner][..., None]).clip(MARGIN, SIDE - 1 - MARGIN))
    return moved[0], moved[1]


def _ink(
    x: FloatArray, y: FloatArray, owner: NDArray[np.int64], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Draws points (M, D, T) with a round pen of five pixels, as that of Omniglot."""
    paper = np.zeros((*shape, SIDE, SIDE), dtype=bool)
    drawing = np.arange(shape[1])[:, None]
    paper[owner[:, None, None], drawing, y.round().astype(int), x.round().astype(int)] = True
    square = _thicken(_thicken(paper, 2), 3)
    return _thicken(square, 2) | _thicken(square, 3)


def _thicken(ink: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """Adds a pixel on either side along an axis; margins keep ink off the edges."""
    return ink | np.roll(ink, 1, axis) | np.roll(ink, -1, axis)
