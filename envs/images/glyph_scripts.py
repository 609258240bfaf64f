"""Made-up scripts: characters put together from the few strokes that their script has.

Everything is decided by uniform random numbers, one after another, so that the first characters of
a script are the same however many are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .glyph_strokes import KINDS, STEPS, FloatArray, Stroke, make_stroke

MOST_STROKES = 6
NUM_SHAPES = 9  # strokes that a script has to choose from
TRIES = 10  # characters drawn up before the least faulty is taken

_RIGHT, _DOWN = 0.0, np.pi / 2
_STRAIGHT = np.zeros(5)
_CELLS = 16  # faults are judged on a grid of so many cells a side


class Character(NamedTuple):
    """Strokes, centred in a square of side 1.

    Attributes:
        strokes: One to ``MOST_STROKES`` of them.
        stretch: Factors (2,) of their points that make them fill the square.
        centers: Mean of each one's points after that, (len(strokes), 2).
    """

    strokes: list[Stroke]
    stretch: FloatArray
    centers: FloatArray


class Script:
    """What the characters of one script have in common.

    Args:
        rng: Where all its random numbers come from.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._random = rng.random
        # Each script does without most kinds of strokes, and some shapes are far more frequent.
        taste = [weight * float(self._random()) ** 2 for _, weight in KINDS.values()]
        slant, diagonal = 0.2 * (self._random() - 0.5), self._random() < 0.4
        self._shapes = [self._make_shape(taste, slant, diagonal) for _ in range(NUM_SHAPES)]
        self._frequency = [1.0 / np.sqrt(1.0 + index) for index in range(NUM_SHAPES)]
        self._counts = [w * (0.4 + self._random()) for w in (1.2, 3.5, 2.5, 0.8, 0.2)]
        self._cursive = 0.5 * self._random()
        self._mark = ("none", "bar", "stem", "rings", "dot")[self._pick([5.0, 2.0, 2.0, 1.0, 1.5])]
        self._made: list[NDArray[np.bool_]] = []

    def next_character(self) -> Character:
        """Draws up some characters and takes the first without faults, or the least faulty."""
        best: tuple[float, Character, NDArray[np.bool_]] | None = None
        for _ in range(TRIES):
            strokes, paths = self._compose()
            stretch, paths = _fit(paths)
            faults, cells = self._judge(strokes, paths)
            if best is None or faults < best[0]:
                centers = np.array([path.mean(axis=0) for path in paths])
                best = faults, Character(strokes, stretch, centers), cells
            if faults == 0.0:
                break
        assert best is not None
        self._made.append(best[2])
        return best[1]

    # ------------------------------------------------------------------ putting together

    def _pick(self, weights: Sequence[float]) -> int:
        """An index, with probabilities in proportion to ``weights``."""
        total = np.cumsum(weights)
        return int(np.searchsorted(total, self._random() * total[-1], side="right"))

    def _make_shape(self, taste: Sequence[float], slant: float, diagonal: bool) -> Stroke:
        kind = list(KINDS)[self._pick(taste)]
        if kind == "line":
            headings = (_RIGHT, _DOWN, _DOWN / 2, 3 * _DOWN / 2)[: 4 if diagonal else 2]
            start = headings[self._pick((1.0, 1.5, 1.0, 1.0)[: len(headings)])]
            start += slant * (start > _RIGHT) + 0.1 * (self._random() - 0.5)
        else:
            start = self._pick([1.0] * 4) * _DOWN + slant + 0.25 * (self._random() - 0.5)
        return make_stroke(kind, start, 0.75 + 0.5 * self._random(), self._random(5))

    def _compose(self) -> tuple[list[Stroke], list[FloatArray]]:
        """Strokes and their points, neither centred nor of the right size."""
        strokes: list[Stroke] = []
        paths: list[FloatArray] = []

        def add(stroke: Stroke, path: FloatArray) -> None:
            strokes.append(stroke)
            paths.append(path)

        if self._mark == "stem" and self._random() < 0.7:
            stem = make_stroke("line", _DOWN, 1.0 + 0.3 * self._random(), _STRAIGHT)
            add(stem, stem.path())
        for _ in range(1 + self._pick(self._counts) - len(strokes)):
            stroke = self._shapes[self._pick(self._frequency)]
            chance = self._random()
            if not strokes:
                add(stroke, stroke.path())
            elif chance < self._cursive:  # the pen goes on from where it was
                turn = strokes[-1].heading[-1] - stroke.heading[0]
                stroke = stroke._replace(heading=stroke.heading + turn, straight=False)
                path = stroke.path()
                add(stroke, path + (paths[-1][-1] - path[0]))
            elif chance < self._cursive + 0.08:  # the same again
                add(strokes[-1], paths[-1] + self._beside(paths[-1], paths))
            else:
                stroke = stroke._replace(length=stroke.length * (0.5 + 0.5 * self._random()))
                path = stroke.path()
                attached = self._random() < 0.85
                add(stroke, path + (self._onto if attached else self._beside)(path, paths))
        self._add_mark(strokes, paths)
        return strokes, paths

    def _onto(self, path: FloatArray, others: list[FloatArray]) -> FloatArray:
        """How to move a stroke onto the start, the middle or the end of another."""
        other = others[self._pick([1.0] * len(others))]
        point = (0, STEPS // 4, STEPS // 2, 3 * STEPS // 4, -1)[self._pick([3, 1, 2, 1, 3])]
        own = (0, STEPS // 2, -1)[self._pick([5, 2, 2])]
        move: FloatArray = other[point] - path[own]
        return move

    def _beside(self, path: FloatArray, others: list[FloatArray]) -> FloatArray:
        """How to move a stroke next to all the others, where there is more room."""
        (low, high), (first, last) = _box(others), _box([path])
        move = (low + high - first - last) / 2
        axis = int(high[0] - low[0] > high[1] - low[1])
        gap = 0.1 + 0.1 * self._random()
        if self._random() < 0.7:
            move[axis] = high[axis] + gap - first[axis]
        else:
            move[axis] = low[axis] - gap - last[axis]
        return move

    def _add_mark(self, strokes: list[Stroke], paths: list[FloatArray]) -> None:
        """What a script adds to all or many of its characters."""
        low, high = _box(paths)
        if self._mark == "bar":
            width = max(high[0] - low[0] + 0.2, 0.7)
            spots = [((low[0] + high[0] - width) / 2, low[1])]
            added = make_stroke("line", _RIGHT, width, _STRAIGHT)
        elif self._mark == "rings":
            added = make_stroke("ring", _RIGHT, 0.3, np.full(5, 0.3))
            spots = [tuple(paths[0][0]), tuple(paths[-1][-1])]
        elif self._mark == "dot" and self._random() < 0.6:
            added = make_stroke("ring", _RIGHT, 0.05, np.full(5, 0.3))
            x, y = low + (high - low) * self._random(2)
            if self._random() < 0.5:
                y = (low[1] - 0.2, high[1] + 0.2)[self._pick([1.0, 1.0])]
            spots = [(x, y)]
        else:
            return
        for spot in spots[: MOST_STROKES - len(strokes)]:
            path = added.path()
            offset = path[0] if self._mark == "bar" else path.mean(axis=0)
            strokes.append(added)
            paths.append(path - offset + spot)

    # ------------------------------------------------------------------ judging

    def _judge(
        self, strokes: list[Stroke], paths: list[FloatArray]
    ) -> tuple[float, NDArray[np.bool_]]:
        """How faulty a character is (0 if not at all), and what it fills, coarsely.

        Faults are: a single line, all in one line, strokes too small or on top of one another,
        coils, and too much likeness to an earlier character of the script.
        """
        low, high = _box(paths)
        faults = 1.0 * (len(strokes) == 1 and strokes[0].straight)
        faults += max(0.0, 0.45 - (high - low).min())
        filled = np.zeros((_CELLS, _CELLS), dtype=bool)
        each = 0
        for path in paths:
            cell = ((path + 0.5) * _CELLS).astype(np.int64).clip(0, _CELLS - 1)
            own = np.zeros_like(filled)
            own[cell[:, 1], cell[:, 0]] = True
            count = int(np.count_nonzero(own))
            length = float(np.hypot(*np.diff(path, axis=0).T).sum())
            faults += max(0.0, 0.3 - length) * (length > 0.12)  # but dots are small
            faults += max(0.0, length * _CELLS / count - 1.6)
            each += count
            np.logical_or(filled, own, out=filled)
        faults += max(0.0, 1.0 - np.count_nonzero(filled) / each - 0.25)
        coarse = np.logical_or.reduce(filled.reshape(_CELLS // 2, 2, -1, 2), axis=(1, 3))
        for made in self._made:
            common = np.count_nonzero(made & coarse) / np.count_nonzero(made | coarse)
            faults += max(0.0, common - 0.5)
        return faults, coarse


def _box(paths: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Least and greatest coordinates (2,) of all points."""
    low = np.min([path.min(axis=0) for path in paths], axis=0)
    high = np.max([path.max(axis=0) for path in paths], axis=0)
    return low, high


def _fit(paths: list[FloatArray]) -> tuple[FloatArray, list[FloatArray]]:
    """Factors (2,) that make the points fill the unit square around the origin, and the points.

    What is flat or narrow is stretched by no more than a quarter, and what is tiny stays small.
    """
    low, high = _box(paths)
    extent = np.maximum(high - low, 0.01)
    most = 1.0 / max(float(extent.max()), 0.4)
    stretch: FloatArray = np.minimum(1.0 / np.maximum(extent, 0.4), 1.25 * most)
    return stretch, [(path - (low + high) / 2) * stretch for path in paths]
