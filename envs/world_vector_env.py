"""What our vector environments share; a kind of world adds its dynamics."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from .arguments import check_count
from .block_world import NEVER
from .options import check_keys, parse_reset_mask, parse_seeds
from .played_world import PlayedWorld
from .rendering import RENDER_MODES, Picture, check_render_mode
from .saving import SETTINGS, check_state, pack_text
from .vector_infos import final_infos, masked
from .world_settings import WorldSettings

SettingsT = TypeVar("SettingsT", bound=WorldSettings)
WorldT = TypeVar("WorldT", bound=PlayedWorld[Any, Any])

Observations = NDArray[np.float32]
Play = tuple[Observations, NDArray[np.float64], dict[str, Any]]
Step = tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]

_INT64, _UINT64 = np.dtype(np.int64), np.dtype(np.uint64)


class WorldVectorEnv(VectorEnv[Any, NDArray[np.int64], NDArray[Any]], Generic[SettingsT, WorldT]):
    """N worlds, stepped together: resets, autoreset modes, episode ends, saving and pictures.

    A kind of world writes :meth:`_play`, :meth:`_first_observations` and :meth:`_picture`, on
    arrays, and :meth:`_present` where observations are not vectors.

    Args:
        num_envs: N, the number of sub-environments.
        settings: The arguments of this kind of world.
        render_mode: As for the scalar environment; ``render()`` returns a tuple of N pictures.
        autoreset_mode: What happens after the end of an episode, as in Gymnasium.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": RENDER_MODES,
        "render_fps": 10,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int,
        settings: SettingsT,
        render_mode: str | None,
        autoreset_mode: AutoresetMode | str,
    ) -> None:
        self.num_envs = check_count("num_envs", num_envs, least=1)
        check_render_mode(render_mode)
        self.settings = settings
        self.render_mode = render_mode
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.single_observation_space = settings.observation_space()
        self.single_action_space = spaces.Discrete(settings.num_actions)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

        self._world: WorldT = settings.make_world(self.num_envs)  # type: ignore[assignment]
        self._num_actions = settings.num_actions
        # An array compares faster than a number, which numpy would have to convert each time.
        self._too_large = np.full(self.num_envs, self._num_actions, dtype=_UINT64)
        self._observations = np.zeros((self.num_envs, settings.observation_size), dtype=np.float32)
        self._running = False
        self._waiting: NDArray[np.int64] | None = None  # sub-environments whose episode is over
        self._next_end = NEVER  # clock at which the next episode ends
        self._pictures: list[Picture] = []

    # ------------------------------------------------------------------ what a kind of world writes

    @abstractmethod
    def _play(self, actions: NDArray[np.int64]) -> Play:
        """Takes a step: observations, rewards and infos; ticks the world and takes pictures."""

    @abstractmethod
    def _first_observations(self, worlds: NDArray[np.int64]) -> Observations:
        """Observations (n, ...) of ``worlds`` (n,) at the start of their episodes."""

    def _present(self, rows: Observations) -> Any:
        """Observations as agents get them, of rows (..., size); never the rows themselves."""
        return rows.copy()

    def _first_infos(self) -> dict[str, Any]:
        """Infos of all worlds at the current step, as a reset returns them (regret 0)."""
        return self._infos(self._world.row, np.zeros(self.num_envs), self._world.optimal())

    @abstractmethod
    def _picture(
        self,
        index: int,
        row: int,
        action: int,
        reward: float,
        info: dict[str, Any],
    ) -> Picture:
        """What :meth:`render` shows of world ``index``; ``action`` is -1 after a reset."""

    # ------------------------------------------------------------------ Gymnasium's methods

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Starts episodes in all sub-environments, or in those of ``options["reset_mask"]``.

        Raises:
            TypeError, ValueError: A seed or an option is not what it must be; nothing has changed
                then.
            ResetNeeded: The very first reset is a partial one.
        """
        world = self._world
        options = check_keys(options, (*self.settings.episode_keys, "reset_mask"))
        mask = parse_reset_mask(options, self.num_envs)
        worlds = world.everyone if mask is None else np.flatnonzero(mask)
        partial = len(worlds) < self.num_envs
        if partial and not self._running:
            raise ResetNeeded("the first reset() must start every sub-environment")
        settings = self.settings.with_dynamics(options)
        if settings != self.settings:
            if partial:
                raise ValueError("options['schedule'] and ['drift'] cannot go with a reset_mask")
            world = settings.make_world(self.num_envs, world.streams)  # type: ignore[assignment]
        episode = settings.parse_episode(world, options, worlds)
        seeds = parse_seeds(seed, self.num_envs)
        if seeds is not None:
            if isinstance(seed, (int, np.integer)):
                super().reset(seed=int(seed))
            for index in worlds.tolist():
                world.streams.seed(index, seeds[index])
        self.settings, self._world = settings, world

        infos = self._start(worlds, episode)
        if mask is not None:
            infos = masked(infos, mask)
        return self._present(self._observations), infos

    def step(self, actions: NDArray[np.int64]) -> Step:
        """Takes one action in each sub-environment.

        Args:
            actions: Integers (num_envs,), each from 0 to the number of actions - 1.

        Raises:
            TypeError, ValueError: ``actions`` has another dtype, shape or range.
            ResetNeeded: No episode is running (or one is over, with autoreset disabled).
        """
        actions = self._check_actions(actions)
        if not self._running:
            raise ResetNeeded("step() needs running episodes: call reset() first")
        world, waiting = self._world, self._waiting
        if waiting is not None:
            if self.autoreset_mode is AutoresetMode.DISABLED:
                raise ResetNeeded(
                    "step() needs running episodes: call reset(options={'reset_mask': ...}) first"
                )
            if len(waiting) == self.num_envs:
                infos = self._start(waiting)
                rewards, no = np.zeros(self.num_envs), np.zeros(self.num_envs, dtype=bool)
                return self._present(self._observations), rewards, no, no.copy(), infos

        if world.clock == world.next_draw:
            world.draw_due_blocks()
            self._plan_end()
        observations, rewards, infos = self._play(actions)

        terminated = np.zeros(self.num_envs, dtype=bool)
        truncated = np.zeros(self.num_envs, dtype=bool)
        if waiting is not None:
            self._waiting = None
            rewards[waiting] = 0.0
            self._begin(waiting, observations, infos)
        if world.clock == self._next_end:
            ended = np.flatnonzero(world.clock - world.first == self.settings.max_episode_steps)
            (terminated if self.settings.terminate_on_horizon else truncated)[ended] = True
            if self.autoreset_mode is AutoresetMode.SAME_STEP:
                last = [self._present(observations[index]) for index in ended.tolist()]
                final = final_infos(ended, last, infos)
                self._begin(ended, observations, infos)
                infos.update(final)
            else:
                self._waiting = ended
                world.release(ended)
                self._plan_end()
        self._observations = observations
        return self._present(observations), rewards, terminated, truncated, infos

    def render(self) -> tuple[str | NDArray[np.uint8], ...] | None:
        """A tuple of N pictures of the last step, as the scalar environment draws them."""
        if self.render_mode is None or not self._pictures:
            gym.logger.warn("render() needs a render_mode, given at construction, and a reset()")
            return None
        return tuple(picture.draw(self.render_mode) for picture in self._pictures)

    # ------------------------------------------------------------------ beyond Gymnasium

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """What :meth:`render` draws, a picture of the last step of each world.

        Empty without a ``render_mode``, and before the first reset.
        """
        return tuple(self._pictures)

    def optimal_actions(self) -> NDArray[np.int64]:
        """The oracle: the first of the optimal actions of each world (num_envs,) now.

        Raises:
            ResetNeeded: No episode is running.
        """
        if not self._running:
            raise ResetNeeded("optimal_actions() needs running episodes: call reset() first")
        return self._world.optimal()

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Everything that future steps depend on, as a flat dict of numpy arrays."""
        waiting = np.zeros(self.num_envs, dtype=bool)
        if self._waiting is not None:
            waiting[self._waiting] = True
        return {
            **self._world.get_state(),
            "observations": self._observations.copy(),
            "running": np.array(self._running),
            "waiting": waiting,
            SETTINGS: pack_text(repr(self.settings)),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restores what :meth:`get_state` returned; steps then follow bit for bit.

        Raises:
            ValueError: The state is of an environment with other settings, incomplete, or broken;
                nothing has changed then.
        """
        arrays = check_state(self.get_state(), state, self._world.open_keys)
        over = arrays["waiting"] | ~arrays["running"]
        self._world.check_state(arrays, over, self.settings.max_episode_steps)
        self._world.set_state(arrays)
        self._observations = arrays["observations"]
        self._running = bool(arrays["running"])
        self._pictures = []
        waiting = np.flatnonzero(arrays["waiting"])
        self._waiting = waiting if len(waiting) else None
        self._plan_end()

    # ------------------------------------------------------------------ inside

    def _infos(
        self, row: int, regret: NDArray[np.float64], optimal: NDArray[np.int64]
    ) -> dict[str, Any]:
        """Infos of all worlds at the step of ``row``."""
        trace = self._world.trace
        return {
            "regret": regret,
            "optimal_action": optimal,
            "context": trace.context[row].copy(),
            "changed": trace.changed[row].copy(),
            "steps_since_change": trace.since[row].copy(),
        }

    def _check_actions(self, actions: Any) -> NDArray[np.int64]:
        actions = np.asarray(actions)
        if actions.dtype != _INT64:
            if actions.dtype.kind not in "iu":
                raise TypeError(f"actions must have an integer dtype, got {actions.dtype}")
            actions = actions.astype(np.int64)
        if actions.shape != (self.num_envs,):
            raise ValueError(f"actions must have shape ({self.num_envs},), got {actions.shape}")
        # As unsigned numbers, negative actions are too large: one comparison finds both kinds.
        wrong = actions.view(_UINT64) >= self._too_large
        if np.count_nonzero(wrong):
            index = int(wrong.argmax())
            raise ValueError(
                f"actions must be in [0, {self._num_actions}), "
                f"got {actions[index]} at index {index}"
            )
        return actions

    def _start(self, worlds: NDArray[np.int64], episode: Any = None) -> dict[str, Any]:
        """Starts episodes of ``worlds`` between two steps; returns everybody's first infos."""
        self._world.begin(worlds, episode)
        self._running = True
        if self._waiting is not None:
            still = np.setdiff1d(self._waiting, worlds)
            self._waiting = still if len(still) else None
        self._plan_end()
        self._observations[worlds] = self._first_observations(worlds)
        infos = self._first_infos()
        self._take_pictures(worlds, self._world.row, None, None, infos)
        return infos

    def _begin(
        self, worlds: NDArray[np.int64], observations: Observations, infos: dict[str, Any]
    ) -> None:
        """Starts new episodes of ``worlds`` within a step, over whose output it writes theirs."""
        self._world.begin(worlds)
        self._plan_end()
        observations[worlds] = self._first_observations(worlds)
        for key, values in self._first_infos().items():
            infos[key][worlds] = values[worlds]
        self._take_pictures(worlds, self._world.row, None, None, infos)

    def _plan_end(self) -> None:
        """Works out the clock at which the next episode ends."""
        if self.settings.max_episode_steps is None:
            return
        ends = self._world.first + self.settings.max_episode_steps
        if self._waiting is not None:
            ends[self._waiting] = NEVER
        self._next_end = int(ends.min())

    def _take_pictures(
        self,
        worlds: NDArray[np.int64],
        row: int,
        actions: NDArray[np.int64] | None,
        rewards: NDArray[np.float64] | None,
        infos: dict[str, Any],
    ) -> None:
        """Keeps what :meth:`render` shows; ``actions`` and ``rewards`` are None after a reset."""
        if self.render_mode is None:
            return
        for index in worlds.tolist():
            picture = self._picture(
                index,
                row,
                action=-1 if actions is None else int(actions[index]),
                reward=0.0 if rewards is None else float(rewards[index]),
                info={key: values[index] for key, values in infos.items()},
            )
            if index < len(self._pictures):
                self._pictures[index] = picture
            else:  # the first reset starts all, in order
                self._pictures.append(picture)
