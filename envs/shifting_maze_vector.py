"""Many shifting mazes, stepped together with numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from typing_extensions import Unpack, override

from .maze_rendering import MazePicture
from .maze_settings import ACTION, GOAL_REWARD, REWARD, MazeArguments, MazeSettings
from .maze_world import MazeWorld
from .mazes import Mazes
from .world_vector_env import Observations, Play, WorldVectorEnv


class ShiftingMazeVector(WorldVectorEnv[MazeSettings, MazeWorld]):
    """N of :class:`ShiftingMaze`, stepped together.

    Sub-environment i of ``reset(seed=s)`` equals ``ShiftingMaze`` after ``reset(seed=s + i)`` bit
    for bit, in the episodes that follow by themselves too. Spaces, rewards, infos and options are
    those of :class:`ShiftingMaze`, with a leading axis (num_envs,); every key of the info is there
    at every step.

    Args:
        num_envs: N, the number of sub-environments.
        render_mode: As for the scalar environment; ``render()`` returns a tuple of N pictures.
        autoreset_mode: What happens after the end of an episode; see
            :class:`ShiftingBanditVector`.
        arguments: Those of :class:`ShiftingMaze`.

    ``reset(options={"reset_mask": mask})`` resets only where ``mask`` (num_envs,) is True; the
    observations elsewhere are the latest ones, and in the info ``"_" + key`` says which entries
    are set. ``reset(seed=...)`` also takes a list of N seeds.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **arguments: Unpack[MazeArguments],
    ) -> None:
        settings = MazeSettings.parse(**arguments)
        super().__init__(num_envs, settings, render_mode, autoreset_mode)
        self._rows = settings.observation_rows()
        # For pictures: the mazes of the last step, the cells before and after it.
        self._mazes, self._before, self._after = self._look()

    # ------------------------------------------------------------------ inside

    @override
    def _play(self, actions: NDArray[np.int64]) -> Play:
        world, row = self._world, self._world.row
        if self.render_mode is not None:
            self._mazes, self._before, _ = self._look()
        before = world.position
        moves = world.play(actions)
        self._after = moves.cell
        rewards = np.zeros(self.num_envs)
        rewards[moves.hit] = GOAL_REWARD
        if self.settings.wall_penalty:
            rewards -= (moves.cell == before) * self.settings.wall_penalty
        infos = self._infos(row, moves.regret, moves.optimal)
        if self.render_mode is not None:
            self._take_pictures(world.everyone, row, actions, rewards, infos)
        observations = self._rows.take(world.scene + actions, axis=0)
        observations[:, REWARD] = rewards
        self._show_time(observations, world.everyone)
        return observations, rewards, infos

    @override
    def _first_observations(self, worlds: NDArray[np.int64]) -> Observations:
        observations = self._rows.take(self._world.scene[worlds], axis=0)
        observations[:, ACTION] = 0.0
        self._show_time(observations, worlds)
        return observations

    @override
    def _first_infos(self) -> dict[str, Any]:
        if self.render_mode is not None:
            self._mazes, self._before, self._after = self._look()
        return super()._first_infos()

    def _show_time(self, observations: Observations, worlds: NDArray[np.int64]) -> None:
        world, scale = self._world, self.settings.time_scale
        if scale is not None:
            observations[:, -1] = np.minimum((world.clock - world.first[worlds]) / scale, 1.0)

    def _look(self) -> tuple[Mazes, NDArray[np.int64], NDArray[np.int64]]:
        """The mazes at the current step, and twice where the agents are."""
        return self._world.now(), self._world.position, self._world.position

    @override
    def _picture(
        self, index: int, row: int, action: int, reward: float, info: dict[str, Any]
    ) -> MazePicture:
        world = self._world
        return MazePicture.of(
            self.settings.size,
            self._mazes.take(index),
            step=int(world.clock - world.first[index]) - (action >= 0),
            cells=(int(self._before[index]), int(self._after[index])),
            action=action,
            reward=reward,
            info=info,
        )
