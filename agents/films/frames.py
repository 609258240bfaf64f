"""The frames of a film: worlds beside one another, what their players lose, and a line of text."""

from collections.abc import Sequence
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
from ...evaluation.figure_style import PALETTE, STYLE, label
from .bandit_scene import BanditScene
from .curve import CurvePanel, noticed_change
from .maze_scene import MazeScene
from .recording import Game, Image
from .scenes import NOTICE, ImageScene, Scene

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
    """Places for ``count`` worlds of an aspect ratio, which may need room for the labels of axes."""
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
    """

    def __init__(self, games: Sequence[Game], title: str, size: int = 640) -> None:
        self.games = games
        kind = SCENES.get(type(games[0].moments[0].picture), ImageScene)
        layout = lay_out(len(games), kind.aspect_of(games[0]), kind is BanditScene)
        dpi = size / WIDTH
        height = 2 * round(layout.height * dpi / 2) / dpi  # films need even numbers of pixels
        colors = PALETTE[: len(games)]
        with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
            figure = Figure(figsize=(WIDTH, height), dpi=dpi, facecolor="white")
            self._canvas = FigureCanvasAgg(figure)
            self._panels = [
                _Panel(figure, box, kind, game, color)
                for box, game, color in zip(layout.scenes, games, colors, strict=True)
            ]
            self._curve = CurvePanel(add_axes(figure, layout.curve), games, colors)
            line = {"va": "top", "color": _TEXT, "transform": figure.dpi_scale_trans}
            top = height - 0.14
            figure.text(_EDGE, top, title, fontsize=10, fontweight="bold", **line)
            self._step = figure.text(WIDTH - _EDGE, top, "", ha="right", animated=True, **line)
            self._canvas.draw()
            self._still = self._canvas.copy_from_bbox(figure.bbox)

    def __len__(self) -> int:
        return max(len(game.moments) for game in self.games)

    def __getitem__(self, t: int) -> Image:
        """The frame of moment t, (height, width, 3)."""
        if not 0 <= t < len(self):
            raise IndexError(t)
        contexts = {
            game.moments[min(t, len(game.moments) - 1)].info.get("context") for game in self.games
        }
        self._step.set_text(f"step {t}")
        if len(contexts) == 1 and None not in contexts:
            self._step.set_text(f"context {contexts.pop()}   step {t}")
        noticed = [panel.change(t) for panel in self._panels]
        artists = [artist for panel in self._panels for artist in panel.show(t)]
        artists += self._curve.show(t, max((n for n in noticed if n is not None), default=None))
        self._canvas.restore_region(self._still)  # type: ignore[attr-defined]
        renderer = self._canvas.get_renderer()
        for artist in [*artists, self._step]:
            artist.draw(renderer)
        return np.asarray(self._canvas.buffer_rgba())[..., :3].copy()


class _Panel:
    """A world with its player's name above, a line about the moment below, and a frame."""

    def __init__(self, figure: Figure, box: Box, kind: type[Scene], game: Game, color: str) -> None:
        self.game = game
        self.changes = game.changes()
        axes = add_axes(figure, box)
        self.scene = kind(axes, game, color)
        axes.set_title(label(game.name, None), color=color)
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

    def change(self, t: int) -> int | None:
        """The moment of a change to point out at moment t."""
        return noticed_change(self.changes, t)

    def show(self, t: int) -> list[Artist]:
        """Artists to draw at a moment; a game that is over stays as it ended."""
        t = min(t, len(self.game.moments) - 1)
        change = self.change(t)
        self.caption.set_text(describe(self.game, t))
        notice = [] if change is None else [self.frame, self.badge]
        return [*self.scene.show(t, change), *notice, self.caption]


def describe(game: Game, t: int) -> str:
    """The line below a world: what was won in this episode, and parameters that drift."""
    first = max((s for s in range(1, t + 1) if game.moments[s - 1].done), default=1)
    total = sum(moment.reward for moment in game.moments[first : t + 1])
    words = [f"return {total:.4g}"]
    for report in game.moments[t].info.get("shifts", {}).values():
        if isinstance(report["values"], dict):
            words += [f"{name} {value:.3g}" for name, value in report["values"].items()]
    return "   ".join(words)


def add_axes(figure: Figure, box: Box) -> Axes:
    """Axes in a box."""
    width, height = figure.get_size_inches()
    return figure.add_axes(
        (box.left / width, box.bottom / height, box.width / width, box.height / height)
    )
