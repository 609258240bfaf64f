"""When an agent's memory forgets."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

MEMORY_RESETS = ("episode", "trial", "never")
"""``"episode"``: where an episode starts. ``"trial"``: where one starts whose reset info does not
say ``trial_start = False``, so that one task may span several episodes (RL²; Duan et al. 2016).
``"never"``: only before the very first step."""


def memory_starts(mode: str, dones: NDArray[np.bool_], trial_start: Any) -> NDArray[np.bool_]:
    """Rows whose memory is reset before the next step.

    Args:
        mode: one of :data:`MEMORY_RESETS`.
        dones: (N,) rows whose episode just ended.
        trial_start: (N,) whether the episode that follows begins a trial, as its reset info says;
            asked for in mode ``"trial"`` only, and only where an episode ended. None: all do.
    """
    if mode == "never":
        return np.zeros_like(dones)
    if mode == "trial" and trial_start is not None:
        return dones & np.asarray(trial_start, dtype=bool)
    return dones


def trial_starts(env: VecEnv, dones: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What the last reset infos of stable-baselines3 environments say about trials, (N,)."""
    while isinstance(env, VecEnvWrapper):  # a wrapper has reset infos of its own, all empty
        env = env.venv
    infos = env.reset_infos
    return np.array(
        [bool(done and infos[i].get("trial_start", True)) for i, done in enumerate(dones)]
    )
