"""Pictures of a step of the image curriculum."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_SCALE, _EDGE, _BAR = 8, 6, 12
_FRAME = (225, 225, 225)
_CHANGED = (210, 60, 50)
_RIGHT = (60, 160, 90)
_WRONG = (226, 130, 40)
_PAPER = (255, 255, 255)
_SHADES = " .:*#"


class CurriculumPicture(NamedTuple):
    """One step of one world.

    Attributes:
        step: Step within the episode.
        pixels: The image that was shown, (28, 28).
        num_active: Classes at this step.
        action: The answer, or -1 at the start of an episode.
        info: The info of this step.
    """

    step: int
    pixels: NDArray[np.uint8]
    num_active: int
    action: int
    info: dict[str, Any]

    def draw(self, render_mode: str) -> str | NDArray[np.uint8]:
        """Text, or an image (254, 236, 3) of uint8."""
        return _text(self) if render_mode == "ansi" else _image(self)


def _text(picture: CurriculumPicture) -> str:
    """A line about the step, then the image, a character for each two pixels below each other."""
    info, answer = picture.info, "no answer yet"
    if picture.action >= 0:
        right = "right" if picture.action == info["optimal_action"] else "wrong"
        answer = f"answer {picture.action}, {right}"
    since = "changed now" if info["changed"] else f"{info['steps_since_change']} steps old"
    pairs = picture.pixels.reshape(14, 2, 28).max(axis=1)
    rows = ("".join(_SHADES[shade] for shade in row) for row in (pairs // 52).tolist())
    head = f"step {picture.step}: label {info['optimal_action']} of {picture.num_active}, {answer}"
    return "\n".join([f"{head}; level {info['context']}, {since}", *rows]) + "\n"


def _image(picture: CurriculumPicture) -> NDArray[np.uint8]:
    """The image, above a bar: green for a right answer, orange for a wrong one, else white.

    The frame is red at a step at which classes have been added.
    """
    side = picture.pixels.shape[0] * _SCALE
    image = np.empty((side + _BAR + 3 * _EDGE, side + 2 * _EDGE, 3), dtype=np.uint8)
    image[:] = _CHANGED if picture.info["changed"] else _FRAME
    large = (255 - picture.pixels).repeat(_SCALE, axis=0).repeat(_SCALE, axis=1)
    image[_EDGE : _EDGE + side, _EDGE:-_EDGE] = large[..., None]
    color = _PAPER
    if picture.action >= 0:
        color = _RIGHT if picture.action == picture.info["optimal_action"] else _WRONG
    image[-_EDGE - _BAR : -_EDGE, _EDGE:-_EDGE] = color
    return image
