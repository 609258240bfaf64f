"""The frames of a film: worlds beside one another, what their players lose, and a line of text."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ...envs.bandit_rendering import BanditPicture
from ...envs.maze_rendering import MazePicture
from ...evaluation.figure_style import STYLE, label
from .bandit_scene import BanditScene
from .curve import CurvePanel, return_curve
from .maze_scene import MazeScene
from .recording import Game, Image
from .scenes import COLORS, NOTICE, ImageScene, Scene

SCENES: dict[type, type[Scene]] = {MazePicture: MazeScene, BanditPicture: BanditScene}
"""Scenes of the pictures that more is known of; everything else is an :class:`ImageScene`."""

MAX_PLAYERS = 3
"""Worlds that have room beside one another."""

# Everything is laid out in inches of a frame of this width, and scaled to its pixels.
WIDTH = 6.4
_EDGE, _GAP = 0.15, 0.3
_HEADER, _HEADING = 0.36, 0.3  # the line on top, and the one above each world
_FOOT, _CAPTION = 0.5, 0.3  # below an axis, and below a world without
_AXIS = 0.42  # labels on the left of an axis
_LETTER = 0.083  # mean width of one in a heading
_FEW = 4  # numbers, at most, that a caption has room for
_TEXT, _FAINT = "#222222", "#666666"


class Box(NamedTuple):
    """A rectangle in inches, from the lower left corner of the frame."""

    left: float
    bottom: float
    width: float
    height: float


class Layout(NamedTuple):
    """Where everything is.

    Attributes:
        height: of the frame.
        scenes: the worlds, side by side.
        curve: beside a single world, under several.
    """

    height: float
    scenes: list[Box]
    curve: Box


def lay_out(count: int, aspect: float, has_axis: bool) -> Layout:
    """Places for worlds of an aspect ratio; ``has_axis``: with labels to the left of each."""
    axis = _AXIS if has_axis else 0.0
    columns = max(2, count)
    column = (WIDTH - 2 * _EDGE - (columns - 1) * _GAP) / columns
    width = min(column - axis, column * aspect)
    height = width / aspect
    curve_height = max(height, 1.5) if count == 1 else 1.2
    curve_left = _EDGE + _AXIS
    total = _HEADER + _HEADING + curve_height + _FOOT
    if count == 1:
        curve_left += column + _GAP
    else:
        total += height + (_FOOT if has_axis else _CAPTION) + _HEADING
    curve = Box(curve_left, _FOOT, WIDTH - _EDGE - curve_left, curve_height)
    scenes = []
    for i in range(count):
        left = _EDGE + i * (column + _GAP) + axis + (column - axis - width) / 2
        scenes.append(Box(left, total - _HEADER - _HEADING - height, width, height))
    return Layout(total, scenes, curve)


class Frames:
    """The frames of a film, drawn one by one: as many as there are moments.

    What never changes is drawn once; a frame is what does, on top of that.

    Args:
        games: who played what, on the same world.
        title: on the left of the top line.
        size: width of a frame in pixels.
        notice: frames for which a change is pointed out.
    """

    def __init__(self, games: Sequence[Game], title: str, size: int = 640, notice: int = 6) -> None:
        self.games, self.notice = games, notice
        kind = SCENES.get(type(games[0].moments[0].picture), ImageScene)
        layout = lay_out(len(games), kind.aspect_of(games[0]), kind is BanditScene)
        dpi = size / WIDTH
        height = 2 * round(layout.height * dpi / 2) / dpi  # films need even numbers of pixels
        colors = COLORS[: len(games)]
        with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
            figure = Figure(figsize=(WIDTH, height), dpi=dpi, facecolor="white")
            self._canvas = FigureCanvasAgg(figure)
            self._panels = [
                _Panel(figure, box, kind, game, color)
                for box, game, color in zip(layout.scenes, games, colors, strict=True)
            ]
            self._curve = CurvePanel(add_axes(figure, layout.curve), games, colors)
            line: Any = {"va": "top", "color": _TEXT, "transform": figure.dpi_scale_trans}
            top = height - 0.14
            figure.text(
                _EDGE, top, shortened(title, WIDTH - 2.2), fontsize=10, fontweight="bold", **line
            )
            self._step = figure.text(WIDTH - _EDGE, top, "", ha="right", animated=True, **line)
            self._canvas.draw()
            self._still = self._canvas.copy_from_bbox(figure.bbox)

    def __len__(self) -> int:
        return max(len(game.moments) for game in self.games)

    def typical(self) -> list[int]:
        """Moments that show all colours: some of all times, and of changes."""
        changes = [game.changes[:3] for game in self.games]
        spread = np.linspace(0, len(self) - 1, 10).round()
        return sorted({int(t) for t in np.concatenate([spread, *changes])})

    def __getitem__(self, t: int) -> Image:
        """The frame of moment t, (height, width, 3)."""
        if not 0 <= t < len(self):
            raise IndexError(t)
        contexts = {game.at(t).info.get("context") for game in self.games}
        words = [f"step {t}"]
        if len(contexts) == 1 and None not in contexts:
            words.insert(0, f"context {contexts.pop()}")
        self._step.set_text("   ".join(words))
        changes = [game.recent_change(t, self.notice) for game in self.games]
        artists: list[Artist] = []
        for panel, change in zip(self._panels, changes, strict=True):
            artists += panel.show(t, change)
        artists += self._curve.show(t, max((c for c in changes if c is not None), default=None))
        self._canvas.restore_region(self._still)
        renderer = self._canvas.get_renderer()
        for artist in [*artists, self._step]:
            artist.draw(renderer)
        return np.asarray(self._canvas.buffer_rgba())[..., :3].copy()


class _Panel:
    """A world with its player's name above, a line about the moment below, and a frame."""

    def __init__(self, figure: Figure, box: Box, kind: type[Scene], game: Game, color: str) -> None:
        self.game = game
        curve = return_curve(game)
        self.returns = curve.y[curve.upto - 1]
        axes = add_axes(figure, box)
        self.scene = kind(axes, game, color)
        axes.set_title(shortened(label(game.name, None), box.width - 0.65), color=color)
        inches: Any = {"transform": figure.dpi_scale_trans, "animated": True, "fontsize": 8.5}
        right, top = box.left + box.width, box.bottom + box.height
        self.frame = Rectangle(
            box[:2], box.width, box.height, fill=False, ec=NOTICE, lw=3, animated=True
        )
        self.frame.set_transform(figure.dpi_scale_trans)
        figure.add_artist(self.frame)
        self.badge = figure.text(right, top + 0.1, "changed", ha="right", color=_TEXT, **inches)
        self.badge.set_bbox({"boxstyle": "round,pad=0.25", "facecolor": NOTICE, "linewidth": 0})
        below = box.bottom - self.scene.foot
        self.caption = figure.text(box.left, below, "", va="top", color=_FAINT, **inches)

    def show(self, t: int, change: int | None) -> list[Artist]:
        """Artists to draw at a moment, with a recent change; when a game is over, its end."""
        t = min(t, len(self.returns) - 1)
        words = [f"return {self.returns[t]:.4g}", *drifting_values(self.game.moments[t].info)]
        self.caption.set_text("   ".join(words))
        notice = [] if change is None else [self.frame, self.badge]
        return [*self.scene.show(t, change), *notice, self.caption]


def drifting_values(info: Mapping[str, Any]) -> list[str]:
    """What drifting wrappers say of their values, as far as there is room for it."""
    words = []
    for name, report in info.get("shifts", {}).items():
        values = report["values"]  # parameters by name, or of all actions, observations, rewards
        for key, value in (values if isinstance(values, dict) else {name: values}).items():
            if np.size(value) <= _FEW:
                words.append(f"{key} {' '.join(f'{number:.3g}' for number in np.ravel(value))}")
    return words


def shortened(text: str, inches: float) -> str:
    """A heading that is no wider."""
    room = int(inches / _LETTER)
    return text if len(text) <= room else f"{text[: room - 1]}…"


def add_axes(figure: Figure, box: Box) -> Axes:
    """Axes in a box."""
    width, height = figure.get_size_inches()
    return figure.add_axes(
        (box.left / width, box.bottom / height, box.width / width, box.height / height)
    )
