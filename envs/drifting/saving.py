"""Saved states of drifting wrappers, of single and of vector environments alike."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from ..saving import SETTINGS, check_state, pack_text
from .settings import DriftSettings
from .world import DriftingWorld

_INNER = "env/"  # prefix of what belongs to the wrapped environment


class SavesState:
    """What a drifting wrapper needs for :meth:`get_state` and :meth:`set_state`."""

    env: Any
    settings: DriftSettings
    _world: DriftingWorld
    _begun: bool

    def get_state(self) -> dict[str, NDArray[Any]]:
        """The wrapper's own state, as a flat dict of arrays.

        That of the wrapped environment is part of it, with the prefix ``env/``, if that has a
        ``get_state`` and a ``set_state``; Gymnasium's own environments and wrappers have none.
        """
        state = self._own_state()
        if self._inner("set_state") and (get_state := self._inner("get_state")):
            state.update({_INNER + key: value for key, value in get_state().items()})
        return state

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restores what :meth:`get_state` returned; what the wrapper does then follows bit for bit.

        Raises:
            ValueError: The state is of a wrapper with other settings, incomplete, or broken;
                nothing has changed then.
        """
        world = self._world
        arrays = check_state(self._own_state(), state, world.open_keys)
        resting = np.full(world.num_worlds, not arrays["begun"][0])
        world.check_state(arrays, resting, self.settings.horizon)
        if self._inner("get_state") and (set_state := self._inner("set_state")):
            inner = {key: value for key, value in state.items() if key.startswith(_INNER)}
            set_state({key.removeprefix(_INNER): value for key, value in inner.items()})
        self._restore(arrays)
        if self._begun:
            self._resume()

    @contextmanager
    def _kept_if_refused(self, asked: bool) -> Iterator[None]:
        """Leaves the wrapper as it was if what happens inside fails.

        ``asked``: a seed or options were given; without them there is nothing to refuse.
        """
        settings, world = self.settings, self._world
        before = self._own_state() if asked else None
        try:
            yield
        except Exception:
            if before is not None:
                self.settings, self._world = settings, world
                self._restore(before)
                if self._begun:
                    self._resume()
            raise

    @abstractmethod
    def _resume(self) -> None:
        """Makes the wrapped environment what the world's current step wants."""

    def _own_state(self) -> dict[str, NDArray[Any]]:
        """The state but for that of the wrapped environment."""
        return {
            **self._world.get_state(),
            "begun": np.array([self._begun]),
            SETTINGS: pack_text(repr(self.settings)),
        }

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Takes over what :meth:`_own_state` returned."""
        self._world.set_state(arrays)
        self._begun = bool(arrays["begun"][0])

    def _inner(self, name: str) -> Any:
        """A method of the wrapped environment, or None if it has none of this name."""
        env = self.env
        if isinstance(env, gym.Env):  # may itself be a wrapper, which does not pass them on
            return env.get_wrapper_attr(name) if env.has_wrapper_attr(name) else None
        return getattr(env, name, None)
