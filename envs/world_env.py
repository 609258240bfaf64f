"""What our scalar environments share; a kind of world adds its dynamics."""

from __future__ import annotations

import operator
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from .options import check_keys
from .played_world import PlayedWorld
from .rendering import RENDER_MODES, Picture, check_render_mode
from .saving import SETTINGS, check_state, pack_text
from .world_settings import WorldSettings

SettingsT = TypeVar("SettingsT", bound=WorldSettings)
WorldT = TypeVar("WorldT", bound=PlayedWorld[Any, Any])

Observation = NDArray[np.float32]

OVER = -1  # steps elapsed, outside of an episode


class WorldEnv(gym.Env[NDArray[Any], np.int64], Generic[SettingsT, WorldT]):
    """One world of its own: resets, episode ends, saving and pictures.

    A kind of world writes :meth:`_read_world`, :meth:`_first` and :meth:`_play`, in plain Python,
    which is many times as fast as numpy on a single world.

    Args:
        settings: The arguments of this kind of world.
        render_mode: None, ``"ansi"`` or ``"rgb_array"``.
    """

    metadata: dict[str, Any] = {"render_modes": RENDER_MODES, "render_fps": 10}  # noqa: RUF012

    def __init__(self, settings: SettingsT, render_mode: str | None) -> None:
        check_render_mode(render_mode)
        self.settings = settings
        self.render_mode = render_mode
        self.observation_space = settings.observation_space()
        self.action_space = spaces.Discrete(settings.num_actions)
        self._world: WorldT = settings.make_world(1)  # type: ignore[assignment]
        self._num_actions = settings.num_actions
        self._horizon = settings.max_episode_steps
        self._elapsed = OVER
        self._picture: Picture | None = None

    # ------------------------------------------------------------------ what a kind of world writes

    @abstractmethod
    def _read_world(self) -> None:
        """Copies what steps read out of the world, whose rows or state are new."""

    @abstractmethod
    def _first(self) -> tuple[Observation, dict[str, Any]]:
        """Observation and info at the start of an episode; takes the picture."""

    @abstractmethod
    def _play(self, action: int) -> tuple[Observation, float, dict[str, Any]]:
        """Takes a step: observation, reward and info; ticks the world and takes the picture."""

    def _write_world(self) -> None:
        """Copies what steps have changed back into the world."""

    # ------------------------------------------------------------------ Gymnasium's methods

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode; the class describes ``options`` and the info.

        Raises:
            TypeError, ValueError: An option is not what it must be; nothing has changed then.
        """
        options = check_keys(options, self.settings.episode_keys)
        world, settings = self._world, self.settings.with_dynamics(options)
        if settings != self.settings:
            world = settings.make_world(1, world.streams)  # type: ignore[assignment]
        episode = settings.parse_episode(world, options, world.everyone)
        super().reset(seed=seed)
        self.settings, self._world = settings, world
        world.streams.generators[0] = self.np_random
        world.begin(world.everyone, episode)
        self._elapsed = 0
        self._read_world()
        return self._first()

    def step(
        self, action: int | np.integer[Any]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Takes ``action``.

        Raises:
            TypeError, ValueError: ``action`` is not an integer, or out of range.
            ResetNeeded: No episode is running.
        """
        try:
            number = operator.index(action)
        except TypeError:
            raise TypeError(f"action must be an integer, got {action!r}") from None
        if not 0 <= number < self._num_actions:
            raise ValueError(f"action must be in [0, {self._num_actions}), got {number}")
        if self._elapsed == OVER:
            raise ResetNeeded("step() needs a running episode: call reset() first")
        world = self._world
        if world.clock == world.next_draw:
            self._write_world()
            world.draw_due_blocks()
            self._read_world()
        observation, reward, info = self._play(number)
        self._elapsed += 1
        if self._elapsed == self._horizon:
            self._elapsed = OVER
            terminated = self.settings.terminate_on_horizon
            return observation, reward, terminated, not terminated, info
        return observation, reward, False, False, info

    def render(self) -> str | NDArray[np.uint8] | None:
        """Text (``"ansi"``) or an image (height, width, 3) of the last step."""
        if self.render_mode is None or self._picture is None:
            gym.logger.warn("render() needs a render_mode, given at construction, and a reset()")
            return None
        return self._picture.draw(self.render_mode)

    # ------------------------------------------------------------------ beyond Gymnasium

    def optimal_action(self) -> int:
        """The oracle: the first of the optimal actions at the coming step.

        Raises:
            ResetNeeded: No episode is running.
        """
        if self._elapsed == OVER:
            raise ResetNeeded("optimal_action() needs a running episode: call reset() first")
        self._write_world()
        return int(self._world.optimal()[0])

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Everything that the episode's future depends on, as a flat dict of numpy arrays."""
        self._write_world()
        return {
            **self._world.get_state(),
            "elapsed": np.array(self._elapsed),
            SETTINGS: pack_text(repr(self.settings)),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restores what :meth:`get_state` returned; steps then follow bit for bit.

        Raises:
            ValueError: The state is of an environment with other settings, incomplete, or broken;
                nothing has changed then.
        """
        arrays = check_state(self.get_state(), state, self._world.open_keys)
        elapsed, taken = int(arrays["elapsed"]), int(arrays["clock"] - arrays["first"][0])
        if elapsed not in (OVER, taken):
            raise ValueError(f"state['elapsed'] must be {OVER} or {taken}, got {elapsed}")
        self._world.check_state(arrays, np.array([elapsed == OVER]), self._horizon)
        self._world.set_state(arrays)
        self._elapsed = elapsed
        self._picture = None
        self.np_random = self._world.streams.generators[0]
        self._read_world()
