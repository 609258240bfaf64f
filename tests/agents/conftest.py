"""Environments and small agents that several tests use."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from driftwise.agents import MemoryPPO
from driftwise.agents.worlds import make_vector_env

SMALL_MEMORIES = {
    "sparse": {"num_heads": 2, "num_slots": 4, "key_size": 4, "value_size": 4, "chunk_size": 5},
    "dense": {"num_heads": 2, "key_size": 4, "value_size": 4, "chunk_size": 5},
    "gru": {"num_layers": 2},
    "lstm": {},
    "none": {},
}


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


class HiddenVelocities(gym.ObservationWrapper):
    """CartPole without its velocities: the pole can only be balanced from memory."""

    def __init__(self, env):
        super().__init__(env)
        high = env.observation_space.high[[0, 2]]
        self.observation_space = spaces.Box(-high, high, dtype=np.float32)

    def observation(self, observation):
        return observation[[0, 2]]


@pytest.fixture
def cartpole():
    return lambda **kwargs: HiddenVelocities(gym.make("CartPole-v1", **kwargs))


@pytest.fixture
def small_agent():
    """A function that makes a small agent on a small bandit."""

    def make(memory="sparse", env=None, width=8, memory_kwargs=None, **kwargs):
        if env is None:
            env = make_vector_env("driftwise/ShiftingBandit-v0", 6, num_arms=3, max_episode_steps=8)
        settings = {"n_steps": 16, "seed": 3, "device": "cpu", "learning_rate": 1e-2} | kwargs
        if memory_kwargs is None:
            memory_kwargs = SMALL_MEMORIES.get(memory, {})
        policy = {"memory": memory, "width": width, "memory_kwargs": memory_kwargs}
        return MemoryPPO("MemoryPolicy", env, policy_kwargs=policy, **settings)

    return make
