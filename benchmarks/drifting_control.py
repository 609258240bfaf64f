"""Drifting CartPole and Pendulum: what an agent earns in the first episodes after a change.

    driftwise results run drifting_control --seeds 0 1 2     # needs the extra `peers`

A new world every 20 episodes, of which agents are told nothing; velocities are hidden, but for the
setting "velocities" of CartPole. All observe their previous action and reward. All are trained on
such worlds for equally many steps and then play others with their weights frozen: what adapts is
the memory. Ours is never reset; that of sb3-contrib's RecurrentPPO is, at every episode, and SB3's
PPO has none.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from driftwise.agents import (
    HELD_OUT_WORLDS,
    RandomPlayer,
    SB3VecEnv,
    TrainConfig,
    episode_returns,
    make_vector_env,
)
from driftwise.agents.players import Playable
from driftwise.agents.recipes import drifting_cartpole, drifting_pendulum
from driftwise.agents.training import Falling
from driftwise.agents.worlds import training_world_seed
from driftwise.benchmarks.agent_cells import plain, trained
from driftwise.tracking import Result


def cartpole_with_velocities() -> TrainConfig:
    """The recipe of CartPole, with velocities in view."""
    return dataclasses.replace(drifting_cartpole(), env_kwargs={})


SETTINGS: dict[str, Callable[[], TrainConfig]] = {
    "default": drifting_cartpole,
    "pendulum": drifting_pendulum,
    "velocities": cartpole_with_velocities,
}

NUM_WORLDS = 100
PERIOD = 20  # episodes from one change to the next
NUM_CHANGES = 2
FIRST = 10  # episodes after a change that are scored as such

# 42,000 parameters each, within 5 %, which a test checks. "told" sees the parameters of the world
# themselves: what an agent could earn that had nothing to find out but velocities.
AGENTS: dict[str, dict[str, Any]] = {
    "sparse": {},
    "dense": {"memory": "dense", "memory_kwargs": {"key_size": 24}},
    "gru": {"memory": "gru", "width": 82},
    "lstm": {"memory": "lstm", "width": 71},
    "none": {"memory": "none", "width": 196},
    "told": {"memory": "gru", "width": 82},
}

# Of two settings each; the second of RecurrentPPO was stopped early (LOG.md).
PEERS: dict[str, dict[str, Any]] = {
    "sb3_ppo": {"policy_kwargs": {"net_arch": [140, 140]}},
    "recurrent_ppo": {"policy_kwargs": {"lstm_hidden_size": 64, "net_arch": [32]}},
}
PEER_SIZES = {
    "num_envs": 64,
    "n_steps": 64,
    "batch_size": 256,
    "n_epochs": 10,
    "learning_rate": 1e-3,
}


def agent_config(row: str, setting: str) -> TrainConfig:
    """What one of our agents trains on, and how."""
    recipe = SETTINGS[setting]()
    notice = {"notify": "values"} if row == "told" else {}
    kwargs = {**recipe.env_kwargs, **notice}
    return dataclasses.replace(recipe, env_kwargs=kwargs, **AGENTS.get(row, {}))


def make_peer(row: str, setting: str, seed: int) -> BaseAlgorithm:
    """An agent of stable-baselines3 with the training environments of ours, yet to be trained."""
    from sb3_contrib import RecurrentPPO

    task = SETTINGS[setting]()
    sizes = {**PEER_SIZES, **PEERS[row]}
    env = SB3VecEnv(make_vector_env(task.env, sizes.pop("num_envs"), **task.env_kwargs))
    learning_rate = Falling(sizes.pop("learning_rate"))
    kinds: dict[str, tuple[type[Any], str]] = {
        "sb3_ppo": (PPO, "MlpPolicy"),
        "recurrent_ppo": (RecurrentPPO, "MlpLstmPolicy"),
    }
    kind, policy = kinds[row]
    discounts = {"gamma": task.gamma, "gae_lambda": task.gae_lambda}
    model: BaseAlgorithm = kind(
        policy, env, learning_rate=learning_rate, seed=seed, device="cpu", **discounts, **sizes
    )
    env.seed(training_world_seed(seed))
    return model


def returns_around_changes(player: Playable, config: TrainConfig) -> NDArray[np.float64]:
    """Returns of the episodes after a change, (changes of all held-out worlds, PERIOD).

    The first PERIOD episodes of a world come before any change and do not count.
    """
    env = make_vector_env(config.env, NUM_WORLDS, **config.env_kwargs)
    episodes = PERIOD * (NUM_CHANGES + 1)
    returns = episode_returns(player, env, num_episodes=episodes, seed=HELD_OUT_WORLDS)
    env.close()
    return returns[:, PERIOD:].reshape(-1, PERIOD)


def measure(returns: NDArray[np.float64]) -> dict[str, float]:
    """Mean returns by episode after a change, of the first ones together, and of the others."""
    curve = returns.mean(axis=0)
    return {
        "return_after_change": float(curve[:FIRST].mean()),
        "return_steady": float(curve[FIRST:].mean()),
        **{f"return_episode_{k + 1}": float(value) for k, value in enumerate(curve)},
    }


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Compute one cell."""
    torch.set_num_threads(1)
    task = agent_config(row, setting)
    if row == "random":
        return measure(returns_around_changes(RandomPlayer(), task))
    if row in PEERS:
        model = make_peer(row, setting, seed).learn(task.total_timesteps)
    else:
        model = trained(task, seed, f"drifting_control-{row}-{setting}")
    parameters = sum(p.numel() for p in model.policy.parameters())
    return {**measure(returns_around_changes(model, task)), "parameters": parameters}


def config(row: str, setting: str) -> Mapping[str, Any]:
    """What decides the numbers of a cell."""
    played = {"worlds": NUM_WORLDS, "changes": NUM_CHANGES, "version": 1}
    task = plain(agent_config(row, setting))
    if row == "random":
        return {"env": task["env"], "env_kwargs": task["env_kwargs"], **played}
    if row in PEERS:
        return {"task": task, "peer": {**PEER_SIZES, **PEERS[row]}, "row": row, **played}
    return {"agent": task, **played}


RESULT = Result(
    name="drifting_control",
    command="driftwise results run drifting_control",
    protocol="Drifting CartPole (default) and Pendulum, with velocities hidden, and CartPole with "
    "velocities; previous action and reward in the observation; another world every 20 episodes of "
    "at most 200 steps; returns of the first 10 episodes after a change (return_after_change) and "
    "of the 10 before the next (return_steady), over 2 changes in each of 100 held-out worlds, "
    "with sampled actions and frozen weights. Agents of 42,000 parameters within 5 %, equally many "
    "training steps. told is gru with the parameters in view, the others have to find out. Our "
    "memories are never reset; recurrent_ppo's is at every episode.",
    rows=[*AGENTS, *PEERS, "random"],
    settings=list(SETTINGS),
    seeds=list(range(10)),
    run=run,
    config=config,
)
