"""Many island transports, stepped together with numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from typing_extensions import Unpack, override

from .island_rendering import IslandPicture
from .island_settings import IslandArguments, IslandSettings
from .island_world import IslandWorld
from .world_vector_env import Observations, Play, WorldVectorEnv


class IslandTransportVector(WorldVectorEnv[IslandSettings, IslandWorld]):
    """N of :class:`IslandTransport`, stepped together.

    Sub-environment i of ``reset(seed=s)`` equals ``IslandTransport`` after ``reset(seed=s + i)``
    bit for bit, in the episodes that follow by themselves too. Spaces, rewards, infos and options
    are those of :class:`IslandTransport`, with a leading axis (num_envs,); every key of the info is
    there at every step.

    Args:
        num_envs: N, the number of sub-environments.
        render_mode: As for the scalar environment; ``render()`` returns a tuple of N pictures.
        autoreset_mode: What happens after the end of an episode; see
            :class:`ShiftingBanditVector`.
        arguments: Those of :class:`IslandTransport`.

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
        **arguments: Unpack[IslandArguments],
    ) -> None:
        settings = IslandSettings.parse(**arguments)
        super().__init__(num_envs, settings, render_mode, autoreset_mode)
        # For pictures: destinations and islands before the last step, and islands after it.
        self._trip = self._look()

    # ------------------------------------------------------------------ inside

    @override
    def _play(self, actions: NDArray[np.int64]) -> Play:
        world, settings, row = self._world, self.settings, self._world.row
        destination, before, _ = self._look()
        trips = world.play(actions)
        self._trip = destination, before, trips.to
        rewards = np.where(trips.reached, settings.reward, 0.0)
        rewards[trips.refused] = -settings.penalty
        infos = self._infos(row, trips.regret, trips.optimal)
        if self.render_mode is not None:
            self._take_pictures(world.everyone, row, actions, rewards, infos)
        observations = self._show(world.everyone)
        observations[world.everyone, 2 * settings.num_islands + actions] = ~trips.expired
        if settings.observe_reward:
            observations[:, settings.bias_index + 1] = rewards
        return observations, rewards, infos

    def _show(self, worlds: NDArray[np.int64]) -> Observations:
        """Observations (n, ...) yet without the last transport and reward."""
        world, settings, everyone = self._world, self.settings, np.arange(len(worlds))
        observations = np.zeros((len(worlds), self._observations.shape[1]), dtype=np.float32)
        observations[everyone, world.destination[worlds]] = 1.0
        observations[everyone, settings.num_islands + world.position[worlds]] = 1.0
        observations[:, settings.bias_index] = 1.0
        if settings.time_scale is not None:
            steps = world.clock - world.first[worlds]
            observations[:, -1] = np.minimum(steps / settings.time_scale, 1.0)
        return observations

    @override
    def _first_observations(self, worlds: NDArray[np.int64]) -> Observations:
        return self._show(worlds)

    @override
    def _first_infos(self) -> dict[str, Any]:
        self._trip = self._look()
        return super()._first_infos()

    def _look(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Destinations at the current step, and twice where the agents are."""
        return self._world.destination, self._world.position, self._world.position

    @override
    def _picture(
        self, index: int, row: int, action: int, reward: float, info: dict[str, Any]
    ) -> IslandPicture:
        world = self._world
        destination, before, after = (int(part[index]) for part in self._trip)
        return IslandPicture(
            int(world.clock - world.first[index]) - (action >= 0),
            world.graphs.links[info["context"]].tolist(),
            destination,
            after,
            before,
            action,
            reward,
            info,
        )
