"""Pictures of a bandit's step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_HEIGHT, _BAR, _GAP, _EDGE = 160, 32, 12, 6
_PAPER = (255, 255, 255)
_GRID = (225, 225, 225)
_ARM = (150, 165, 190)
_BEST = (60, 160, 90)
_PULLED = (30, 30, 30)
_CHANGED = (210, 60, 50)


class BanditPicture(NamedTuple):
    """One step of one bandit.

    Attributes:
        step: Step within the episode.
        means: Means of the arms at this step.
        bernoulli: Whether they are probabilities; else they are drawn from -3 to 3.
        action: The arm pulled, or -1 at the start of an episode.
        reward: What it paid.
        info: The info of this step.
    """

    step: int
    means: Sequence[float]
    bernoulli: bool
    action: int
    reward: float
    info: dict[str, Any]

    def draw(self, render_mode: str) -> str | NDArray[np.uint8]:
        """Text, or an image (160, width, 3) of uint8."""
        return _text(self) if render_mode == "ansi" else _image(self)


def _heights(picture: BanditPicture) -> NDArray[np.float64]:
    """Bar heights between 0 and 1."""
    means = np.asarray(picture.means)
    return np.clip(means if picture.bernoulli else (means + 3.0) / 6.0, 0.0, 1.0)


def _text(picture: BanditPicture) -> str:
    """A line about the step, then a bar per arm: ``*`` marks the best, ``>`` the pulled one."""
    info, pulled = picture.info, "no pull yet"
    if picture.action >= 0:
        pulled = f"arm {picture.action} paid {picture.reward:.3g}, regret {info['regret']:.3f}"
    since = "changed now" if info["changed"] else f"{info['steps_since_change']} steps old"
    lines = [f"step {picture.step}: {pulled}; context {info['context']}, {since}"]
    for arm, (mean, height) in enumerate(zip(picture.means, _heights(picture), strict=True)):
        mark = (">" if arm == picture.action else " ") + (
            "*" if arm == info["optimal_action"] else " "
        )
        lines.append(f"{mark}{arm:3d} {mean:7.3f} {'#' * round(40 * float(height))}")
    return "\n".join(lines) + "\n"


def _image(picture: BanditPicture) -> NDArray[np.uint8]:
    """A bar per arm, the best in green; a dark foot marks the pulled arm, its top edge the reward.

    The frame is red at a step at which the world has changed. The foot is tall for a reward of 1
    (or above the mean, for Gaussian arms), low otherwise.
    """
    num_arms = len(picture.means)
    width = 2 * _EDGE + _GAP + num_arms * (_BAR + _GAP)
    image = np.empty((_HEIGHT, width, 3), dtype=np.uint8)
    image[:] = _CHANGED if picture.info["changed"] else _GRID
    image[_EDGE:-_EDGE, _EDGE:-_EDGE] = _PAPER
    top, floor = 2 * _EDGE, _HEIGHT - 5 * _EDGE  # bars stand between these rows, feet below
    for quarter in range(5):
        image[floor - (floor - top) * quarter // 4, _EDGE:-_EDGE] = _GRID
    for arm, height in enumerate(_heights(picture)):
        left = _EDGE + _GAP + arm * (_BAR + _GAP)
        color = _BEST if arm == picture.info["optimal_action"] else _ARM
        image[floor - round((floor - top) * float(height)) : floor, left : left + _BAR] = color
        if arm == picture.action:
            paid = picture.reward > (0.0 if picture.bernoulli else picture.means[arm])
            foot = 3 * _EDGE if paid else _EDGE
            image[floor + 2 : floor + 2 + foot, left : left + _BAR] = _PULLED
    return image
