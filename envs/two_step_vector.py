"""Many two-step tasks, stepped together with numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from typing_extensions import Unpack, override

from .two_step_rendering import TwoStepPicture
from .two_step_settings import ACTION, REWARD, SIZE, TwoStepArguments, TwoStepSettings
from .two_step_world import FIRST_STAGE, TwoStepWorld
from .world_vector_env import Observations, Play, WorldVectorEnv


class TwoStepVector(WorldVectorEnv[TwoStepSettings, TwoStepWorld]):
    """N of :class:`TwoStep`, stepped together.

    Sub-environment i of ``reset(seed=s)`` equals ``TwoStep`` after ``reset(seed=s + i)`` bit for
    bit, in the episodes that follow by themselves too. Spaces, rewards, infos and options are those
    of :class:`TwoStep`, with a leading axis (num_envs,); every key of the info is there at every
    step.

    Args:
        num_envs: N, the number of sub-environments.
        render_mode: As for the scalar environment; ``render()`` returns a tuple of N pictures.
        autoreset_mode: What happens after the end of an episode; see
            :class:`ShiftingBanditVector`.
        arguments: Those of :class:`TwoStep`.

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
        **arguments: Unpack[TwoStepArguments],
    ) -> None:
        settings = TwoStepSettings.parse(**arguments)
        super().__init__(num_envs, settings, render_mode, autoreset_mode)
        self._before = self._world.place  # for pictures: states before the last step

    # ------------------------------------------------------------------ inside

    @override
    def _play(self, actions: NDArray[np.int64]) -> Play:
        world, row = self._world, self._world.row
        self._before = world.place
        choices = world.play(actions)
        infos = self._infos(row, choices.regret, choices.optimal)
        if self.render_mode is not None:
            self._take_pictures(world.everyone, row, actions, choices.rewards, infos)
        observations = np.zeros((self.num_envs, SIZE), dtype=np.float32)
        observations[world.everyone, world.place] = 1.0
        observations[world.everyone, ACTION + actions] = 1.0
        observations[:, REWARD] = choices.rewards
        return observations, choices.rewards, infos

    @override
    def _first_observations(self, worlds: NDArray[np.int64]) -> Observations:
        observations = np.zeros((len(worlds), SIZE), dtype=np.float32)
        observations[:, FIRST_STAGE] = 1.0
        return observations

    @override
    def _first_infos(self) -> dict[str, Any]:
        self._before = self._world.place
        return super()._first_infos()

    @override
    def _picture(
        self, index: int, row: int, action: int, reward: float, info: dict[str, Any]
    ) -> TwoStepPicture:
        world = self._world
        return TwoStepPicture(
            int(world.clock - world.first[index]) - (action >= 0),
            world.trace.means[row, index].tolist(),
            int(self._before[index]),
            int(world.place[index]),
            action,
            reward,
            info,
        )
