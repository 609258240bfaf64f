"""A Gymnasium `VectorEnv` as a stable-baselines3 `VecEnv`."""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Mapping
from typing import Any, NoReturn

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers.vector import DictInfoToList
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from .partial_reset import partial_reset_problem, reset_rows
from .step_infos import StepInfos
from .vector_attributes import VectorAttributes
from .vector_info import (
    autoreset_mode,
    copy_info,
    copy_obs,
    equal_obs_rows,
    info_of_rows,
    obs_of_rows,
    transition_info,
    without_final,
    write_obs_rows,
)


class SB3VecEnv(VectorAttributes):
    """Adapter that lets stable-baselines3 (SB3) train on any Gymnasium `VectorEnv`.

    SB3's own `VecEnv` loops over single environments; its algorithms reject the objects that
    ``gymnasium.make_vec`` returns. This adapter keeps the whole batch in numpy: a step costs a few
    microseconds on top of the environment's, and something for every environment that finishes.

    - ``step`` returns ``(obs, rewards, dones, infos)`` with SB3's same-step semantics: where an
      episode ended, `obs` already begins the next one. Environments in next-step mode (Gymnasium's
      default) or without autoreset are reset by the adapter with
      ``reset(options={"reset_mask": done})``, so that the learner never sees a dead step.
    - Next-step environments that cannot reset single rows (CartPole's own vector class, all in a
      ``NormalizeObservation``) reset them in the step after an episode's end, unless all rows end
      at once. The adapter warns of it and gives such a *dead step* as an episode of its own, of one
      step and zero reward, so that no return crosses it. It begins and ends with the terminal
      observation, and is truncated if the episode was; its info says ``dead_step`` and has no
      ``episode``. The environment ignores its action.
    - ``infos[i]`` is what environment i told of the step, as a dictionary that may be changed, with
      ``TimeLimit.truncated``; where it finished, also ``terminal_observation`` and ``episode``
      (``r``: return, ``l``: length, ``t``: seconds since the adapter was made; the environment's
      own if it has one). `StepInfos` makes these dictionaries when somebody looks.
    - `info_arrays` has the info of the last step as arrays (num_envs,), for all environments; the
      rows that finished describe the step itself, not the reset after it. Where there may be dead
      steps, ``info_arrays["dead_step"]`` marks them; these rows describe the reset.
    - `reset_infos` is, per environment, the info of its last reset.
    - ``seed(s)`` seeds sub-environment i with s + i at the next ``reset``, as in SB3.
      ``set_options`` takes one dictionary for all environments.

    Args:
        env: The vector environment, in any autoreset mode. With observations of `Box`,
            `Discrete`, `MultiDiscrete`, `MultiBinary`, or a `Dict` of these. In other modes than
            same-step, and unless it is a bare `SyncVectorEnv` or `AsyncVectorEnv`, construction
            resets it and takes one random step, to see whether it can reset single rows.

    Raises:
        TypeError: If `env` is no `VectorEnv`, or its observations are tuples; at ``reset``, if
            its infos are no dictionary of arrays.
        ValueError: If `env` declares no autoreset mode, or has no autoreset and cannot reset single
            rows.

    Warns:
        UserWarning: If there will be dead steps.

    Example:
        >>> import gymnasium as gym
        >>> from stable_baselines3 import PPO
        >>> from driftwise.agents.sb3_vec_env import SB3VecEnv
        >>> env = SB3VecEnv(gym.make_vec("CartPole-v1", num_envs=8, vectorization_mode="sync"))
        >>> model = PPO("MlpPolicy", env, n_steps=32, device="cpu").learn(256)
    """

    def __init__(self, env: VectorEnv) -> None:
        if not isinstance(env, VectorEnv):
            raise TypeError(
                f"env must be a gymnasium.vector.VectorEnv, got {type(env).__name__}; for a single "
                "environment use stable_baselines3's DummyVecEnv"
            )
        if isinstance(env.single_observation_space, gym.spaces.Tuple):
            raise TypeError("env must not have Tuple observations: stable-baselines3 has no such")
        while isinstance(env, DictInfoToList):  # SB3 wants such a list too: it is made below
            env = env.env
        self.env = env
        self._same_step = autoreset_mode(env) is AutoresetMode.SAME_STEP
        self._has_dead_steps = self._needs_dead_steps()
        self._dead_infos: dict[int, dict[str, Any]] = {}  # of the rows whose next step is dead
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self.info_arrays: dict[str, Any] = {}
        self._returns = np.zeros(self.num_envs)
        self._lengths = np.zeros(self.num_envs, dtype=np.int64)
        self._start_time = time.time()
        self._actions: np.ndarray | None = None

    def _needs_dead_steps(self) -> bool:
        if self._same_step:
            return False
        problem = partial_reset_problem(self.env)
        if problem is None:
            return False
        if autoreset_mode(self.env) is not AutoresetMode.NEXT_STEP:
            self._refuse_env(problem)
        warnings.warn(
            f"env {self.env} cannot reset single rows ({problem}): every episode is followed by a "
            "dead step without reward, marked as an episode of its own. There are none with "
            "gymnasium.make_vec(id, num_envs, vectorization_mode='sync'), and with "
            "stable_baselines3's VecNormalize in place of Gymnasium's vector wrappers",
            stacklevel=3,
        )
        return True

    def _refuse_env(self, problem: str) -> NoReturn:
        raise ValueError(
            f"env must honour reset(options={{'reset_mask': ...}}) or reset in the same step, and "
            f"{self.env} does neither ({problem}): make it with autoreset_mode=SAME_STEP if it has "
            "that argument, else as gymnasium.make_vec(id, num_envs, vectorization_mode='sync', "
            "vector_kwargs={'autoreset_mode': gymnasium.vector.AutoresetMode.SAME_STEP})"
        )

    # ------------------------------------------------------------------------------ reset, step

    def reset(self) -> VecEnvObs:
        """Starts a new episode everywhere, with the seed and options set since the last reset."""
        seed, options = self._seeds[0], self._options[0]
        if any(other != options for other in self._options):
            raise ValueError("options must be the same for all environments of a VectorEnv")
        obs, info = self.env.reset(seed=seed, options=copy.deepcopy(options) or None)
        if not isinstance(info, Mapping):
            raise TypeError(
                f"env must return infos as one dictionary of arrays, got a {type(info).__name__} "
                f"from {self.env}"
            )
        self._reset_seeds()
        self._reset_options()
        self._returns[:] = 0.0
        self._lengths[:] = 0
        self._dead_infos = {}
        self.info_arrays = {}
        self.reset_infos = info_of_rows(info, np.arange(self.num_envs))
        return copy_obs(obs)

    def step_async(self, actions: np.ndarray) -> None:
        """Takes note of `actions` (num_envs, ...)."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Takes the step: ``(obs, rewards float32 (num_envs,), dones (num_envs,), infos)``."""
        obs, rewards, terminated, truncated, info = self.env.step(self._actions)
        dones = terminated | truncated
        finished = np.flatnonzero(dones)
        self._returns += rewards
        self._lengths += 1
        # Copied, since an environment may reuse its arrays while SB3 still holds the last ones.
        obs, rewards = copy_obs(obs), np.array(rewards, dtype=np.float32)
        ends_apart = self._same_step and len(finished) > 0
        self.info_arrays = copy_info(transition_info(info, dones) if ends_apart else info)
        infos: list[dict[str, Any] | None] = [None] * self.num_envs
        if self._has_dead_steps:
            self._end_dead_steps(rewards, dones, info, infos)
        if len(finished):
            final_obs = obs_of_rows(info["final_obs"] if self._same_step else obs, finished)
            ends = self._describe_ends(finished, final_obs, truncated & ~terminated)
            if self._same_step:
                starts = info_of_rows(without_final(info), finished)
            else:
                starts = self._reset_finished(obs, finished, ends)
            for i, end, start in zip(finished.tolist(), ends, starts, strict=True):
                infos[i], self.reset_infos[i] = end, start
            self._returns[finished] = 0.0
            self._lengths[finished] = 0
        return obs, rewards, dones, StepInfos(infos, self.info_arrays)  # type: ignore[return-value]

    def _describe_ends(
        self,
        finished: npt.NDArray[np.int64],
        final_obs: list[Any],
        time_limit: npt.NDArray[np.bool_],
    ) -> list[dict[str, Any]]:
        ends = info_of_rows(self.info_arrays, finished)
        elapsed = round(time.time() - self._start_time, 6)
        returns, lengths = self._returns[finished].tolist(), self._lengths[finished].tolist()
        limits = time_limit[finished].tolist()
        rows = zip(ends, final_obs, returns, lengths, limits, strict=True)
        for end, last_obs, total, length, limit in rows:
            end["terminal_observation"] = last_obs
            end["TimeLimit.truncated"] = limit
            end.setdefault("episode", {"r": total, "l": length, "t": elapsed})
        return ends

    def _reset_finished(
        self, obs: Any, finished: npt.NDArray[np.int64], ends: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """Resets rows, writes their observations into `obs`, returns what the reset told of each.

        Or leaves all this to the next step, where there are dead steps.
        """
        if self._has_dead_steps and len(finished) < self.num_envs:
            for i, end in zip(finished.tolist(), ends, strict=True):
                repeated = {
                    key: end[key] for key in ("terminal_observation", "TimeLimit.truncated")
                }
                self._dead_infos[i] = {"dead_step": True, **copy.deepcopy(repeated)}
            # Only the reset to come says whether a trial begins: memories go on until then.
            return [{"trial_start": False} for _ in ends]
        rows = np.zeros(self.num_envs, dtype=bool)
        rows[finished] = True
        fresh, info = reset_rows(self.env, rows)
        if not equal_obs_rows(fresh, obs, ~rows):
            self._refuse_env("reset_mask is ignored")
        write_obs_rows(obs, fresh, rows)
        return info_of_rows(info, finished)

    def _end_dead_steps(
        self,
        rewards: npt.NDArray[np.float32],
        dones: npt.NDArray[np.bool_],
        info: Mapping[str, Any],
        infos: list[dict[str, Any] | None],
    ) -> None:
        """Makes one-step episodes of the steps that only reset a row, in place."""
        dead, self._dead_infos = self._dead_infos, {}
        rows = np.array(list(dead), dtype=np.int64)
        for i, start in zip(dead, info_of_rows(info, rows), strict=True):
            infos[i], self.reset_infos[i] = dead[i], start
        rewards[rows] = self._returns[rows] = 0.0
        self._lengths[rows] = 0
        dones[rows] = True
        self.info_arrays["dead_step"] = np.zeros(self.num_envs, dtype=bool)
        self.info_arrays["dead_step"][rows] = True

    # ------------------------------------------------------------------------------ state

    @property
    def has_state(self) -> bool:
        """Whether `get_state` and `set_state` work: the environment has them and no dead steps."""
        base = self.env.unwrapped
        stateful = hasattr(base, "get_state") and hasattr(base, "set_state")
        return stateful and not self._has_dead_steps

    def get_state(self) -> dict[str, Any]:
        """State of the environment and of the running episode statistics.

        Raises:
            NotImplementedError: If the environment has no ``get_state``.
        """
        base: Any = self._stateful()
        return {
            "env": base.get_state(),
            "returns": self._returns.copy(),
            "lengths": self._lengths.copy(),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continues from what `get_state` returned; the last observations are the caller's.

        Raises:
            NotImplementedError: If the environment has no ``set_state``.
        """
        base: Any = self._stateful()
        base.set_state(state["env"])
        self._returns = np.array(state["returns"], dtype=np.float64)
        self._lengths = np.array(state["lengths"], dtype=np.int64)

    def _stateful(self) -> VectorEnv:
        if not self.has_state:
            raise NotImplementedError(
                f"{self.env.unwrapped} has no get_state and set_state, or has dead steps"
            )
        return self.env.unwrapped

    # ------------------------------------------------------------------------------ the rest

    def get_images(self) -> list[np.ndarray | None]:
        """One frame per environment (None where it renders nothing)."""
        frames = self.env.render()
        return [None] * self.num_envs if frames is None else list(frames)  # type: ignore[arg-type]

    def close(self) -> None:
        """Closes the vector environment."""
        self.env.close()
