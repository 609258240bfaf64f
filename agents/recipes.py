"""Training runs that are known to work, as functions that return their configuration."""

from collections.abc import Callable

from .config import TrainConfig


def two_arms() -> TrainConfig:
    """Two arms whose chances are redrawn now and then: learned in a minute or two on two cores."""
    return TrainConfig(
        env_kwargs={"num_arms": 2},
        num_envs=64,
        n_steps=100,
        total_timesteps=640_000,
    )


def standard_bandit() -> TrainConfig:
    """Five arms, all redrawn with probability 0.02 at every step, 200 steps."""
    return TrainConfig()


RECIPES: dict[str, Callable[[], TrainConfig]] = {
    "two-arms": two_arms,
    "standard-bandit": standard_bandit,
}
