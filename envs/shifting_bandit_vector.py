"""Many shifting bandits, stepped together with numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from typing_extensions import Unpack, override

from .bandit_rendering import BanditPicture
from .bandit_settings import BanditArguments, BanditSettings
from .bandit_world import BanditWorld
from .trace import World
from .world_vector_env import Observations, Play, WorldVectorEnv


class ShiftingBanditVector(WorldVectorEnv[BanditSettings, BanditWorld]):
    """N of :class:`ShiftingBandit`, stepped together.

    Sub-environment i of ``reset(seed=s)`` equals ``ShiftingBandit`` after ``reset(seed=s + i)`` bit
    for bit, in the episodes that follow by themselves too. Spaces, rewards, infos and options are
    those of :class:`ShiftingBandit`, with a leading axis (num_envs,); every key of the info is
    there at every step.

    Args:
        num_envs: N, the number of sub-environments.
        render_mode: As for the scalar environment; ``render()`` returns a tuple of N pictures.
        autoreset_mode: What happens after the end of an episode, as in Gymnasium.
            ``NEXT_STEP``: the next step ignores the action, starts the new episode and returns
            reward 0. ``SAME_STEP``: the step that ends an episode already returns the first
            observation and info of the new one (with regret 0); ``info["final_obs"]`` and
            ``info["final_info"]`` hold the last ones. ``DISABLED``: the user resets, and
            stepping on is an error.
        arguments: Those of :class:`ShiftingBandit`.

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
        **arguments: Unpack[BanditArguments],
    ) -> None:
        settings = BanditSettings.parse(**arguments)
        super().__init__(num_envs, settings, render_mode, autoreset_mode)
        self._num_arms = settings.num_arms
        self._bernoulli = self._world.arms.bernoulli
        self._first_arm = self._world.everyone * self._num_arms  # index of means[i, 0], flattened
        self._after_action = np.eye(self._num_arms, self._observations.shape[1], dtype=np.float32)
        self._shows_more = settings.observe_time or self._world.cue_size > 0

    def foresee(self, num_steps: int | None = None) -> World:
        """What the worlds will do from the current step on, as arrays (T, N, ...).

        Args:
            num_steps: T, at least 1; by default ``max_episode_steps``, or 200 where that is None.

        Raises:
            TypeError, ValueError: ``num_steps`` is not what it must be, the worlds depend on the
                actions, or an episode is over.
        """
        if num_steps is None:
            num_steps = self.settings.max_episode_steps or 200
        return self._world.foresee(num_steps)

    @override
    def _play(self, actions: NDArray[np.int64]) -> Play:
        world = self._world
        row, trace = world.row, world.trace
        means, noise = trace.means[row].take(self._first_arm + actions), trace.noise[row]
        rewards = (noise < means).astype(np.float64) if self._bernoulli else means + noise
        infos = self._infos(row, trace.best[row] - means, world.optimal())
        if self.render_mode is not None:
            self._take_pictures(world.everyone, row, actions, rewards, infos)
        world.tick(actions)
        observations = self._after_action.take(actions, axis=0)
        observations[:, self._num_arms] = rewards
        if self._shows_more:
            self._show_step(observations, world.everyone)
        return observations, rewards, infos

    @override
    def _first_observations(self, worlds: NDArray[np.int64]) -> Observations:
        observations = np.zeros((len(worlds), self._observations.shape[1]), dtype=np.float32)
        observations[:, self._num_arms + 1] = 1.0
        self._show_step(observations, worlds)
        return observations

    def _show_step(self, observations: Observations, worlds: NDArray[np.int64]) -> None:
        """Fills in what observations (n, ...) show of the current step: time and cue."""
        world, horizon = self._world, self.settings.max_episode_steps
        if self.settings.observe_time and horizon is not None:
            observations[:, self._num_arms + 2] = (world.clock - world.first[worlds]) / horizon
        if world.cue_size:
            observations[:, -world.cue_size :] = world.cues(worlds)

    @override
    def _picture(
        self, index: int, row: int, action: int, reward: float, info: dict[str, Any]
    ) -> BanditPicture:
        world = self._world
        step, means = int(world.clock - world.first[index]), world.trace.means[row, index].tolist()
        return BanditPicture(step, means, self._bernoulli, action, reward, info)
