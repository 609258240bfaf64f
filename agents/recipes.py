"""Training runs, as functions that return their configuration.

Times are of the recipe as it is, on a quiet machine of two cores, of which training keeps one busy.
"""

import dataclasses
from collections.abc import Callable

from .config import TrainConfig
from .memories import (
    CHAINED,
    CONTROLLED,
    EQUAL_SIZE,
    EQUAL_SIZE_CHAINED,
    EQUAL_SIZE_CONTROLLED,
    EQUAL_SIZE_SLOTS,
    MANY_SLOTS,
)


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
    return TrainConfig(
        learning_rate=4e-3,
        gamma=0.95,
        # With less entropy more runs settle early on one way to play, and stay there.
        ent_coef=0.04,
        # With more, an agent knows its arms sooner, and learns less about exploring them.
        reward_coef=0.1,
        memory_kwargs=CONTROLLED,
    )


def stationary_bandit(num_arms: int = 2) -> TrainConfig:
    """Arms that stay as they are, 100 pulls: how close to Bayes' optimum? 3 minutes, or 6."""
    return TrainConfig(
        env_kwargs={
            "num_arms": num_arms,
            "schedule": "Never()",
            "max_episode_steps": 100,
            # What exploring is worth depends on how many pulls are left.
            "observe_time": True,
        },
        num_envs=256,
        n_steps=100,
        total_timesteps=5_120_000 if num_arms == 2 else 10_240_000,
        n_epochs=2,
        learning_rate=3e-3,
        gamma=0.97 if num_arms == 2 else 0.95,
        ent_coef=0.03,  # or some of the arms are never tried
        # Values that know the arms make advantages less noisy: more of the memory is for them.
        vf_coef=0.1,
        reward_coef=0.1,
        memory_kwargs=CONTROLLED,
    )


def recurring_bandit(num_contexts: int = 16, num_arms: int = 5) -> TrainConfig:
    """Contexts that come back, each with its cue and its one good arm; about 3 minutes."""
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
        total_timesteps=2_048_000,
        # What is recalled pays at once: returns that end soon are less noisy, and learned faster.
        gamma=0.8,
        gae_lambda=0.8,
        vf_coef=0.3,
        reward_coef=3.0,  # what a context's arms pay is all there is to recall
        memory_kwargs=MANY_SLOTS,
    )


def barcode_bandit(num_contexts: int = 8, max_episode_steps: int = 200) -> TrainConfig:
    """Codes that come back after ten pulls or more, one good arm of ten each; about 7 minutes."""
    return TrainConfig(
        env="driftwise/BarcodeBandit-v0",
        env_kwargs={"num_contexts": num_contexts, "max_episode_steps": max_episode_steps},
        num_envs=64,
        n_steps=max_episode_steps,
        total_timesteps=6_144_000,
        gamma=0.8,
        gae_lambda=0.8,
        vf_coef=0.3,
        reward_coef=3.0,  # what a context's arms pay is all there is to recall
        memory_kwargs=MANY_SLOTS,
    )


def informative_arm() -> TrainConfig:
    """Five pulls of eleven arms, of which the last tells which one is good; about 2 minutes."""
    return TrainConfig(
        env="driftwise/InformativeArmBandit-v0",
        n_steps=20,
        sequence_length=5,
        total_timesteps=1_024_000,
        # Who stops asking the last arm before its hint is understood never learns what it is for.
        ent_coef=0.1,
    )


def two_step() -> TrainConfig:
    """Two-step trials, whose two rewarding states change places now and then; about 2 minutes."""
    return TrainConfig(
        env="driftwise/TwoStep-v0", num_envs=64, total_timesteps=1_536_000, learning_rate=4e-3
    )


def maze(stationary: bool = False) -> TrainConfig:
    """The 9 x 9 maze whose goal moves every 50 to 100 steps, or never; about 5 minutes."""
    return TrainConfig(
        env="driftwise/StationaryMaze-v0" if stationary else "driftwise/ShiftingMaze-v0",
        num_envs=64,
        n_steps=250,
        total_timesteps=4_000_000,
        learning_rate=4e-3,
        memory_kwargs=CONTROLLED,
    )


def stationary_maze() -> TrainConfig:
    """The published 9 x 9 maze: the goal stays where it is for 250 steps; about 5 minutes."""
    return maze(stationary=True)


def island_transport() -> TrainConfig:
    """The random graphs of the Fast Weight Memory paper, 600 to train on; about 20 minutes."""
    return TrainConfig(
        env="driftwise/IslandTransport-v0",
        n_steps=60,
        sequence_length=30,
        total_timesteps=12_288_000,
        learning_rate=4e-3,
        # Shortest paths are the same at any discount, and returns that end soon are less noisy.
        gamma=0.3,
        gae_lambda=0.8,
        # Where a transport leads is what a reward tells, and is known ten times as soon as from
        # advantages alone; and where one can go on to from there, what the next reward tells.
        reward_coef=1.0,
        reward_horizon=2,
        # To write where a transport leads, a key must join two steps: where from, and by which. To
        # join two transports, what was read must lead the next read.
        memory_kwargs=CHAINED,
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
    )


def drifting_pendulum() -> TrainConfig:
    """Pendulum without its velocity, another one every 20 episodes; about 3 minutes."""
    return dataclasses.replace(
        drifting_cartpole(),
        env="driftwise/DriftingPendulum-v0",
        env_kwargs={"hidden": [2]},
        gamma=0.95,
    )


def omniglot_curriculum(images: str = "Omniglot", num_classes: int = 120) -> TrainConfig:
    """Characters to be told, 30 more whenever 70 % are; about 2 minutes.

    The classes always come in the same order: what a label means is learned in the weights. A level
    takes at least 500 steps, so that an episode can complete three of them.
    """
    return TrainConfig(
        env=f"driftwise/{images}Curriculum-v0",
        env_kwargs={"num_classes": num_classes, "order_seed": 0, "max_episode_steps": 2_000},
        num_envs=16,
        total_timesteps=327_680,
        width=128,
        n_steps=64,
        n_epochs=4,
        learning_rate=3e-3,
        # An answer is right or wrong at once, and has no consequences.
        gamma=0.0,
        gae_lambda=0.0,
    )


RECIPES: dict[str, Callable[[], TrainConfig]] = {
    "two-arms": two_arms,
    "standard-bandit": standard_bandit,
    "stationary-bandit": stationary_bandit,
    "recurring-bandit": recurring_bandit,
    "barcode-bandit": barcode_bandit,
    "informative-arm": informative_arm,
    "two-step": two_step,
    "maze": maze,
    "stationary-maze": stationary_maze,
    "island-transport": island_transport,
    "drifting-cartpole": drifting_cartpole,
    "drifting-pendulum": drifting_pendulum,
    "omniglot-curriculum": omniglot_curriculum,
}


def with_memory(config: TrainConfig, memory: str) -> TrainConfig:
    """A recipe with sparse fast weights, as an agent of the same size with another memory.

    Args:
        config: a recipe, whose layers are 48 wide.
        memory: sparse (the recipe as it is), dense, gru, lstm or none.

    Raises:
        ValueError: for a memory that there is not.
    """
    if memory not in EQUAL_SIZE:
        raise ValueError(f"memory must be one of {', '.join(EQUAL_SIZE)}, got {memory!r}")
    if memory == "sparse":
        return config
    sizes = EQUAL_SIZE
    if "num_reads" in config.memory_kwargs:
        sizes = EQUAL_SIZE_CHAINED
    elif "controller" in config.memory_kwargs:
        sizes = EQUAL_SIZE_CONTROLLED
    elif "num_slots" in config.memory_kwargs:
        sizes = EQUAL_SIZE_SLOTS
    return dataclasses.replace(config, **{"memory_kwargs": {}, **sizes[memory]})
