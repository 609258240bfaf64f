"""Runs of online learners, as functions that return their configuration."""

from collections.abc import Callable

from .config import OnlineConfig


def two_arms() -> OnlineConfig:
    """Two arms, one good and one bad, that change places now and then: about a minute."""
    return OnlineConfig(
        env_kwargs={
            "num_arms": 2,
            "mean_values": [0.8, 0.2],
            "schedule": "Periodic(period=50, phase=-1)",
            "drift": "SwapBest()",
            "max_episode_steps": 100,
        },
        hidden=(0, 1, 2),
        adapt_every=5,
    )


def standard_bandit() -> OnlineConfig:
    """Five arms, all redrawn with probability 0.02 at every step, 200 steps."""
    return OnlineConfig(adapt_every=5, updates=1_000)


def small_maze() -> OnlineConfig:
    """A 5 x 5 maze, where the walls in view tell the cell, and the goal moves now and then."""
    return OnlineConfig(
        env="driftwise/ShiftingMaze-v0",
        env_kwargs={"size": 5, "max_episode_steps": 200},
        adapt_every=20,
        reward_scale=0.1,
        updates=1_000,
    )


RECIPES: dict[str, Callable[[], OnlineConfig]] = {
    "two-arms": two_arms,
    "standard-bandit": standard_bandit,
    "small-maze": small_maze,
}
