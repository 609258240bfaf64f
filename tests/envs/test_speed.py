"""A generous floor under the speed of the vector environments."""

from __future__ import annotations

import time

import gymnasium as gym
import numpy as np
import pytest


def steps_per_second(envs: gym.vector.VectorEnv, num_steps: int) -> float:
    actions = np.random.default_rng(0).integers(4, size=(50, envs.num_envs))
    envs.reset(seed=0)
    envs.step(actions[0])
    best = np.inf
    for _ in range(3):
        begin = time.perf_counter()
        for step in range(num_steps):
            envs.step(actions[step % 50])
        best = min(best, time.perf_counter() - begin)
    return num_steps * envs.num_envs / best


@pytest.mark.parametrize("world", ["ShiftingBandit", "ShiftingMaze"])
def test_the_vector_class_is_many_times_as_fast(world: str) -> None:
    ours = steps_per_second(gym.make_vec(f"driftwise/{world}-v0", 1024), 260)
    sync = gym.make_vec(f"driftwise/{world}-v0", 8, vectorization_mode="sync")
    assert ours > 25 * steps_per_second(sync, 260)
