"""Observations that also hold the step before: what an agent with a memory needs to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from .options import parse_reset_mask

Rows = NDArray[np.float32]
Bools = NDArray[np.bool_]


class ObservePreviousStep(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Appends the previous action, the previous reward and a start flag to observations.

    These are the inputs of RL² (Duan et al. 2016) and of Wang et al. (2016): an agent that does not
    see what it did, for it acts at random while it explores, cannot tell what its actions do.

    An observation is a flat float32 vector: the wrapped one (a ``Dict`` in the order of its keys,
    which Gymnasium sorts), the action (one-hot where it is
    discrete, else as it was taken), the reward, and 1 at the first step of an episode, where
    action and reward are 0.

    Args:
        env: The environment. Its observations are ``Box``, or ``Dict`` of ``Box``, as those of the
            drifting wrappers with ``notify``; its actions ``Discrete`` or ``Box``.

    Raises:
        TypeError: The observations or the actions are others.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, env)
        self._layout = _Layout(env.observation_space, env.action_space)
        self.observation_space = self._layout.space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Rows, dict[str, Any]]:
        """Starts an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._layout.starts(_one(observation))[0], info

    def step(self, action: Any) -> tuple[Rows, SupportsFloat, bool, bool, dict[str, Any]]:
        """Takes a step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        shown = self._layout.follows(
            _one(observation), np.asarray(action)[None], np.array([reward])
        )
        return shown[0], reward, terminated, truncated, info


class ObservePreviousStepVector(VectorWrapper):
    """As :class:`ObservePreviousStep`, for vector environments in any autoreset mode."""

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(env)
        self._mode = AutoresetMode(env.metadata["autoreset_mode"])
        self._layout = _Layout(env.single_observation_space, env.single_action_space)
        self.single_observation_space = self._layout.space
        self.observation_space = batch_space(self._layout.space, env.num_envs)
        self._over = np.zeros(env.num_envs, dtype=bool)  # rows whose episode is over
        self._shown: Rows = np.zeros((env.num_envs, self._layout.size), dtype=np.float32)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Rows, dict[str, Any]]:
        """Starts episodes in all rows, or in those of ``options["reset_mask"]``."""
        mask = parse_reset_mask(dict(options or {}), self.num_envs)
        observations, infos = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]
        starts = self._layout.starts(observations)
        rows = np.ones(self.num_envs, dtype=bool) if mask is None else mask
        self._over &= ~rows
        self._shown = np.where(rows[:, None], starts, self._shown)
        return self._shown.copy(), infos

    def step(self, actions: Any) -> tuple[Rows, Any, Any, Any, dict[str, Any]]:
        """Takes a step in each row."""
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        over = np.logical_or(terminations, truncations)
        begins = over if self._mode is AutoresetMode.SAME_STEP else self._over
        if self._mode is AutoresetMode.DISABLED:
            begins = np.zeros_like(over)
        shown = self._layout.follows(observations, np.asarray(actions), rewards)
        if begins.any():
            shown = np.where(begins[:, None], self._layout.starts(observations), shown)
        if self._mode is AutoresetMode.SAME_STEP and over.any():
            last = infos["final_obs"].copy()
            for row in np.flatnonzero(over).tolist():
                action = np.asarray(actions)[row : row + 1]
                last[row] = self._layout.follows(_one(last[row]), action, rewards[row : row + 1])[0]
            infos = {**infos, "final_obs": last}
        self._over, self._shown = over, shown
        return shown.copy(), rewards, terminations, truncations, infos


class _Layout:
    """Where what lies in the vectors; works on batches (N, ...)."""

    def __init__(self, space: spaces.Space[Any], actions: spaces.Space[Any]) -> None:
        given = list(space.values()) if isinstance(space, spaces.Dict) else [space]
        parts = [part for part in given if isinstance(part, spaces.Box)]
        if len(parts) < len(given):
            raise TypeError(f"observations must be Box or a Dict of Box, got {space}")
        if not isinstance(actions, (spaces.Discrete, spaces.Box)):
            raise TypeError(f"actions must be Discrete or Box, got {actions}")
        self._keys = list(space) if isinstance(space, spaces.Dict) else None
        self._actions = actions
        if isinstance(actions, spaces.Discrete):
            low, high = np.zeros(int(actions.n)), np.ones(int(actions.n))
        else:
            low, high = np.minimum(actions.low.ravel(), 0), np.maximum(actions.high.ravel(), 0)
        self._action_size = len(low)
        lows = np.concatenate([*(part.low.ravel() for part in parts), low, [-np.inf, 0.0]])
        highs = np.concatenate([*(part.high.ravel() for part in parts), high, [np.inf, 1.0]])
        self.space = spaces.Box(lows.astype(np.float32), highs.astype(np.float32))
        self.size = len(lows)

    def starts(self, observations: Any) -> Rows:
        """Vectors (N, D) of first observations."""
        flat = self._flat(observations)
        nothing = np.zeros((len(flat), self._action_size + 1))
        return self._joined(flat, nothing, np.ones((len(flat), 1)))

    def follows(self, observations: Any, actions: NDArray[Any], rewards: NDArray[Any]) -> Rows:
        """Vectors (N, D) of observations that followed ``actions`` (N, ...) and their rewards."""
        flat = self._flat(observations)
        if isinstance(self._actions, spaces.Discrete):
            actions = actions[:, None] == self._actions.start + np.arange(self._actions.n)
        actions = actions.reshape(len(flat), -1)
        return self._joined(flat, actions, rewards[:, None], np.zeros((len(flat), 1)))

    def _flat(self, observations: Any) -> NDArray[Any]:
        parts = [observations] if self._keys is None else [observations[k] for k in self._keys]
        flat = [part.reshape(len(part), -1) for part in parts]
        return flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)

    @staticmethod
    def _joined(*parts: NDArray[Any]) -> Rows:
        return np.concatenate(parts, axis=1, dtype=np.float32, casting="unsafe")


def _one(observation: Any) -> Any:
    """An observation as a batch of one."""
    if isinstance(observation, dict):
        return {key: np.asarray(value)[None] for key, value in observation.items()}
    return np.asarray(observation)[None]
