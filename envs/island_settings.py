"""The arguments of the island transport, checked, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypedDict

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from typing_extensions import Unpack, override

from .arguments import assign, check_count, check_flag, check_nonnegative, check_positive
from .island_graphs import SPLITS, Graphs, draw_graphs, list_graphs
from .island_world import IslandEpisode, IslandWorld
from .options import parse_change_times, parse_integers
from .schedules import Never, Schedule
from .streams import Streams
from .world_settings import WorldSettings


class IslandArguments(TypedDict, total=False):
    """Keyword arguments of both environments; :class:`~.IslandTransport` describes them."""

    split: str
    num_graphs: int
    num_islands: int
    num_transports: int
    schedule: Schedule | str | Mapping[str, Any]
    reward: float
    penalty: float
    patience: int | None
    restart_timer: bool
    observe_reward: bool
    time_scale: int | None
    max_episode_steps: int | None
    terminate_on_horizon: bool


@dataclass(frozen=True)
class IslandSettings(WorldSettings):
    """The arguments as the environments use them; see :class:`~.IslandTransport`."""

    episode_keys: ClassVar[tuple[str, ...]] = (
        "graph",
        "destination",
        "position",
        "change_times",
        "schedule",
    )

    split: str = "train"
    num_graphs: int = 600
    num_islands: int = 5
    num_transports: int = 3
    schedule: Schedule = field(default=Never())
    reward: float = 10.0
    penalty: float = 0.05
    patience: int | None = None
    restart_timer: bool = False
    observe_reward: bool = False
    time_scale: int | None = 30
    max_episode_steps: int | None = 30
    terminate_on_horizon: bool = False

    @classmethod
    def parse(cls, **arguments: Unpack[IslandArguments]) -> IslandSettings:
        """Reads the arguments as a user gives them.

        Raises:
            TypeError, ValueError: An argument, named in the message, is not what it must be.
        """
        return cls(**cls.read_dynamics(arguments))

    def __post_init__(self) -> None:
        """Checks that the settings fit together; equal ones then also print alike."""
        if self.split not in SPLITS:
            names = " or ".join(f'"{name}"' for name in SPLITS)
            raise ValueError(f"split must be {names}, got {self.split!r}")
        islands = check_count("num_islands", self.num_islands, least=3)
        patience = islands if self.patience is None else self.patience
        assign(
            self,
            num_graphs=check_count("num_graphs", self.num_graphs, least=1),
            num_islands=islands,
            num_transports=check_count("num_transports", self.num_transports, least=2),
            reward=check_positive("reward", self.reward),
            penalty=check_nonnegative("penalty", self.penalty),
            patience=check_count("patience", patience, least=0),
            restart_timer=check_flag("restart_timer", self.restart_timer),
            observe_reward=check_flag("observe_reward", self.observe_reward),
        )
        if self.num_graphs < 2 and self.schedule != Never():
            raise ValueError(f"num_graphs must be at least 2 for changes, got {self.num_graphs}")
        if self.time_scale is not None:
            assign(self, time_scale=check_count("time_scale", self.time_scale, least=1))
        self.check_horizon()
        draw_graphs(self.split, islands, self.num_transports, self.num_graphs)  # are there as many?

    @property
    def graphs(self) -> Graphs:
        """The graphs of the split."""
        return draw_graphs(self.split, self.num_islands, self.num_transports, self.num_graphs)

    @property
    def listed_graphs(self) -> list[Any]:
        """Their parts as lists, shared by all environments."""
        return list_graphs(self.split, self.num_islands, self.num_transports, self.num_graphs)

    @property
    @override
    def num_actions(self) -> int:
        return self.num_transports

    @override
    def make_world(self, num_worlds: int, streams: Streams | None = None) -> IslandWorld:
        assert self.patience is not None
        return IslandWorld(
            num_worlds, self.graphs, self.schedule, self.patience, self.restart_timer, streams
        )

    @override
    def parse_episode(
        self, world: IslandWorld, options: Mapping[str, Any], worlds: NDArray[np.int64]
    ) -> IslandEpisode:
        count, horizon = world.num_worlds, self.max_episode_steps
        places: dict[str, NDArray[np.int64] | None] = {}
        for key, end in (
            ("graph", self.num_graphs),
            ("destination", self.num_islands),
            ("position", self.num_islands),
        ):
            if options.get(key) is None:
                places[key] = None
                continue
            name = f"options[{key!r}]"
            values = parse_integers(name, options[key], (), count)
            if ((values < 0) | (values >= end)).any():
                raise ValueError(f"{name} must be in [0, {end}), got {options[key]}")
            places[key] = values[worlds]
        destination, position = places["destination"], places["position"]
        if destination is not None and position is not None and (destination == position).any():
            raise ValueError("options['position'] must not be options['destination']")
        times = parse_change_times(options, count, worlds, horizon)
        if times is not None and times.size and self.num_graphs < 2:
            raise ValueError("options['change_times'] needs num_graphs of at least 2, got 1")
        return IslandEpisode(change_times=times, **places)

    @property
    def bias_index(self) -> int:
        """Place of the bias in an observation; reward and time, if shown, come after it."""
        return 2 * self.num_islands + self.num_transports

    @override
    def observation_space(self) -> spaces.Box:
        """Destination, position (I each) and last transport (A), one-hot; bias, reward, time."""
        size = self.bias_index + 2 + (self.time_scale is not None)
        low, high = np.zeros(size, dtype=np.float32), np.ones(size, dtype=np.float32)
        low[self.bias_index + 1], high[self.bias_index + 1] = -self.penalty, self.reward
        return spaces.Box(low, high, dtype=np.float32)
