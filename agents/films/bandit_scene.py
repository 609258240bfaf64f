"""A bandit's arms, with what the agent thinks of them."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ...envs.bandit_rendering import BanditPicture
from .recording import Game
from .scenes import GOOD, Scene

_MEAN = "#C3CBD8"


class BanditScene(Scene):
    """A bar per arm as high as its mean, the best one green; a triangle under the pulled one.

    The triangle is filled if the arm paid (more than its mean, where rewards are Gaussian). Beside
    the bars, where known, the probabilities with which the agent chose.
    """

    aspect = 1.15
    foot = 0.22

    def __init__(self, axes: Axes, game: Game, color: str) -> None:
        super().__init__(axes, game, color)
        self.pictures = [cast(BanditPicture, moment.picture) for moment in game.moments]
        bernoulli, num_arms = self.pictures[0].bernoulli, len(self.pictures[0].means)
        self.low, self.high = (0.0, 1.0) if bernoulli else (-3.0, 3.0)
        self.thinks = any(moment.probabilities is not None for moment in game.moments)
        arms = np.arange(num_arms)
        width = 0.5 if self.thinks else 0.7
        zeros = np.zeros(num_arms)
        left = arms - (0.15 if self.thinks else 0.0)
        self.bars = axes.bar(left, zeros, width, self.low, color=_MEAN, animated=True)
        self.beliefs = axes.bar(arms + 0.27, zeros, 0.2, self.low, color=color, animated=True)
        span = self.high - self.low
        axes.set(xlim=(-0.6, num_arms - 0.4))
        axes.set(ylim=(self.low - 0.12 * span, self.high + 0.17 * span))
        axes.set_yticks([self.low, (self.low + self.high) / 2, self.high])
        axes.set_xticks(arms if num_arms <= 12 else arms[::5])
        axes.tick_params(axis="x", length=0)
        axes.spines["left"].set_bounds(self.low, self.high)
        axes.spines["bottom"].set_visible(False)
        axes.axhline(self.low, color="#444444", linewidth=0.6)
        self.left, self.mark_height = left, self.low - 0.06 * span
        (self.mark,) = axes.plot([], [], "^", color=color, markersize=6, animated=True)
        self._explain(axes)

    def show(self, t: int, last_change: int | None) -> Sequence[Artist]:
        """See :meth:`Scene.show`."""
        picture, moment = self.pictures[t], self.game.moments[t]
        best = picture.info["optimal_action"]
        means: NDArray[np.float64] = np.asarray(picture.means)
        for arm, bar in enumerate(self.bars):
            bar.set_height(min(max(means[arm], self.low), self.high) - self.low)
            bar.set_facecolor(GOOD if arm == best else _MEAN)
        artists: list[Artist] = list(self.bars)
        if moment.probabilities is not None:
            span = self.high - self.low
            for bar, probability in zip(self.beliefs, moment.probabilities, strict=True):
                bar.set_height(probability * span)
            artists += list(self.beliefs)
        if picture.action >= 0:
            self.mark.set_data([self.left[picture.action]], [self.mark_height])
            paid = picture.reward > (0.0 if picture.bernoulli else means[picture.action])
            self.mark.set_markerfacecolor(self.color if paid else "white")
            artists.append(self.mark)
        return artists

    def _explain(self, axes: Axes) -> None:
        """A key above the bars."""
        words = [("mean", "#7A869A"), ("the best", GOOD)]
        if self.thinks:
            words.append(("probability of the agent", self.color))
        style: Any = {"xytext": (0, 0), "textcoords": "offset points", "fontsize": 8, "va": "top"}
        before: Any = axes.annotate("", (0.03, 0.97), xycoords="axes fraction", **style)
        for word, color in words:
            style["xytext"] = (8 if before.get_text() else 0, 0)
            before = axes.annotate(word, (1, 1), xycoords=before, color=color, **style)
