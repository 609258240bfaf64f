"""Same-step autoreset around a vector environment that leaves resets to others."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper

from .vector_infos import final_infos, mixed


class SameStepAutoreset(VectorWrapper):
    """A vector environment in ``AutoresetMode.SAME_STEP``, made of one in ``DISABLED``.

    Whatever lies between this wrapper and the sub-environments sees each reset as a reset, before
    it happens: parameters that drift between episodes are then set in time.

    Args:
        env: The environment, which honours ``reset_mask`` and has the same keys in its infos at
            every step and reset, as this package's own. Its observations are arrays.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(env)
        self.metadata = {**env.metadata, "autoreset_mode": AutoresetMode.SAME_STEP}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Takes a step in each row, and starts new episodes where one ends."""
        observations, rewards, terminations, truncations, infos = self.env.step(actions)
        over = np.logical_or(terminations, truncations)
        if over.any():
            final = final_infos(np.flatnonzero(over), observations[over], infos)
            observations, fresh = self.env.reset(options={"reset_mask": over})
            infos = {**mixed(over, fresh, infos), **final}
        return observations, rewards, terminations, truncations, infos
