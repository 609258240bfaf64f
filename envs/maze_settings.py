"""The arguments of a shifting maze, checked, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, TypedDict

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from typing_extensions import Unpack, override

from . import maze_drifts
from .arguments import assign, check_count, check_flag, check_nonnegative
from .maze_drifts import MazeDrift, MoveGoal
from .maze_grid import LAYOUTS, NUM_DIRECTIONS, Grid
from .maze_options import EPISODE_KEYS, parse_episode
from .maze_trace import MazeEpisode
from .maze_world import MazeWorld
from .schedules import Periodic, Schedule
from .streams import Streams
from .world_settings import WorldSettings, parse_part

GOAL_REWARD = 10.0

# Places in an observation; the time, if shown, is the last.
VIEW, BIAS, REWARD, ACTION = slice(0, 9), 9, 10, slice(11, 15)

Drifts = MazeDrift | str | Mapping[str, Any] | Sequence[MazeDrift | str | Mapping[str, Any]]


class MazeArguments(TypedDict, total=False):
    """Keyword arguments of both environments; :class:`~.ShiftingMaze` describes them."""

    size: int
    layout: str
    schedule: Schedule | str | Mapping[str, Any]
    drift: Drifts
    wall_penalty: float
    random_start: bool
    time_scale: int | None
    max_episode_steps: int | None
    terminate_on_horizon: bool


@dataclass(frozen=True)
class MazeSettings(WorldSettings):
    """The arguments as the environments use them; see :class:`~.ShiftingMaze`."""

    episode_keys: ClassVar[tuple[str, ...]] = EPISODE_KEYS

    size: int = 9
    layout: str = "pillars"
    schedule: Schedule = field(default=Periodic(75, jitter=25))
    drift: tuple[MazeDrift, ...] = (MoveGoal(),)
    wall_penalty: float = 0.0
    random_start: bool = False
    time_scale: int | None = 250
    max_episode_steps: int | None = 250
    terminate_on_horizon: bool = False

    @classmethod
    def parse(cls, **arguments: Unpack[MazeArguments]) -> MazeSettings:
        """Reads the arguments as a user gives them.

        Raises:
            TypeError, ValueError: An argument, named in the message, is not what it must be.
        """
        return cls(**cls.read_dynamics(arguments))

    def __post_init__(self) -> None:
        """Checks that the settings fit together; equal ones then also print alike."""
        assign(
            self,
            size=Grid(self.size).size,
            wall_penalty=check_nonnegative("wall_penalty", self.wall_penalty),
            random_start=check_flag("random_start", self.random_start),
        )
        if self.layout not in LAYOUTS:
            names = " or ".join(f'"{name}"' for name in LAYOUTS)
            raise ValueError(f"layout must be {names}, got {self.layout!r}")
        if self.time_scale is not None:
            assign(self, time_scale=check_count("time_scale", self.time_scale, least=1))
        self.check_horizon()

    @cached_property
    def grid(self) -> Grid:
        """The ground plan."""
        return Grid(self.size)

    @property
    @override
    def num_actions(self) -> int:
        return NUM_DIRECTIONS

    @override
    def make_world(self, num_worlds: int, streams: Streams | None = None) -> MazeWorld:
        return MazeWorld(
            num_worlds,
            self.grid,
            self.layout,
            self.random_start,
            self.schedule,
            self.drift,
            streams,
        )

    @classmethod
    @override
    def parse_drift(cls, name: str, value: Drifts) -> tuple[MazeDrift, ...]:
        """Reads one drift or several."""
        several = isinstance(value, Sequence) and not isinstance(value, str)
        drifts: Any = value if several else [value]
        if not drifts:
            raise ValueError(f"{name} must have at least one drift, got {value!r}")
        return tuple(parse_part(name, drift, MazeDrift, maze_drifts) for drift in drifts)

    @override
    def parse_episode(
        self, world: MazeWorld, options: Mapping[str, Any], worlds: NDArray[np.int64]
    ) -> MazeEpisode:
        return parse_episode(world, options, worlds, self.max_episode_steps)

    @override
    def observation_space(self) -> spaces.Box:
        size = ACTION.stop + (self.time_scale is not None)
        low, high = np.zeros(size, dtype=np.float32), np.ones(size, dtype=np.float32)
        low[REWARD], high[REWARD] = -self.wall_penalty, GOAL_REWARD
        return spaces.Box(low, high, dtype=np.float32)

    def observation_rows(self) -> NDArray[np.float32]:
        """Observations (512 * 4, size) yet without reward and time.

        Row 4 * v + a shows the view v (:meth:`~.maze_grid.Grid.views`) after action a.
        """
        rows = np.zeros((512, NUM_DIRECTIONS, *self.observation_space().shape), np.float32)
        rows[..., VIEW] = (np.arange(512)[:, None, None] >> np.arange(9)) & 1
        rows[..., BIAS] = 1.0
        rows[..., ACTION] = np.eye(NUM_DIRECTIONS)
        return rows.reshape(-1, rows.shape[-1])
