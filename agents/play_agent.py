"""Let somebody play and record what happened; a trained agent's weights stay as they are."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from .bandits.play import PlayRecord
from .players import Playable, as_player
from .vector_info import autoreset_mode, check_vector_env, transition_info


class Step(NamedTuple):
    """One step of all rows.

    Attributes:
        actions: (N, ...).
        rewards: (N,).
        dones: (N,) rows whose episode ended with this step.
        info: what the environment said of this step, arrays (N, ...); where an episode ended, not
            what it says of the next one.
    """

    actions: NDArray[Any]
    rewards: NDArray[np.float64]
    dones: NDArray[np.bool_]
    info: dict[str, Any]


def play_steps(
    player: Playable,
    env: VectorEnv,
    visit: Callable[[Step], bool],
    *,
    seed: int | None = None,
    options: dict[str, Any] | None = None,
    deterministic: bool = False,
) -> None:
    """Reset an environment and step all its rows until ``visit`` has seen enough.

    Args:
        player: an agent, any other model of stable-baselines3, a
            :class:`~driftwise.agents.players.Player`, or a function of the observations.
        env: a vector environment with same-step autoreset.
        visit: called with every step; False ends the game.
        seed: seed of ``env.reset`` (sub-environment i gets ``seed + i``) and of the actions; the
            generators of torch stay as they are.
        options: of ``env.reset``.
        deterministic: take a model's most likely actions instead of samples. PPO trains the policy
            that samples, and where that one explores, the most likely actions may not.

    Raises:
        ValueError: if the player was made for other spaces, or the environment does not fit.
        TypeError: if ``env`` is a single environment.
    """
    check_vector_env(env)
    if autoreset_mode(env) is not AutoresetMode.SAME_STEP:
        raise ValueError("env must have same-step autoreset, as make_vector_env gives it")
    player = as_player(player, deterministic=deterministic)
    obs, _ = env.reset(seed=seed, options=options)
    player.begin(env, seed)
    wanted = env.action_space.shape  # None where an action has parts
    with torch.random.fork_rng():
        if seed is not None:
            torch.manual_seed(seed)
        going = True
        while going:
            actions = player.act(obs)
            if wanted is not None and np.shape(actions) != wanted:
                raise ValueError(f"actions must have shape {wanted}, got {np.shape(actions)}")
            obs, rewards, terminated, truncated, info = env.step(actions)
            dones = terminated | truncated
            player.observe(rewards, dones, info)
            going = visit(Step(actions, rewards, dones, transition_info(info, dones)))


def play_agent(
    player: Playable,
    env: VectorEnv,
    *,
    num_episodes: int = 1,
    seed: int | None = None,
    options: dict[str, Any] | None = None,
    deterministic: bool = False,
) -> PlayRecord:
    """Let an agent play whole episodes and record them, as for the classic policies.

    All rows play on until the slowest is done: counting whatever ends first would favour short
    episodes. What a row plays beyond its last episode is no part of the record: it has no reward
    and no change there, and regret NaN. Regret is NaN everywhere where the environment tells none.

    Args:
        player: as in :func:`play_steps`.
        env: a vector environment with same-step autoreset.
        num_episodes: episodes of each sub-environment.
        seed: as in :func:`play_steps`.
        options: as in :func:`play_steps`.
        deterministic: as in :func:`play_steps`.

    Raises:
        ValueError: if the player was made for other spaces, or the environment does not fit.
    """
    check_vector_env(env)
    columns = []
    episode = np.zeros(env.num_envs, dtype=np.int64)

    def visit(step: Step) -> bool:
        nonlocal episode
        playing = episode < num_episodes
        columns.append(
            (
                np.where(playing, step.info.get("regret", np.nan), np.nan),
                np.where(playing, step.rewards, 0.0),
                playing & step.info.get("changed", False),
                step.actions,
            )
        )
        episode += step.dones
        return bool(episode.min() < num_episodes)

    play_steps(player, env, visit, seed=seed, options=options, deterministic=deterministic)
    return PlayRecord(*(np.stack(column, axis=1) for column in zip(*columns, strict=True)))


def episode_returns(
    player: Playable,
    env: VectorEnv,
    *,
    num_episodes: int = 1,
    seed: int | None = None,
    deterministic: bool = False,
) -> NDArray[np.float64]:
    """Returns of the first episodes of every sub-environment, (num_envs, num_episodes).

    Arguments and errors as in :func:`play_agent`.
    """
    returns = np.zeros((env.num_envs, num_episodes + 1))  # the last column is not wanted
    rows, episode = np.arange(env.num_envs), np.zeros(env.num_envs, dtype=np.int64)

    def visit(step: Step) -> bool:
        nonlocal episode
        returns[rows, episode] += step.rewards
        episode = np.minimum(episode + step.dones, num_episodes)
        return bool(episode.min() < num_episodes)

    play_steps(player, env, visit, seed=seed, deterministic=deterministic)
    return returns[:, :num_episodes]
