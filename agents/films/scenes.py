"""Worlds as parts of a film's frame: what is drawn of a moment, on matplotlib axes."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from ...envs.rendering import Picture
from ...evaluation.figure_style import PALETTE
from .recording import Game, Image

GOOD = PALETTE[2]
"""The goal, the best arm."""
COLORS = tuple(color for color in PALETTE if color != GOOD)
"""Of the players."""
NOTICE = "#F0E442"
"""What has just changed. The one colour of Okabe & Ito's that no line has, as it is too pale."""


class Scene(ABC):
    """The world of one player, in a box of its own.

    Args:
        axes: the box.
        game: what is shown in it.
        color: the player's.

    Attributes:
        aspect: width of the box over its height.
        foot: inches below it that its own labels take.
    """

    aspect: float = 1.0
    foot: float = 0.06

    def __init__(self, axes: Axes, game: Game, color: str) -> None:
        self.axes, self.game, self.color = axes, game, color

    @classmethod
    def aspect_of(cls, game: Game) -> float:
        """Width over height of the box that a game needs."""
        return cls.aspect

    @abstractmethod
    def show(self, t: int, last_change: int | None) -> Sequence[Artist]:
        """Artists to draw, from the lowest to the uppermost, as they are at a moment.

        Args:
            t: which moment.
            last_change: the moment of a change to point out, or None.
        """


def image_of(picture: Picture | Image) -> Image:
    """An image (height, width, 3)."""
    if isinstance(picture, np.ndarray):
        return picture
    image = picture.draw("rgb_array")
    assert isinstance(image, np.ndarray)
    return image


class ImageScene(Scene):
    """Whatever the world draws itself."""

    def __init__(self, axes: Axes, game: Game, color: str) -> None:
        super().__init__(axes, game, color)
        axes.set_axis_off()
        self.image = axes.imshow(image_of(game.moments[0].picture), animated=True)

    @classmethod
    def aspect_of(cls, game: Game) -> float:
        """See :meth:`Scene.aspect_of`."""
        height, width = image_of(game.moments[0].picture).shape[:2]
        return width / height

    def show(self, t: int, last_change: int | None) -> Sequence[Artist]:
        """See :meth:`Scene.show`."""
        self.image.set_data(image_of(self.game.moments[t].picture))
        return [self.image]
