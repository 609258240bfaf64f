"""Pictures of the two-step task: the stage as text, and its arms as those of a bandit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bandit_rendering import BanditPicture


class TwoStepPicture(NamedTuple):
    """One step of one world.

    Attributes:
        step: Step within the episode.
        means: Means of all arms, those of state 1 first.
        place: State in which the step was taken.
        next_place: State to which it has led.
        action: The action, or -1 at the start of an episode.
        reward: What it paid.
        info: The info of this step.
    """

    step: int
    means: Sequence[float]
    place: int
    next_place: int
    action: int
    reward: float
    info: dict[str, Any]

    def draw(self, render_mode: str) -> str | NDArray[np.uint8]:
        """Text, or an image (160, width, 3) of uint8, as of a bandit.

        The best arm and the pulled one are those of the state; at the first stage, the best is that
        of all arms.
        """
        per_state = len(self.means) // 2
        first, arm, best = (self.place - 1) * per_state, -1, int(np.argmax(self.means))
        if self.place:
            arm = first + self.action % per_state
            best = first + int(self.info["optimal_action"])
        info = {**self.info, "optimal_action": best}
        bandit = BanditPicture(self.step, self.means, True, arm, self.reward, info)
        picture = bandit.draw(render_mode)
        if not isinstance(picture, str):
            return picture
        bars = picture.split("\n", 1)[1]
        done = "no action yet" if self.action < 0 else f"action {self.action} in state {self.place}"
        if self.action >= 0:
            end = f"led to state {self.next_place}" if not self.place else f"paid {self.reward:.0f}"
            done = f"{done} {end}, regret {self.info['regret']:.3f}"
        since = f"{self.info['steps_since_change']} steps old"
        if self.info["changed"]:
            since = "changed now"
        return f"step {self.step}: {done}; context {self.info['context']}, {since}\n{bars}"
