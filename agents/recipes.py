"""Training runs that are known to work, as functions that return their configuration."""

import dataclasses
from collections.abc import Callable

from .config import TrainConfig


def two_arms() -> TrainConfig:
    """Two arms whose chances are redrawn now and then: learned in a minute or two on two cores."""
    return TrainConfig(
        env_kwargs={"num_arms": 2},
        num_envs=64,
        n_steps=200,
        total_timesteps=1_408_000,
    )


def standard_bandit() -> TrainConfig:
    """Five arms, all redrawn with probability 0.02 at every step; about 6 minutes on one core."""
    return TrainConfig(learning_rate=4e-3)


def stationary_bandit(num_arms: int = 2) -> TrainConfig:
    """Arms that stay as they are, 100 pulls: how close does an agent come to Bayes' optimum?"""
    return TrainConfig(
        env_kwargs={"num_arms": num_arms, "schedule": "Never()", "max_episode_steps": 100},
        n_steps=100,
        total_timesteps=5_120_000,
        gamma=0.97,
    )


def recurring_bandit(num_contexts: int = 16, num_arms: int = 5) -> TrainConfig:
    """Contexts that come back, each with its cue and its one good arm."""
    return TrainConfig(
        env_kwargs={
            "num_arms": num_arms,
            "mean_values": [0.9] + [0.1] * (num_arms - 1),
            "num_contexts": num_contexts,
            "cue": "barcode",
            "cue_size": 16,
            "schedule": "Hazard(probability=0.1)",
            "max_episode_steps": 400,
        },
        num_envs=64,
        n_steps=400,
        total_timesteps=3_072_000,
        # What is recalled pays at once: returns that end soon are less noisy, and learned faster.
        gamma=0.8,
        gae_lambda=0.8,
        memory_kwargs={"num_slots": 16, "decay": False},
    )


def drifting_cartpole() -> TrainConfig:
    """CartPole without velocities, another motor, pole and gravity every 20 episodes; 3 minutes."""
    return TrainConfig(
        env="driftwise/DriftingCartPole-v0",
        env_kwargs={"hidden": [1, 3]},
        memory_reset="never",  # the world outlives the episode, and so does what is known of it
        num_envs=64,
        n_steps=64,
        total_timesteps=1_024_000,
        num_minibatches=8,
        n_epochs=5,
        learning_rate=2e-3,
        gamma=0.98,
        gae_lambda=0.95,
        ent_coef=0.003,
        vf_coef=0.005,  # returns are large, and actor and critic share the memory
    )


def drifting_pendulum() -> TrainConfig:
    """Pendulum without its velocity, another gravity, mass and length every 20 episodes."""
    return dataclasses.replace(
        drifting_cartpole(),
        env="driftwise/DriftingPendulum-v0",
        env_kwargs={"hidden": [2]},
        gamma=0.95,
    )


RECIPES: dict[str, Callable[[], TrainConfig]] = {
    "two-arms": two_arms,
    "standard-bandit": standard_bandit,
    "stationary-bandit": stationary_bandit,
    "recurring-bandit": recurring_bandit,
    "drifting-cartpole": drifting_cartpole,
    "drifting-pendulum": drifting_pendulum,
}
