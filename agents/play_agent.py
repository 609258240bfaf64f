"""Play a trained agent and record what happened, as for the classic policies."""

from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv

from .bandits.play import PlayRecord
from .memory_ppo import MemoryPPO
from .vector_info import autoreset_mode, transition_info


def play_agent(
    model: MemoryPPO,
    env: VectorEnv,
    *,
    num_episodes: int = 1,
    seed: int | None = None,
    deterministic: bool = False,
) -> PlayRecord:
    """Let an agent play whole episodes in every sub-environment; its weights stay as they are.

    Args:
        model: the agent; its ``memory_reset`` decides whether it remembers earlier episodes.
        env: a vector environment with same-step autoreset, discrete actions, episodes of one
            length, and ``regret`` and ``changed`` in its info.
        num_episodes: episodes of each sub-environment.
        seed: seed of ``env.reset`` (sub-environment i gets ``seed + i``) and of the actions; the
            generators of torch stay as they are.
        deterministic: take the most likely actions instead of samples. PPO trains the policy that
            samples, and where that one explores, the most likely actions may not.

    Raises:
        ValueError: if the agent was made for other spaces, or the environment does not fit.
    """
    for kind in ("observation_space", "action_space"):
        theirs, ours = getattr(env, f"single_{kind}"), getattr(model, kind)
        if theirs != ours:
            raise ValueError(f"env must have the agent's {kind} {ours}, got {theirs}")
    if autoreset_mode(env) is not AutoresetMode.SAME_STEP:
        raise ValueError("env must have same-step autoreset, as make_vector_env gives it")
    obs, _ = env.reset(seed=seed)
    starts = np.ones(env.num_envs, dtype=bool)
    state: Any = None
    columns = []
    episodes = 0
    with torch.random.fork_rng():
        if seed is not None:
            torch.manual_seed(seed)
        while episodes < num_episodes:
            actions, state = model.predict(obs, state, starts, deterministic)
            obs, rewards, terminated, truncated, info = env.step(actions)
            starts = terminated | truncated
            info = transition_info(info, starts)
            columns.append((info["regret"], rewards, info["changed"], actions))
            if starts.any():
                if not starts.all():
                    raise ValueError("env must have episodes of one length in all its rows")
                episodes += 1
            if model.memory_reset == "never":
                starts = np.zeros_like(starts)
    return PlayRecord(*(np.stack(column, axis=1) for column in zip(*columns, strict=True)))
