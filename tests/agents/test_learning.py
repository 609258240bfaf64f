"""Agents with a memory learn what agents without one cannot."""

from collections.abc import Callable

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from driftwise.agents import MemoryPPO, SB3VecEnv


@pytest.mark.parametrize(("memory", "low", "high"), [("sparse", 100, 500), ("none", 20, 70)])
def test_cartpole_without_velocities(
    cartpole: Callable[[], gym.Env], memory: str, low: float, high: float
) -> None:
    """From one observation alone nothing can balance the pole: about 48 steps are the most."""
    env = SB3VecEnv(SyncVectorEnv([cartpole] * 16))
    agent = MemoryPPO(
        "MemoryPolicy",
        env,
        n_steps=128,
        n_epochs=4,
        gamma=0.98,
        gae_lambda=0.95,
        ent_coef=0.0,
        learning_rate=3e-3,
        seed=1,
        policy_kwargs={"memory": memory},
    )
    agent.learn(60_000)
    episodes = agent.ep_info_buffer
    assert episodes is not None
    assert low < np.mean([episode["r"] for episode in episodes]) < high
