"""A Gymnasium `VectorEnv` as a stable-baselines3 `VecEnv`."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv, VectorWrapper
from stable_baselines3.common.env_util import is_wrapped
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env.base_vec_env import (
    VecEnv,
    VecEnvIndices,
    VecEnvObs,
    VecEnvStepReturn,
)

from .vector_info import (
    autoreset_mode,
    copy_obs,
    equal_obs_rows,
    info_of_rows,
    obs_of_rows,
    transition_info,
    without_final,
    write_obs_rows,
)


class _NoInfo(dict[str, Any]):
    """The info of every sub-environment that did not finish: one empty dictionary for all."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("this info is shared by all unfinished environments: copy it to change it")

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = setdefault = pop = popitem = clear = _refuse


_NO_INFO = _NoInfo()


class SB3VecEnv(VecEnv):
    """Adapter that lets stable-baselines3 (SB3) train on any Gymnasium `VectorEnv`.

    SB3's own `VecEnv` loops over single environments; its algorithms reject the objects that
    ``gymnasium.make_vec`` returns. This adapter keeps the whole batch in numpy: a step costs a few
    microseconds on top of the environment's, and something for every environment that finishes.

    - ``step`` returns ``(obs, rewards, dones, infos)`` with SB3's same-step semantics: where an
      episode ended, `obs` already begins the next one. Environments in next-step mode (Gymnasium's
      default) or without autoreset are reset by the adapter with
      ``reset(options={"reset_mask": done})``, so that the learner never sees a dead step.
    - ``infos[i]`` of a finished environment holds ``terminal_observation``,
      ``TimeLimit.truncated``, ``episode`` (``r``: return, ``l``: length, ``t``: seconds since the
      adapter was made; the environment's own if it has one), and what else the environment told of
      that step. All other entries are one shared, read-only empty dictionary.
    - `info_arrays` has the info of the last step as arrays (num_envs,), for all environments; the
      rows that finished describe the step itself, not the reset after it.
    - `reset_infos` is, per environment, the info of its last reset.
    - ``seed(s)`` seeds sub-environment i with s + i at the next ``reset``, as in SB3.
      ``set_options`` takes one dictionary for all environments.

    Args:
        env: The vector environment, in any autoreset mode. With observations of `Box`,
            `Discrete`, `MultiDiscrete`, `MultiBinary`, or a `Dict` of these.

    Raises:
        TypeError: If `env` is no `VectorEnv`, or its observations are tuples.
        ValueError: If `env` declares no autoreset mode, or would need partial resets and ignores
            ``reset_mask``.

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
        self.env = env
        self._same_step = autoreset_mode(env) is AutoresetMode.SAME_STEP
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self.info_arrays: dict[str, Any] = {}
        self._returns = np.zeros(self.num_envs)
        self._lengths = np.zeros(self.num_envs, dtype=np.int64)
        self._start_time = time.time()
        self._actions: np.ndarray | None = None
        if not self._same_step:
            self._probe_partial_reset()

    # ------------------------------------------------------------------------------ reset, step

    def reset(self) -> VecEnvObs:
        """Starts a new episode everywhere, with the seed and options set since the last reset."""
        seed, options = self._seeds[0], self._options[0]
        if any(other != options for other in self._options):
            raise ValueError("options must be the same for all environments of a VectorEnv")
        obs, info = self.env.reset(seed=seed, options=copy.deepcopy(options) or None)
        self._reset_seeds()
        self._reset_options()
        self._returns[:] = 0.0
        self._lengths[:] = 0
        self.info_arrays = {}
        self.reset_infos = info_of_rows(info, np.arange(self.num_envs))
        return copy_obs(obs)

    def step_async(self, actions: np.ndarray) -> None:
        """Takes note of `actions` (num_envs, ...)."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Takes the step: ``(obs, rewards float32 (num_envs,), dones (num_envs,), infos)``."""
        obs, rewards, terminated, truncated, info = self.env.step(self._actions)
        # Copied, since an environment may reuse its arrays while SB3 still holds the last ones.
        obs = copy_obs(obs)
        dones = terminated | truncated
        self._returns += rewards
        self._lengths += 1
        infos: list[dict[str, Any]] = [_NO_INFO] * self.num_envs
        finished = np.flatnonzero(dones)
        if len(finished) == 0:
            self.info_arrays = info
        else:
            self.info_arrays = transition_info(info, dones) if self._same_step else info
            ends = self._describe_ends(finished, truncated & ~terminated)
            if self._same_step:
                final_obs = obs_of_rows(info["final_obs"], finished)
                reset_info = without_final(info)
            else:
                final_obs = obs_of_rows(obs, finished)
                reset_info = self._reset_finished(obs, dones)
            starts = info_of_rows(reset_info, finished)
            for i, end, last_obs, start in zip(
                finished.tolist(), ends, final_obs, starts, strict=True
            ):
                end["terminal_observation"] = last_obs
                infos[i] = end
                self.reset_infos[i] = start
            self._returns[finished] = 0.0
            self._lengths[finished] = 0
        return obs, np.array(rewards, dtype=np.float32), dones, infos

    def _describe_ends(
        self, finished: npt.NDArray[np.int64], time_limit: npt.NDArray[np.bool_]
    ) -> list[dict[str, Any]]:
        ends = info_of_rows(self.info_arrays, finished)
        elapsed = round(time.time() - self._start_time, 6)
        returns, lengths = self._returns[finished].tolist(), self._lengths[finished].tolist()
        limits = time_limit[finished].tolist()
        for end, total, length, limit in zip(ends, returns, lengths, limits, strict=True):
            end["TimeLimit.truncated"] = limit
            end.setdefault("episode", {"r": total, "l": length, "t": elapsed})
        return ends

    def _reset_finished(self, obs: Any, dones: npt.NDArray[np.bool_]) -> dict[str, Any]:
        """Resets the finished rows, writes their observations into `obs`, returns the info."""
        if dones.all():
            fresh, info = self.env.reset()
        else:
            fresh, info = self.env.reset(options={"reset_mask": dones.copy()})
            if not equal_obs_rows(fresh, obs, ~dones):
                self._raise_ignores_mask()
        write_obs_rows(obs, fresh, dones)
        return info

    # ------------------------------------------------------------------- support of partial resets

    def _probe_partial_reset(self) -> None:
        """Finds out, before any training, whether `env` honours ``reset_mask``.

        An environment that does not know the option resets everything. Only visible where
        observations are not the initial ones, hence the step; `_reset_finished` looks again.
        """
        if self.num_envs == 1 or isinstance(self.env.unwrapped, (SyncVectorEnv, AsyncVectorEnv)):
            return
        actions = copy.deepcopy(self.env.action_space)
        actions.seed(0)
        self.env.reset()
        obs = copy_obs(self.env.step(actions.sample())[0])
        first = np.arange(self.num_envs) == 0
        fresh, _ = self.env.reset(options={"reset_mask": first})
        if not equal_obs_rows(fresh, obs, ~first):
            self._raise_ignores_mask()

    def _raise_ignores_mask(self) -> NoReturn:
        raise ValueError(
            f"env must honour reset(options={{'reset_mask': ...}}) or reset in the same step, and "
            f"{self.env.unwrapped} does neither: make it with autoreset_mode=SAME_STEP if it has "
            "that argument, else as gymnasium.make_vec(id, num_envs, vectorization_mode='sync', "
            "vector_kwargs={'autoreset_mode': gymnasium.vector.AutoresetMode.SAME_STEP})"
        )

    # ------------------------------------------------------------------------------ state

    @property
    def has_state(self) -> bool:
        """Whether `get_state` and `set_state` work, that is, whether the environment has them."""
        base = self.env.unwrapped
        return hasattr(base, "get_state") and hasattr(base, "set_state")

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
            raise NotImplementedError(f"{self.env.unwrapped} has no get_state and set_state")
        return self.env.unwrapped

    # ------------------------------------------------------------------------------ attributes

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Attribute of each environment; of the vector environment where it has no parts.

        There, an array, list or tuple of num_envs entries holds one for each environment, and any
        other value holds for all.
        """
        base = self.env.unwrapped
        if isinstance(base, (SyncVectorEnv, AsyncVectorEnv)):
            values = list(base.get_attr(attr_name))
        else:
            values = self._per_env(self._lookup(attr_name))
        return [values[i] for i in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Sets an attribute of each environment, or of the vector environment as a whole.

        Raises:
            ValueError: If `indices` chooses some of the rows of an undivided vector environment.
        """
        base: Any = self.env.unwrapped
        chosen = set(self._get_indices(indices))
        if not isinstance(base, (SyncVectorEnv, AsyncVectorEnv)):
            self._refuse_part(chosen)
            setattr(base, attr_name, value)
        elif len(chosen) == self.num_envs:
            base.set_attr(attr_name, [value] * self.num_envs)
        else:
            old = base.get_attr(attr_name)
            base.set_attr(attr_name, [value if i in chosen else v for i, v in enumerate(old)])

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Calls a method of each environment, or once that of an undivided vector environment.

        Raises:
            ValueError: If `indices` chooses some of the environments, and they cannot be called
                one by one (only those of a `SyncVectorEnv` can).
        """
        base = self.env.unwrapped
        chosen = list(self._get_indices(indices))
        if isinstance(base, SyncVectorEnv):
            methods = [base.envs[i].get_wrapper_attr(method_name) for i in chosen]
            return [method(*method_args, **method_kwargs) for method in methods]
        self._refuse_part(chosen)
        if isinstance(base, AsyncVectorEnv):
            return list(base.call(method_name, *method_args, **method_kwargs))
        return self._per_env(self._lookup(method_name)(*method_args, **method_kwargs))

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Whether each environment is wrapped; True for SB3's `Monitor`, whose work this does."""
        chosen = list(self._get_indices(indices))
        base = self.env.unwrapped
        if issubclass(wrapper_class, Monitor):
            return [True] * len(chosen)
        if isinstance(base, SyncVectorEnv):
            return [is_wrapped(base.envs[i], wrapper_class) for i in chosen]
        return [False] * len(chosen)

    def get_images(self) -> list[np.ndarray | None]:
        """One frame per environment (None where it renders nothing)."""
        frames = self.env.render()
        return [None] * self.num_envs if frames is None else list(frames)  # type: ignore[arg-type]

    def close(self) -> None:
        """Closes the vector environment."""
        self.env.close()

    def _lookup(self, name: str) -> Any:
        """Attribute `name` of the vector environment or of the nearest wrapper that has it."""
        env = self.env
        while isinstance(env, VectorWrapper) and not hasattr(env, name):
            env = env.env
        return getattr(env, name)

    def _per_env(self, value: Any) -> list[Any]:
        # Plain sequences only: a NamedTuple is one value, whatever its length.
        sequence = type(value) in (list, tuple) or (isinstance(value, np.ndarray) and value.ndim)
        if sequence and len(value) == self.num_envs:
            return list(value)
        return [value] * self.num_envs

    def _refuse_part(self, chosen: Iterable[int]) -> None:
        if set(chosen) != set(range(self.num_envs)):
            raise ValueError(
                f"indices must be None: the rows of {self.env.unwrapped} cannot be addressed singly"
            )
