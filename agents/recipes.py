"""Training runs that are known to work, as functions that return their configuration."""

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


def image_curriculum(images: str = "Omniglot", num_classes: int = 120) -> TrainConfig:
    """The curriculum of images as a world to act in, its classes always in the same order.

    What a label means is learned in the weights. A new level takes at least 500 steps, so that an
    episode can complete three of them. On Omniglot, four minutes on one core.
    """
    return TrainConfig(
        env=f"driftwise/{images}Curriculum-v0",
        env_kwargs={"num_classes": num_classes, "order_seed": 0, "max_episode_steps": 2_000},
        num_envs=16,
        total_timesteps=640_000,
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
    "image-curriculum": image_curriculum,
}
