"""What the cells of results about agents share: train, play held-out worlds, measure."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from driftwise.agents import (
    HELD_OUT_WORLDS,
    MemoryPPO,
    Player,
    TrainConfig,
    make_vector_env,
    play_agent,
    train_agent,
)
from driftwise.agents.bandits import PlayRecord, make_policy, play
from driftwise.agents.evaluation import PLAYERS
from driftwise.agents.players import Playable
from driftwise.evaluation import adaptation_time, dynamic_regret, recovery_curve

RUNS = "runs/agents"
NUM_WORLDS = 4_000
WORLDS_AT_ONCE = 1_000  # bounds the memory of environments and agents


def first_worlds(num_worlds: int, worlds_at_once: int = WORLDS_AT_ONCE) -> range:
    """Seeds of the first of the held-out worlds that are played at once."""
    return range(HELD_OUT_WORLDS, HELD_OUT_WORLDS + num_worlds, worlds_at_once)


def trained(config: TrainConfig, seed: int, name: str) -> MemoryPPO:
    """An agent trained with a seed, in a run folder: a killed cell goes on where it was."""
    torch.set_num_threads(1)
    seeded = dataclasses.replace(config, seed=seed)
    done = train_agent(seeded, runs=RUNS, name=name, progress=False)
    done.run.close()
    return done.model


def agent_plays(
    player: Playable,
    config: TrainConfig,
    num_worlds: int = NUM_WORLDS,
    *,
    worlds_at_once: int = WORLDS_AT_ONCE,
    options: dict[str, Any] | None = None,
    deterministic: bool = False,
) -> PlayRecord:
    """A player's record on the first held-out worlds, (num_worlds, T), one episode in each.

    With ``memory_reset="never"``, the last three episodes of four, (num_worlds, 3 T).
    """
    env = make_vector_env(config.env, worlds_at_once, **config.env_kwargs)
    # A memory that is never reset is scored once it has one.
    num_episodes = 4 if getattr(player, "memory_reset", None) == "never" else 1
    record = _joined(
        play_agent(
            player,
            env,
            num_episodes=num_episodes,
            seed=first,
            options=options,
            deterministic=deterministic,
        )
        for first in first_worlds(num_worlds, worlds_at_once)
    )
    first_scored = record.regret.shape[1] // 4 if num_episodes > 1 else 0
    return PlayRecord._make(column[:, first_scored:] for column in record)


def policy_plays(
    name: str,
    config: TrainConfig,
    seed: int,
    arguments: Mapping[str, Any],
    num_worlds: int = NUM_WORLDS,
) -> PlayRecord:
    """A classic policy's record on the same worlds; the seed is of its own random numbers."""
    env = make_vector_env(config.env, WORLDS_AT_ONCE, **config.env_kwargs)
    arms = env.single_action_space
    assert isinstance(arms, spaces.Discrete)
    return _joined(
        play(
            make_policy(name, int(arms.n), WORLDS_AT_ONCE, seed=first + seed, **arguments),
            env,
            num_episodes=1,
            seed=first,
        )
        for first in first_worlds(num_worlds)
    )


def train_and_play(
    config: TrainConfig, seed: int, name: str, num_worlds: int = NUM_WORLDS
) -> dict[str, Any]:
    """Train, then play the held-out worlds with sampled actions, as in training."""
    model = trained(config, seed, name)
    greedy = agent_plays(model, config, num_worlds, deterministic=True)
    return {
        **measure(agent_plays(model, config, num_worlds)),
        "dynamic_regret_greedy": float(dynamic_regret(greedy.regret).mean()),
        **num_parameters(model),
    }


def player_of(
    row: str,
    config: TrainConfig,
    seed: int,
    name: str,
    players: Mapping[str, type[Player]] = PLAYERS,
) -> Playable:
    """Who plays a row: one of ``players``, or else an agent, trained with the seed."""
    return players[row]() if row in players else trained(config, seed, name)


def plain(config: TrainConfig) -> dict[str, Any]:
    """A configuration as what decides the numbers of a cell.

    A field that came later is left out at its default: cells from before it stay what they are.
    """
    fields = dataclasses.asdict(config)
    if fields["objective"] == "reward":
        del fields["objective"]
    return fields


def num_parameters(player: Playable) -> dict[str, int]:
    """The number of an agent's parameters, as a metric; others have none."""
    if not isinstance(player, MemoryPPO):
        return {}
    return {"parameters": sum(p.numel() for p in player.policy.parameters())}


def cell_config(
    row: str, config: TrainConfig, players: Mapping[str, type[Player]] = PLAYERS
) -> dict[str, Any]:
    """What decides the numbers of a cell that :func:`player_of` plays."""
    if row in players:
        return {"player": row, "env": config.env, "env_kwargs": config.env_kwargs, "version": 1}
    return {"agent": plain(config), "version": 1}


def measure(record: PlayRecord, horizon: int = 50) -> dict[str, Any]:
    """Dynamic regret per step, and recovery after a change where there are changes."""
    metrics: dict[str, Any] = {"dynamic_regret": float(dynamic_regret(record.regret).mean())}
    if record.changed.any():
        adaptation = adaptation_time(record.regret, record.changed, horizon)
        metrics["adaptation_steps"] = float(adaptation.steps)
        metrics["recovery"] = recovery_curve(record.regret, record.changed, horizon).mean.tolist()
    return metrics


def _joined(records: Iterable[PlayRecord]) -> PlayRecord:
    return PlayRecord(*(np.concatenate(column) for column in zip(*records, strict=True)))
