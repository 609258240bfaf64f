"""What the cells of results about agents share: train, play held-out worlds, measure."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ..agents import HELD_OUT_WORLDS, MemoryPPO, TrainConfig, make_vector_env, play_agent
from ..agents.bandits import PlayRecord, make_policy, play
from ..agents.training import make_agent
from ..evaluation import adaptation_time, dynamic_regret, recovery_curve

NUM_WORLDS = 4_000
WORLDS_AT_ONCE = 1_000


def train_and_play(config: TrainConfig, seed: int) -> dict[str, Any]:
    """Train with a seed, then play the held-out worlds with sampled actions, as in training."""
    torch.set_num_threads(1)
    model = make_agent(dataclasses.replace(config, seed=seed))
    model.learn(config.total_timesteps)
    return {
        **measure(play_held_out(model, config)),
        "dynamic_regret_greedy": float(
            dynamic_regret(play_held_out(model, config, deterministic=True).regret).mean()
        ),
        "parameters": sum(p.numel() for p in model.policy.parameters()),
    }


def play_held_out(
    model: MemoryPPO, config: TrainConfig, *, deterministic: bool = False, num_episodes: int = 1
) -> PlayRecord:
    """The record of an agent on the held-out worlds, (NUM_WORLDS, T)."""
    env = make_vector_env(config.env, WORLDS_AT_ONCE, **config.env_kwargs)
    return _joined(
        play_agent(model, env, seed=first, deterministic=deterministic, num_episodes=num_episodes)
        for first in _first_worlds()
    )


def play_policy(
    name: str, config: TrainConfig, seed: int, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """A classic policy on the held-out worlds; the seed is that of its own random numbers."""
    env = make_vector_env(config.env, WORLDS_AT_ONCE, **config.env_kwargs)
    num_arms = int(env.single_action_space.n)  # type: ignore[attr-defined]
    return measure(
        _joined(
            play(
                make_policy(name, num_arms, WORLDS_AT_ONCE, seed=first + seed, **arguments),
                env,
                num_episodes=1,
                seed=first,
            )
            for first in _first_worlds()
        )
    )


def measure(record: PlayRecord, horizon: int = 50) -> dict[str, Any]:
    """Dynamic regret per step, and recovery after a change where there are changes."""
    metrics: dict[str, Any] = {"dynamic_regret": float(dynamic_regret(record.regret).mean())}
    if record.changed.any():
        adaptation = adaptation_time(record.regret, record.changed, horizon)
        metrics["adaptation_steps"] = float(adaptation.steps)
        metrics["recovery"] = recovery_curve(record.regret, record.changed, horizon).mean.tolist()
    return metrics


def _first_worlds() -> range:
    return range(HELD_OUT_WORLDS, HELD_OUT_WORLDS + NUM_WORLDS, WORLDS_AT_ONCE)


def _joined(records: Any) -> PlayRecord:
    return PlayRecord(*(np.concatenate(column) for column in zip(*records, strict=True)))
