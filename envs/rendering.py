"""Pictures of a bandit's step: as text, and as an image drawn with numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

RENDER_MODES = ["ansi", "rgb_array"]

_HEIGHT, _BAR, _GAP, _EDGE = 160, 32, 12, 6
_PAPER = (255, 255, 255)
_GRID = (225, 225, 225)
_ARM = (150, 165, 190)
_BEST = (60, 160, 90)
_PULLED = (30, 30, 30)
_CHANGED = (210, 60, 50)


class Snapshot(NamedTuple):
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


def check_render_mode(render_mode: str | None) -> None:
    """Raises ValueError for a mode that is not known."""
    if render_mode is not None and render_mode not in RENDER_MODES:
        raise ValueError(f'render_mode must be None, "ansi" or "rgb_array", got {render_mode!r}')


def render(snapshot: Snapshot, render_mode: str) -> str | NDArray[np.uint8]:
    """Text, or an image (160, width, 3) of uint8."""
    return _text(snapshot) if render_mode == "ansi" else _image(snapshot)


def _heights(snapshot: Snapshot) -> NDArray[np.float64]:
    """Bar heights between 0 and 1."""
    means = np.asarray(snapshot.means)
    return np.clip(means if snapshot.bernoulli else (means + 3.0) / 6.0, 0.0, 1.0)


def _text(snapshot: Snapshot) -> str:
    """A line about the step, then a bar per arm: ``*`` marks the best, ``>`` the pulled one."""
    info, pulled = snapshot.info, "no pull yet"
    if snapshot.action >= 0:
        pulled = f"arm {snapshot.action} paid {snapshot.reward:.3g}, regret {info['regret']:.3f}"
    since = "changed now" if info["changed"] else f"{info['steps_since_change']} steps old"
    lines = [f"step {snapshot.step}: {pulled}; context {info['context']}, {since}"]
    for arm, (mean, height) in enumerate(zip(snapshot.means, _heights(snapshot), strict=True)):
        mark = (">" if arm == snapshot.action else " ") + (
            "*" if arm == info["optimal_action"] else " "
        )
        lines.append(f"{mark}{arm:3d} {mean:7.3f} {'#' * round(40 * float(height))}")
    return "\n".join(lines) + "\n"


def _image(snapshot: Snapshot) -> NDArray[np.uint8]:
    """A bar per arm, the best in green; a dark foot marks the pulled arm, its top edge the reward.

    The frame is red at a step at which the world has changed. The foot is tall for a reward of 1
    (or above the mean, for Gaussian arms), low otherwise.
    """
    num_arms = len(snapshot.means)
    width = 2 * _EDGE + _GAP + num_arms * (_BAR + _GAP)
    image = np.empty((_HEIGHT, width, 3), dtype=np.uint8)
    image[:] = _CHANGED if snapshot.info["changed"] else _GRID
    image[_EDGE:-_EDGE, _EDGE:-_EDGE] = _PAPER
    top, floor = 2 * _EDGE, _HEIGHT - 5 * _EDGE  # bars stand between these rows, feet below
    for quarter in range(5):
        image[floor - (floor - top) * quarter // 4, _EDGE:-_EDGE] = _GRID
    for arm, height in enumerate(_heights(snapshot)):
        left = _EDGE + _GAP + arm * (_BAR + _GAP)
        color = _BEST if arm == snapshot.info["optimal_action"] else _ARM
        image[floor - round((floor - top) * float(height)) : floor, left : left + _BAR] = color
        if arm == snapshot.action:
            paid = snapshot.reward > (0.0 if snapshot.bernoulli else snapshot.means[arm])
            foot = 3 * _EDGE if paid else _EDGE
            image[floor + 2 : floor + 2 + foot, left : left + _BAR] = _PULLED
    return image
