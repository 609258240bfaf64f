"""How fast the environments step: ours, and the nearest of other packages.

    taskset -c 1 driftwise results run env_speed --jobs 1     # other packages: the extra `peers`

Every cell is a process on one core, which also keeps JAX to one thread; a seed is a repeat. Actions
are random and drawn beforehand, infos are included. Steps at which a vector environment only resets
(NEXT_STEP) take time and do not count. Cells of a vector class also measure SyncVectorEnv of the
scalar class, as ``gymnasium.make_vec`` makes it, in turn with it: ``times_sync`` is the ratio.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from driftwise.envs import (
    DriftingParameters,
    DriftingParametersVector,
    IslandTransport,
    ShiftingBandit,
    ShiftingMaze,
)
from driftwise.tracking import Result

from .env_speed_peers import GYMNAX, PACKAGES, PEERS, run_gymnax, run_gymnax_scan

SECONDS = 0.2  # of one measurement
ROUNDS = 5  # measurements of a cell, after one to warm up

SCALAR = "scalar"
SIZES = {f"num_envs_{size}": size for size in (1, 8, 64, 1024)}
LARGEST = list(SIZES)[-1]

# CartPole whose gravity wanders at every step.
DRIFT: dict[str, Any] = {
    "ranges": {"gravity": (5.0, 15.0)},
    "schedule": "Never()",
    "drift": "RandomWalk(0.01)",
}

Run = Callable[[float], float]  # seconds to measure -> transitions per second
Env = gym.Env[Any, Any]
VectorEnv = gym.vector.VectorEnv[Any, Any, Any]


class World(NamedTuple):
    """One environment, made in three ways; the latter two take the number of environments."""

    scalar: Callable[[], Env]
    vector: Callable[[int], VectorEnv]
    sync: Callable[[int], VectorEnv]


def _registered(scalar: Callable[[], Env]) -> World:
    env_id = f"driftwise/{scalar.__name__}-v0"
    vector = partial(gym.make_vec, env_id)
    return World(scalar, vector, partial(vector, vectorization_mode="sync"))


def _drifting(env: Env) -> DriftingParameters:
    return DriftingParameters(env, **DRIFT)


def _cartpole(num_envs: int) -> VectorEnv:
    mode = gym.VectorizeMode.VECTOR_ENTRY_POINT
    return gym.make_vec("CartPole-v1", num_envs, vectorization_mode=mode)


WORLDS = {
    "ShiftingBandit": _registered(ShiftingBandit),
    "ShiftingMaze": _registered(ShiftingMaze),
    "IslandTransport": _registered(IslandTransport),
    "DriftingCartPole": World(
        lambda: _drifting(gym.make("CartPole-v1")),
        lambda num_envs: DriftingParametersVector(_cartpole(num_envs), **DRIFT),
        partial(gym.make_vec, "CartPole-v1", vectorization_mode="sync", wrappers=[_drifting]),
    ),
    # Does not drift: what the wrapper costs is the difference.
    "gymnasium_CartPole": World(
        lambda: gym.make("CartPole-v1"),
        _cartpole,
        partial(gym.make_vec, "CartPole-v1", vectorization_mode="sync"),
    ),
}
SYNC = {f"{row}_SyncVectorEnv": world for row, world in WORLDS.items()}
PRESETS = (
    "RecurringBandit",
    "RestlessBandit",
    "ReactiveBandit",
    "RottingBandit",
    "TwoStep",
    "StationaryMaze",
    "RedrawnMaze",
    "PermutedMaze",
    "BlockedMaze",
)


def run_scalar(env: Env) -> Run:
    """A single environment, reset where an episode ends."""
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(1000)]
    env.reset(seed=0)

    def measure(seconds: float) -> float:
        count, begin = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - begin) < seconds:
            for action in actions:
                _, _, terminated, truncated, _ = env.step(action)
                if terminated or truncated:
                    env.reset()
            count += len(actions)
        return count / elapsed

    return measure


def run_vector(envs: VectorEnv) -> Run:
    """A vector environment; its resetting steps are not counted."""
    envs.action_space.seed(0)
    actions = [envs.action_space.sample() for _ in range(100)]
    envs.reset(seed=0)

    def measure(seconds: float) -> float:
        ends, begin = [], time.perf_counter()
        while (elapsed := time.perf_counter() - begin) < seconds:
            for action in actions:
                _, _, terminated, truncated, _ = envs.step(action)
                ends.append((terminated, truncated))
        # The step after an end only resets.
        resets = sum(int(np.count_nonzero(a | b)) for a, b in ends)
        return (len(ends) * envs.num_envs - resets) / elapsed

    return measure


def contestants(row: str, setting: str) -> list[Run]:
    """What a cell measures: its own environment, and SyncVectorEnv of it where that is asked."""
    if row in PEERS:
        return [run_scalar(PEERS[row]())]
    if row in GYMNAX:
        env_id, scan = GYMNAX[row]
        run = run_gymnax_scan if scan else run_gymnax
        return [run(env_id, SIZES.get(setting))]
    if row in PRESETS:
        return [run_vector(gym.make_vec(f"driftwise/{row}-v0", SIZES[setting]))]
    if row in SYNC:
        return [run_vector(SYNC[row].sync(SIZES[setting]))]
    world = WORLDS[row]
    if setting == SCALAR:
        return [run_scalar(world.scalar())]
    return [run_vector(make(SIZES[setting])) for make in (world.vector, world.sync)]


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Measure one contestant, and where there is one, its rival in turn with it."""
    runs = contestants(row, setting)
    rounds = [[measure(SECONDS) for measure in runs] for _ in range(ROUNDS + 1)][1:]
    metrics = {"steps_per_s": statistics.median(speeds[0] for speeds in rounds)}
    if len(runs) > 1:
        metrics["times_sync"] = statistics.median(ours / sync for ours, sync in rounds)
    return metrics


def config(row: str, setting: str) -> Mapping[str, Any] | None:
    """What decides the numbers of a cell; None where the row has no such setting."""
    if row in PRESETS and setting != LARGEST:
        return None
    if row in PEERS and setting != SCALAR:
        return None
    if setting == SCALAR and (row in SYNC or (row in GYMNAX and GYMNAX[row].scan)):
        return None
    return {"seconds": SECONDS, "rounds": ROUNDS, "version": 1}


RESULT = Result(
    name="env_speed",
    command="taskset -c 1 driftwise results run env_speed --jobs 1",
    protocol="Environment transitions per second of wall time on one core, infos included, with "
    "random actions drawn beforehand; resetting steps of vector environments take time and do not "
    f"count. Median of {ROUNDS} measurements of {SECONDS} s. times_sync: ratio to SyncVectorEnv of "
    "the scalar class, measured in turn with it. Repeats in place of seeds. Rows of other packages "
    "are the nearest that they have, not the same task. gymnax on the CPU: _python waits for the "
    "observations of each step, compiled for all environments at once, as an agent in Python "
    "must; _scan compiles 100 steps into one call.",
    rows=[*WORLDS, *SYNC, *PRESETS, *PEERS, *GYMNAX],
    settings=[SCALAR, *SIZES],
    seeds=list(range(5)),
    run=run,
    config=config,
    packages=PACKAGES,
)
