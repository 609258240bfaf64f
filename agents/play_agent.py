"""Play a trained agent and record what happened; its weights stay as they are."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from .bandits.play import PlayRecord
from .memory_ppo import MemoryPPO
from .memory_reset import memory_starts
from .plain_spaces import check_same_spaces
from .vector_info import autoreset_mode, transition_info


def play_agent(
    model: MemoryPPO,
    env: VectorEnv,
    *,
    num_episodes: int = 1,
    seed: int | None = None,
    deterministic: bool = False,
) -> PlayRecord:
    """Let an agent play whole episodes and record its regret, as for the classic policies.

    Args:
        model: the agent; its ``memory_reset`` decides whether it remembers earlier episodes.
        env: a vector environment with same-step autoreset, episodes of one length, and ``regret``
            and ``changed`` in its info.
        num_episodes: episodes of each sub-environment.
        seed: seed of ``env.reset`` (sub-environment i gets ``seed + i``) and of the actions; the
            generators of torch stay as they are.
        deterministic: take the most likely actions instead of samples. PPO trains the policy that
            samples, and where that one explores, the most likely actions may not.

    Raises:
        ValueError: if the agent was made for other spaces, or the environment does not fit.
    """
    columns = []
    episodes = 0

    def visit(step: _Step) -> bool:
        nonlocal episodes
        if missing := {"regret", "changed"} - step.info.keys():
            raise ValueError(f"env must give {sorted(missing)} in its step info")
        columns.append((step.info["regret"], step.rewards, step.info["changed"], step.actions))
        if step.dones.any() and not step.dones.all():
            raise ValueError("env must have episodes of one length in all its rows")
        episodes += bool(step.dones.all())
        return episodes < num_episodes

    _play(model, env, seed, deterministic, visit)
    return PlayRecord(*(np.stack(column, axis=1) for column in zip(*columns, strict=True)))


def episode_returns(
    model: MemoryPPO,
    env: VectorEnv,
    *,
    num_episodes: int = 1,
    seed: int | None = None,
    deterministic: bool = False,
) -> NDArray[np.float64]:
    """Returns of the first episodes of every sub-environment, (num_envs, num_episodes).

    All sub-environments play on until the slowest is done: counting whatever ends first would
    favour short episodes. Arguments and errors as in :func:`play_agent`.
    """
    returns = np.zeros((env.num_envs, num_episodes + 1))  # the last column is not wanted
    rows, episode = np.arange(env.num_envs), np.zeros(env.num_envs, dtype=np.int64)

    def visit(step: _Step) -> bool:
        nonlocal episode
        returns[rows, episode] += step.rewards
        episode = np.minimum(episode + step.dones, num_episodes)
        return bool(episode.min() < num_episodes)

    _play(model, env, seed, deterministic, visit)
    return returns[:, :num_episodes]


class _Step(NamedTuple):
    actions: NDArray[Any]
    rewards: NDArray[np.float64]
    dones: NDArray[np.bool_]
    info: dict[str, Any]


def _play(
    model: MemoryPPO,
    env: VectorEnv,
    seed: int | None,
    deterministic: bool,
    visit: Callable[[_Step], bool],
) -> None:
    """Step all sub-environments until ``visit``, called with every step, returns False."""
    check_same_spaces(model, env.single_observation_space, env.single_action_space)
    if autoreset_mode(env) is not AutoresetMode.SAME_STEP:
        raise ValueError("env must have same-step autoreset, as make_vector_env gives it")
    obs, _ = env.reset(seed=seed)
    starts = np.ones(env.num_envs, dtype=bool)
    state: Any = None
    with torch.random.fork_rng():
        if seed is not None:
            torch.manual_seed(seed)
        going = True
        while going:
            # `model.predict` without its copies of the state, most of the time with many rows.
            actions, state = model.policy.predict(obs, state, starts, deterministic, in_place=True)
            obs, rewards, terminated, truncated, info = env.step(actions)
            dones = terminated | truncated
            starts = memory_starts(model.memory_reset, dones, info.get("trial_start"))
            going = visit(_Step(actions, rewards, dones, transition_info(info, dones)))
