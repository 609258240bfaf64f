"""What the players have lost, or won, up to a moment of a film."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from .recording import Game
from .scenes import NOTICE


class Curve(NamedTuple):
    """A line over the moments of a game.

    Attributes:
        x: moments, with those of breaks twice more.
        y: values; NaN where the line breaks.
        upto: how many points there are up to each moment, (T + 1,).
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    upto: NDArray[np.int64]


def has_regret(games: Sequence[Game]) -> bool:
    """Whether the world tells the regret of every step, and somebody has any."""
    regrets = [moment.info.get("regret") for game in games for moment in game.moments[1:]]
    return None not in regrets and any(regrets)


def regret_curve(game: Game) -> Curve:
    """Regret of all steps up to each moment."""
    steps = [0.0] + [float(moment.info["regret"]) for moment in game.moments[1:]]
    moments = np.arange(len(steps))
    return Curve(moments.astype(np.float64), np.cumsum(steps), moments + 1)


def return_curve(game: Game) -> Curve:
    """Return of the running episode up to each moment; it starts at zero again in the next."""
    x, y, upto, total = [0.0], [0.0], [1], 0.0
    for t, moment in enumerate(game.moments[1:], 1):
        total += moment.reward
        x.append(t)
        y.append(total)
        upto.append(len(x))
        if moment.done:
            total = 0.0
            x += [t, t]
            y += [np.nan, total]
    return Curve(np.array(x), np.array(y), np.array(upto))


class CurvePanel:
    """The curves of all games, and a mark wherever a world has changed.

    A change at step t (counted from 0) comes before the step, so that its mark is at t, where the
    curve has the sum of the t steps before it.

    Args:
        axes: where.
        games: whose.
        colors: their colours.
    """

    def __init__(self, axes: Axes, games: Sequence[Game], colors: Sequence[str]) -> None:
        regret = has_regret(games)
        self.curves = [(regret_curve if regret else return_curve)(game) for game in games]
        changes = [[t - 1 for t in game.changes] for game in games]
        together = all(times == changes[0] for times in changes)
        self.marks: list[tuple[int, str]] = sorted(
            (step, "#999999" if together else color)
            for times, color in zip(changes[:1] if together else changes, colors, strict=False)
            for step in times
        )
        low = min(float(np.nanmin(curve.y)) for curve in self.curves)
        high = max(float(np.nanmax(curve.y)) for curve in self.curves)
        room = 0.06 * (high - low) or 1.0
        last = max(len(game.moments) for game in games) - 1
        axes.set(xlim=(0, last), ylim=(low - (room if low < 0 else 0), high + room))
        axes.set(title="Regret so far" if regret else "Return of the episode", xlabel="step")
        axes.locator_params(nbins=5, steps=[1, 2, 5, 10])
        axes.grid(axis="y")
        self.lines, self.tips = [], []
        tip: Any = {"markersize": 4.5, "clip_on": False, "animated": True}
        mark: Any = {"linestyle": (0, (1, 2)), "linewidth": 0.9, "animated": True}
        for color in colors:
            self.lines += axes.plot([], [], color=color, animated=True)
            self.tips += axes.plot([], [], "o", color=color, **tip)
        # One line for all marks of a colour: a world may change at each of a thousand steps.
        self.mark_lines = {
            color: axes.plot([], [], color=color, **mark)[0] for _, color in self.marks
        }
        whole_height = axes.get_xaxis_transform()
        self.band = Rectangle((0, 0), 1, 1, color=NOTICE, lw=0, transform=whole_height)
        self.band.set_animated(True)
        axes.add_patch(self.band)
        self.axes = axes

    def show(self, t: int, last_change: int | None) -> Sequence[Artist]:
        """Artists to draw at a moment, as :meth:`Scene.show` gives them."""
        artists: list[Artist] = []
        if last_change is not None:
            width = max(1.0, self.axes.get_xlim()[1] / 120)
            self.band.set_x(last_change - 1 - width / 2)
            self.band.set_width(width)
            artists.append(self.band)
        low, high = self.axes.get_ylim()
        for color, line in self.mark_lines.items():
            steps = [step for step, of in self.marks if step < t and of == color]
            line.set_data(np.repeat(steps, 3), np.tile([low, high, np.nan], len(steps)))
            artists.append(line)
        for curve, line, tip in zip(self.curves, self.lines, self.tips, strict=True):
            upto = curve.upto[min(t, len(curve.upto) - 1)]
            line.set_data(curve.x[:upto], curve.y[:upto])
            tip.set_data(curve.x[upto - 1 : upto], curve.y[upto - 1 : upto])
            artists += [line, tip]
        return artists
