"""The worlds behind the two-step task, as array functions over N worlds at once.

The reward probabilities behind both second-stage states are those of one bandit, whose steps are
the trials.

Letters: N worlds, n of them at work, K arms of each second-stage state, B steps of a block,
L = B + 1 rows (see ``blocks.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from .arms import Arms
from .arms_world import ArmsEpisode
from .bandit_world import BanditWorld
from .blocks import BoolArray, IntArray, Segments
from .drifts import Drift
from .schedules import Schedule
from .streams import DrawArrays, FloatArray, Streams
from .trace import ROWS, Trace

FIRST_STAGE = 0  # the second-stage states are 1 and 2


class Choices(NamedTuple):
    """What a step has done in N worlds, arrays (N,).

    Attributes:
        rewards: What it paid.
        regret: Best expected reward of the trial from here, minus that after the action.
        optimal: The best action, the first of equals.
    """

    rewards: FloatArray
    regret: FloatArray
    optimal: IntArray


class TwoStepWorld(BanditWorld):
    """N two-step tasks with their own random streams, stepped together.

    Args:
        num_worlds: N.
        arms_per_state: K.
        common: Probability of a common transition.
        arms: The 2 K arms, those of state 1 first.
        schedule: When their means change, in trials.
        drift: How they change.
        streams: Random streams to take over from other worlds; by default new ones.
    """

    steps_per_trial = 2
    saved: tuple[str, ...] = (*BanditWorld.saved, "place")

    def __init__(
        self,
        num_worlds: int,
        arms_per_state: int,
        common: float,
        arms: Arms,
        schedule: Schedule,
        drift: Drift,
        streams: Streams | None = None,
    ) -> None:
        super().__init__(num_worlds, arms, schedule, drift, streams=streams)
        self.arms_per_state = arms_per_state
        self.common = common
        self.place = np.zeros(num_worlds, dtype=np.int64)

    # ------------------------------------------------------------------ a step

    def play(self, actions: IntArray) -> Choices:
        """Takes the actions and ends the step; the info of its row stays."""
        noise, first = self.trace.noise[self.row], self.place == FIRST_STAGE
        lead, own = self._outlook()
        arm = actions % self.arms_per_state
        mean = own[self.everyone, arm]
        optimal = np.where(first, lead < 0.0, own.argmax(axis=1)).astype(np.int64)
        lost = np.where(actions == optimal, 0.0, np.abs(lead))
        regret = np.where(first, lost, own.max(axis=1) - mean)
        rewards = np.where(first, 0.0, noise < mean)
        # The noise of a first stage, which pays nothing, says whether its transition is common.
        leads_to = 1 + np.where(noise < self.common, actions, 1 - actions)
        self.place = np.where(first, leads_to, FIRST_STAGE)
        self.tick(actions)
        return Choices(rewards, regret, optimal)

    def _outlook(self) -> tuple[FloatArray, FloatArray]:
        """How much better action 0 is at the first stage (N,), and means (N, K) at the second.

        At the first stage, the means are those of state 1.
        """
        means = self.trace.means[self.row].reshape(self.num_worlds, 2, self.arms_per_state)
        values = means.max(axis=2)
        # Q(0) - Q(1), with Q(a) = common * value of its state + (1 - common) * that of the other.
        lead = (2.0 * self.common - 1.0) * (values[:, 0] - values[:, 1])
        return lead, means[self.everyone, np.maximum(self.place - 1, 0)]

    @override
    def optimal(self) -> IntArray:
        lead, own = self._outlook()
        best = np.where(self.place == FIRST_STAGE, lead < 0.0, own.argmax(axis=1))
        return best.astype(np.int64)

    # ------------------------------------------------------------------ drawing ahead

    @override
    def _begin(
        self, worlds: IntArray, draws: list[DrawArrays], episode: ArmsEpisode | None
    ) -> None:
        super()._begin(worlds, draws, episode)
        self.place[worlds] = FIRST_STAGE

    @override
    def _fill_rows(
        self,
        trace: Trace,
        worlds: IntArray,
        context: IntArray,
        since: IntArray,
        flags: BoolArray,
        steps: DrawArrays,
    ) -> None:
        """Works out the trials as steps of a bandit; blocks begin with a first stage."""
        by_trial = steps[0][1::2], steps[1][1::2]
        super()._fill_rows(trace, worlds, context, since, flags[1::2], by_trial)
        for name in ("means", "best", "optimal", "context"):
            setattr(trace, name, np.repeat(getattr(trace, name), 2, axis=0)[:ROWS])
        trace.since = Segments(flags).steps_since(since)

    # ------------------------------------------------------------------ saving

    @override
    def check_state(
        self, state: Mapping[str, NDArray[Any]], over: BoolArray, horizon: int | None
    ) -> None:
        super().check_state(state, over, horizon)
        place, steps = state["place"], state["clock"] - state["first"]
        if ((place < 0) | (place > 2)).any():
            raise ValueError(f"state['place'] must be 0, 1 or 2, got {place.tolist()}")
        if ((place == FIRST_STAGE) != (steps % 2 == 0))[~over].any():
            raise ValueError("state['place'] must be 0 at the first step of a trial only")
