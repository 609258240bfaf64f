"""The arguments of the two-step task, checked, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypedDict

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from typing_extensions import Unpack, override

from .arguments import assign, check_count, check_probability
from .arms import Arms
from .arms_world import ArmsEpisode
from .bandit_options import parse_episode
from .drifts import Drift, Permute, Recur
from .schedules import Hazard, Schedule
from .streams import Streams
from .two_step_world import TwoStepWorld
from .world_settings import WorldSettings

NUM_ACTIONS, NUM_STATES = 2, 3

# Places in an observation; the state comes first.
ACTION, REWARD, SIZE = NUM_STATES, NUM_STATES + NUM_ACTIONS, NUM_STATES + NUM_ACTIONS + 1


class TwoStepArguments(TypedDict, total=False):
    """Keyword arguments of both environments; :class:`~.TwoStep` describes them."""

    arms_per_state: int
    common: float
    mean_values: Sequence[float] | None
    schedule: Schedule | str | Mapping[str, Any]
    drift: Drift | str | Mapping[str, Any]
    max_episode_steps: int | None
    terminate_on_horizon: bool


@dataclass(frozen=True)
class TwoStepSettings(WorldSettings):
    """The arguments as the environments use them; see :class:`~.TwoStep`."""

    episode_keys: ClassVar[tuple[str, ...]] = ("means", "change_times", "schedule", "drift")

    arms_per_state: int = 1
    common: float = 0.8
    mean_values: tuple[float, ...] | None = (0.9, 0.1)
    schedule: Schedule = field(default=Hazard(0.025))
    drift: Drift = field(default=Permute())
    max_episode_steps: int | None = 200
    terminate_on_horizon: bool = False

    @classmethod
    def parse(cls, **arguments: Unpack[TwoStepArguments]) -> TwoStepSettings:
        """Reads the arguments as a user gives them.

        Raises:
            TypeError, ValueError: An argument, named in the message, is not what it must be.
        """
        values = cls.read_dynamics(arguments)
        if values.get("arms_per_state", 1) != 1:
            values.setdefault("mean_values", None)
        return cls(**values)

    def __post_init__(self) -> None:
        """Checks that the settings fit together; equal ones then also print alike."""
        arms_per_state = check_count("arms_per_state", self.arms_per_state, least=1)
        if arms_per_state > NUM_ACTIONS:
            raise ValueError(f"arms_per_state must be 1 or 2, got {arms_per_state}")
        arms = self.family
        self.drift.check(arms)
        assign(
            self,
            arms_per_state=arms_per_state,
            common=check_probability("common", self.common),
            mean_values=arms.mean_values,
        )
        if self.schedule.reactive:
            raise ValueError(f"schedule must not be reactive, got {self.schedule}")
        if self.drift.rested or isinstance(self.drift, Recur):
            raise ValueError(f"drift must not be rested or Recur, got {self.drift}")
        self.check_horizon()

    @override
    def check_schedule(self, horizon: int) -> None:
        if horizon % 2:
            raise ValueError(f"max_episode_steps must be even, got {horizon}")
        try:
            self.schedule.check_horizon(horizon // 2)
        except ValueError:
            raise ValueError(
                f"schedule must change before trial {horizon // 2}, got {self.schedule}"
            ) from None

    @property
    def family(self) -> Arms:
        """The arms behind both second-stage states."""
        return Arms(2 * self.arms_per_state, mean_values=self.mean_values)

    @property
    @override
    def num_actions(self) -> int:
        return NUM_ACTIONS

    @override
    def make_world(self, num_worlds: int, streams: Streams | None = None) -> TwoStepWorld:
        return TwoStepWorld(
            num_worlds,
            self.arms_per_state,
            self.common,
            self.family,
            self.schedule,
            self.drift,
            streams,
        )

    @override
    def parse_episode(
        self, world: TwoStepWorld, options: Mapping[str, Any], worlds: NDArray[np.int64]
    ) -> ArmsEpisode:
        episode = parse_episode(world, options, worlds, None)
        times, steps = episode.change_times, self.max_episode_steps
        if times is not None and steps is not None and (2 * times >= steps).any():
            raise ValueError(
                f"options['change_times'] must be trials below {steps // 2}, got {times.max()}"
            )
        return episode

    @override
    def observation_space(self) -> spaces.Box:
        """One-hot state, one-hot action, reward."""
        return spaces.Box(0.0, 1.0, (SIZE,), dtype=np.float32)
