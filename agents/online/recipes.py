"""Runs of online learners, as functions that return their configuration."""

from collections.abc import Callable

from .config import OnlineConfig


def two_arms() -> OnlineConfig:
    """Two arms, one good and one bad, that change places now and then: about a minute.

    The network sees neither its last action nor the reward: what it knows is in its weights.
    """
    return OnlineConfig(
        env_kwargs={
            "num_arms": 2,
            "mean_values": [0.9, 0.1],
            "schedule": "Periodic(period=50, phase=-1)",
            "drift": "SwapBest()",
            "max_episode_steps": 100,
        },
        hidden=(0, 1, 2),
        adapt_every=5,
        inner_lr=2.0,
        inner_ent_coef=0.2,
        inner_decay=0.3,  # without it, the good arm is hardly left when it has become the bad one
        vf_coef=0.1,  # with more, inner steps of this size overshoot in the critic
        # By first order, what was learned before a change weighs more than how fast it is
        # unlearned, and the mask closes.
        first_order=False,
        sparsity=0.1,
        mask_learning_rate=2e-3,  # with ten times as much, noise opens and closes it
        learning_rate=1e-3,
        num_envs=128,
        updates=150,
    )


def standard_bandit() -> OnlineConfig:
    """Five arms, all redrawn with probability 0.02 at every step, 200 steps."""
    return OnlineConfig(adapt_every=5, updates=1_000)


def small_maze() -> OnlineConfig:
    """A 5 x 5 maze, where the walls in view tell the cell, and the goal moves now and then.

    The network sees neither its last action nor the reward.
    """
    return OnlineConfig(
        env="driftwise/ShiftingMaze-v0",
        env_kwargs={"size": 5, "max_episode_steps": 200},
        hidden=(10, 11, 12, 13, 14),
        adapt_every=20,
        inner_gamma=0.9,
        reward_scale=0.1,
        updates=1_000,
    )


RECIPES: dict[str, Callable[[], OnlineConfig]] = {
    "two-arms": two_arms,
    "standard-bandit": standard_bandit,
    "small-maze": small_maze,
}
