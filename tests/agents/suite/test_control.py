"""Drifting control: the oracles reach the ceilings, which nothing can exceed."""

import itertools
import subprocess
import sys
from collections import deque

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from driftwise.agents import OraclePlayer, episode_returns
from driftwise.agents.suite import FIRST_SEED, WORLDS
from driftwise.agents.suite.control import CARTPOLE, FROZEN_LAKE, action_values
from driftwise.agents.suite.score import references

MAP = ["SFFF", "FHFH", "FFFH", "HFFG"]


@pytest.mark.parametrize("env_id", [CARTPOLE, FROZEN_LAKE])
def test_gymnasiums_check(env_id: str) -> None:
    check_env(gym.make(env_id).unwrapped, skip_render_check=True)


def test_gymnasium_can_be_told_where_they_are_registered() -> None:
    code = """
import gymnasium as gym
gym.make("driftwise.agents.suite:driftwise-8/DriftingCartPole-v1").reset(seed=0)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("env_id", "size"), [(CARTPOLE, 4), (FROZEN_LAKE, 16)])
def test_observations_tell_the_step_before(env_id: str, size: int) -> None:
    env = gym.make(env_id)
    env.action_space.seed(0)
    obs, _ = env.reset(seed=0)
    expected = [0.0] * env.action_space.n + [0.0, 1.0]
    for _ in range(60):
        assert env.observation_space.contains(obs)
        assert obs[size:].tolist() == expected
        action = env.action_space.sample()
        obs, reward, terminated, truncated, _ = env.step(action)
        expected = [float(a == action) for a in range(env.action_space.n)] + [reward, 0.0]
        if terminated or truncated:
            obs, _ = env.reset()
            expected = [0.0] * env.action_space.n + [0.0, 1.0]


@pytest.mark.parametrize(("world", "num_envs"), [("drifting-cartpole", 16), ("shifting-lake", 50)])
def test_the_oracle_reaches_the_ceiling(world: str, num_envs: int) -> None:
    env = WORLDS[world].make_held_out_env(num_envs)
    returns = episode_returns(OraclePlayer(), env, seed=FIRST_SEED)
    assert (returns == WORLDS[world].ceiling).all()


def hold_up(env: gym.Env) -> int:
    """Lets the oracle play the episode that has begun; returns how long the pole is up."""
    for step in range(1, 501):
        _, _, terminated, truncated, _ = env.step(env.get_wrapper_attr("optimal_action")())
        if terminated or truncated:
            return step
    raise AssertionError("an episode has at most 500 steps")


def test_the_pole_is_held_up_at_the_ends_of_all_ranges() -> None:
    env = gym.make(CARTPOLE)
    ranges = {"gravity": (5.0, 15.0), "length": (0.25, 1.0), "force_mag": (5.0, 15.0)}
    for seed, corner in enumerate(itertools.product(*ranges.values())):
        parameters = {"values": dict(zip(ranges, corner, strict=True)), "change_times": []}
        env.reset(seed=seed, options={"shifts": {"parameters": parameters}})
        assert hold_up(env) == 500, corner


def test_the_pole_is_held_up_in_the_hardest_held_out_world() -> None:
    """Where a controller that cares more for the cart's place lets it fall."""
    env = gym.make(CARTPOLE)
    env.reset(seed=FIRST_SEED + 723)
    assert hold_up(env) == 500


def test_value_iteration_finds_the_shortest_ways() -> None:
    """Against a breadth-first search from the goal on the map itself."""
    cells = {(r, c): kind for r, row in enumerate(MAP) for c, kind in enumerate(row)}
    distance = {cell: 0 for cell, kind in cells.items() if kind == "G"}
    queue = deque(distance)
    while queue:
        r, c = queue.popleft()
        for near in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
            if cells.get(near) in ("S", "F") and near not in distance:
                distance[near] = distance[r, c] + 1
                queue.append(near)
    lake = gym.make("FrozenLake-v1", is_slippery=False)
    values = action_values(lake.unwrapped.P, 0.9).max(axis=1)
    for (r, c), kind in cells.items():
        expected = 0.9 ** (distance[r, c] - 1) if kind in "SF" else 0.0
        assert values[4 * r + c] == pytest.approx(expected, abs=1e-12)


def test_random_play_on_the_lake_is_as_expected() -> None:
    """Whatever the actions mean, uniform ones go in uniform directions: a Markov chain."""
    transitions = gym.make("FrozenLake-v1", is_slippery=False).unwrapped.P
    chance = np.eye(16)[0]
    success = 0.0
    for _ in range(100):
        after = np.zeros(16)
        for state, action in itertools.product(range(16), range(4)):
            ((_, target, reward, over),) = transitions[state][action]
            success += chance[state] / 4 * reward
            after[target] += 0.0 if over else chance[state] / 4
        chance = after
    error = np.sqrt(success * (1 - success) / 10_000)
    assert references()["shifting-lake"].random == pytest.approx(success, abs=4 * error)
