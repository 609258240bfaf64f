"""Plays a policy on a vector environment and records what happened."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

from ..vector_info import autoreset_mode, check_vector_env, transition_info
from .policy import BanditPolicy, BoolArray, FloatArray, IntArray


class PlayRecord(NamedTuple):
    """What `play` saw; every array is (num_envs, steps), episodes one after the other.

    Attributes:
        regret: Mean of the best arm minus mean of the arm pulled, in the world of that step.
        reward: Reward received.
        changed: Whether the world changed just before the action.
        action: Arm pulled.
    """

    regret: FloatArray
    reward: FloatArray
    changed: BoolArray
    action: IntArray


def play(
    policy: BanditPolicy,
    env: VectorEnv,
    *,
    num_episodes: int | None = None,
    num_steps: int | None = None,
    seed: int | None = None,
) -> PlayRecord:
    """Lets `policy` play `env` and returns the record of all real steps.

    The environment is reset first. Autoreset is handled in its next-step and same-step modes: the
    policy is reset wherever an episode starts, and the dead steps of next-step mode are neither
    recorded nor left in the policy's statistics (the policy is reset after them).

    Args:
        policy: A policy at the start of an episode.
        env: A vector environment with discrete actions whose step info has the arrays ``regret``
            and ``changed``.
        num_episodes: Complete episodes to play in every row; they must be equally long in all.
        num_steps: Steps to play in every row; give either this or `num_episodes`.
        seed: Seed for ``env.reset``; sub-environment i gets ``seed + i``.

    Raises:
        ValueError: If the policy does not fit the environment, the info lacks a key, not exactly
            one of `num_episodes` and `num_steps` is given, or episodes differ in length.
    """
    _check_fit(policy, env)
    if (num_episodes is None) == (num_steps is None):
        raise ValueError("give exactly one of num_episodes and num_steps")
    wanted = num_episodes if num_steps is None else num_steps
    if wanted is None or wanted < 1:
        raise ValueError(f"num_episodes or num_steps must be at least 1, got {wanted}")
    next_step = autoreset_mode(env) is AutoresetMode.NEXT_STEP

    env.reset(seed=seed)
    policy.reset()
    policy.bind(env)
    columns: list[tuple[npt.NDArray[Any], ...]] = []
    kept: list[BoolArray] = []
    progress = np.zeros(env.num_envs, dtype=np.int64)
    dead = np.zeros(env.num_envs, dtype=bool)
    while progress.min() < wanted:
        if dead.all():  # nothing to decide: every row is being reset
            env.step(np.zeros(env.num_envs, dtype=np.int64))
            policy.reset()
            dead = np.zeros_like(dead)
            continue
        actions = policy.act()
        _, rewards, terminated, truncated, info = env.step(actions)
        done = terminated | truncated
        info = transition_info(info, done)
        if missing := {"regret", "changed"} - info.keys():
            raise ValueError(f"env must give {sorted(missing)} in its step info, got {list(info)}")
        policy.update(actions, rewards, info)
        columns.append((info["regret"], rewards, info["changed"], actions))
        kept.append(~dead & (progress < wanted))
        progress += ~dead if num_episodes is None else done
        starts = dead if next_step else done
        if starts.any():
            policy.reset(starts)
        dead = done if next_step else np.zeros_like(done)
    return _record(columns, np.array(kept).T)


def count_arms(env: VectorEnv) -> int:
    """Number of arms of a vector environment.

    Raises:
        ValueError: If its actions are not those of a bandit.
        TypeError: If it is a single environment.
    """
    check_vector_env(env)
    space = env.single_action_space
    if not isinstance(space, spaces.Discrete) or space.start != 0:
        raise ValueError(f"env must have the actions 0..num_arms-1 (Discrete), got {space}")
    return int(space.n)


def _check_fit(policy: BanditPolicy, env: VectorEnv) -> None:
    num_arms = count_arms(env)
    if (policy.num_arms, policy.num_envs) != (num_arms, env.num_envs):
        raise ValueError(
            f"policy must have num_arms={num_arms} and num_envs={env.num_envs} as the environment "
            f"has, got num_arms={policy.num_arms} and num_envs={policy.num_envs}"
        )


def _record(columns: list[tuple[npt.NDArray[Any], ...]], kept: BoolArray) -> PlayRecord:
    """Stacks the steps and drops the dead ones: rows may have theirs at different times."""
    lengths = kept.sum(axis=1)
    if lengths.min() != lengths.max():
        raise ValueError(
            f"episodes must be equally long in all rows to be recorded by num_episodes, got "
            f"{lengths.min()} to {lengths.max()} steps; use num_steps"
        )
    shape = len(kept), int(lengths[0])
    regret, reward, changed, action = (
        np.array(column).T[kept].reshape(shape) for column in zip(*columns, strict=True)
    )
    return PlayRecord(
        regret.astype(np.float64),
        reward.astype(np.float64),
        changed.astype(bool),
        action.astype(np.int64),
    )
