"""What an agent is trained for."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

OBJECTIVES = ("reward", "regret")
"""``"reward"``: what the environment pays. ``"regret"``: minus the dynamic regret that it tells."""


def minus_regret(env: VecEnv, infos: Sequence[dict[str, Any]]) -> NDArray[np.float32]:
    """What the steps just taken are worth to an agent that is trained for little regret, (N,).

    Raises:
        ValueError: if the environment tells no regret.
    """
    arrays = getattr(env, "info_arrays", {})
    if "regret" in arrays:
        regret = np.where(arrays.get("dead_step", False), 0.0, arrays["regret"])
    elif all("regret" in info for info in infos):
        regret = np.array([info["regret"] for info in infos])
    else:
        raise ValueError(
            "objective must be 'reward' in an environment that tells no regret in its info"
        )
    return -regret.astype(np.float32)
