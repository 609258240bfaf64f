"""Attributes and methods of the parts of a Gymnasium `VectorEnv`, as stable-baselines3 asks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, VectorEnv, VectorWrapper
from stable_baselines3.common.env_util import is_wrapped
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvIndices


class VectorAttributes(VecEnv):
    """The part of a `VecEnv` that looks into single environments, for one around a `VectorEnv`."""

    env: VectorEnv

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
