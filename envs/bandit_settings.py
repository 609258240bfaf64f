"""The arguments of a shifting bandit, checked, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypedDict

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from typing_extensions import Unpack, override

from .arguments import assign, check_count, check_flag
from .arms import Arms
from .arms_world import ArmsEpisode
from .bandit_options import EPISODE_KEYS, parse_episode
from .bandit_world import BanditWorld
from .drifts import Drift, Recur, Resample
from .schedules import Hazard, Schedule
from .stepwise_world import StepwiseWorld
from .streams import Streams
from .world_settings import WorldSettings


class BanditArguments(TypedDict, total=False):
    """Keyword arguments of both environments; :class:`~.ShiftingBandit` describes them."""

    num_arms: int
    arms: str
    noise_std: float
    dependent: bool
    mean_values: Sequence[float] | None
    schedule: Schedule | str | Mapping[str, Any]
    drift: Drift | str | Mapping[str, Any]
    num_contexts: int | None
    cue: str | None
    cue_size: int
    observe_time: bool
    max_episode_steps: int | None
    terminate_on_horizon: bool


@dataclass(frozen=True)
class BanditSettings(WorldSettings):
    """The arguments as the environments use them; see :class:`~.ShiftingBandit`."""

    episode_keys: ClassVar[tuple[str, ...]] = EPISODE_KEYS

    num_arms: int = 5
    arms: str = "bernoulli"
    noise_std: float = 1.0
    dependent: bool = False
    mean_values: tuple[float, ...] | None = None
    schedule: Schedule = field(default=Hazard(0.02))
    drift: Drift = field(default=Resample())
    num_contexts: int | None = None
    cue: str | None = None
    cue_size: int = 16
    observe_time: bool = False
    max_episode_steps: int | None = 200
    terminate_on_horizon: bool = False

    @classmethod
    def parse(cls, **arguments: Unpack[BanditArguments]) -> BanditSettings:
        """Reads the arguments as a user gives them.

        Raises:
            TypeError, ValueError: An argument, named in the message, is not what it must be.
        """
        values = cls.read_dynamics(arguments)
        contexts = values.get("num_contexts")
        if contexts is not None:
            drift = values.get("drift", Resample())
            if drift == Resample():
                values["drift"] = Recur(contexts)
            elif not (isinstance(drift, Recur) and drift.num_contexts == contexts):
                raise ValueError(f"num_contexts needs drift=Resample(), got {drift}")
        return cls(**values)

    def __post_init__(self) -> None:
        """Checks that the settings fit together; equal ones then also print alike."""
        check_count("num_arms", self.num_arms, least=2)
        arms, drift = self.family, self.drift
        drift.check(arms)
        assign(
            self,
            num_arms=arms.num_arms,
            noise_std=arms.noise_std,
            dependent=arms.dependent,
            mean_values=arms.mean_values,
            num_contexts=drift.num_contexts if isinstance(drift, Recur) else None,
            cue_size=check_count("cue_size", self.cue_size, least=1),
            observe_time=check_flag("observe_time", self.observe_time),
        )
        self.check_horizon()
        if self.cue not in (None, "one_hot", "barcode"):
            raise ValueError(f'cue must be None, "one_hot" or "barcode", got {self.cue!r}')
        if self.cue is not None and not isinstance(self.drift, Recur):
            raise ValueError(f"cue={self.cue!r} needs contexts that recur: set num_contexts")
        if self.cue == "barcode" and isinstance(self.drift, Recur):
            # With at least twice as many codes as contexts, distinct codes are found quickly.
            contexts = self.drift.num_contexts
            least = (contexts - 1).bit_length() + 1
            if self.cue_size < least:
                raise ValueError(
                    f"cue_size must be at least {least} for {contexts} contexts, "
                    f"got {self.cue_size}"
                )
        if self.observe_time and self.max_episode_steps is None:
            raise ValueError("observe_time=True needs max_episode_steps, got None")

    @property
    def family(self) -> Arms:
        """The reward family."""
        return Arms(self.num_arms, self.arms, self.noise_std, self.dependent, self.mean_values)

    @property
    @override
    def num_actions(self) -> int:
        return self.num_arms

    @override
    def make_world(self, num_worlds: int, streams: Streams | None = None) -> BanditWorld:
        kind = StepwiseWorld if self.schedule.reactive or self.drift.rested else BanditWorld
        return kind(
            num_worlds,
            self.family,
            self.schedule,
            self.drift,
            self.cue,
            self.cue_size,
            streams,
        )

    @override
    def replaced(self, values: Mapping[str, Any]) -> BanditSettings:
        drift = values.get("drift", self.drift)
        if drift != self.drift and any(isinstance(d, Recur) for d in (drift, self.drift)):
            raise ValueError(f"options['drift'] cannot replace {self.drift} by {drift}")
        return super().replaced(values)

    @override
    def parse_episode(
        self, world: BanditWorld, options: Mapping[str, Any], worlds: NDArray[np.int64]
    ) -> ArmsEpisode:
        return parse_episode(world, options, worlds, self.max_episode_steps)

    @override
    def observation_space(self) -> spaces.Box:
        """One-hot action (A), reward, start flag, time if observed, cue if any."""
        unit = (0.0, 1.0)
        reward = unit if self.family.bernoulli else (-np.inf, np.inf)
        bounds = [unit] * self.num_arms + [reward, unit] + [unit] * self.observe_time
        if self.cue == "one_hot" and isinstance(self.drift, Recur):
            bounds += [unit] * self.drift.num_contexts
        elif self.cue == "barcode":
            size = 1.0 / np.sqrt(self.cue_size)
            bounds += [(-size, size)] * self.cue_size
        low, high = np.array(bounds, dtype=np.float32).T
        return spaces.Box(low, high, dtype=np.float32)
