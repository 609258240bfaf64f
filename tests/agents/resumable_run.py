"""A small training run in a process of its own, for the test that kills it."""

import sys

import torch

from driftwise.agents import TrainConfig, train_agent

if __name__ == "__main__":
    torch.set_num_threads(1)
    runs, memory, memory_reset = sys.argv[1:]
    config = TrainConfig(
        env_kwargs={"num_arms": 3, "max_episode_steps": 15},
        num_envs=8,
        n_steps=20,  # episodes of 15 steps: memory, worlds and returns are in mid-episode
        total_timesteps=8 * 20 * 40,
        width=12,
        memory=memory,
        memory_reset=memory_reset,
        checkpoint_every=3,
        seed=5,
    )
    train_agent(config, runs=runs, progress=False).run.close()
