"""The worlds are fixed: whoever changes one has to raise the suite's version."""

import dataclasses
import hashlib

import gymnasium as gym
import numpy as np
import pytest

from driftwise.agents import HELD_OUT_WORLDS
from driftwise.agents.memories import EQUAL_SIZE
from driftwise.agents.suite import (
    FIRST_SEED,
    NUM_EPISODES,
    VERSION,
    WORLDS,
    World,
    definition_hash,
    suite_config,
)
from driftwise.agents.suite import worlds as suite_worlds
from driftwise.agents.suite.score import references
from driftwise.agents.suite.worlds import chosen_worlds
from driftwise.agents.training import make_agent

DEFINITION = "14df6bc8c8c0f98781f2c4617e0d6ac745ea5750c6de1882c5875ce6a3308c1b"
FIRST_STEPS = {
    "standard-bandit": "bb07dadaf9b4a1df",
    "barcode-bandit": "578b75082da2d64a",
    "shifting-maze": "25bbebac81cfa343",
    "redrawn-maze": "7e5208ad9a9eff40",
    "two-step": "82cc6cf90e7ec95a",
    "island-transport": "d84284b6950e4aa9",
    "drifting-cartpole": "778b412adc17e854",
    "shifting-lake": "7bbba9c0718b9a19",
}


def first_steps(world: World) -> str:
    """A hash of what the held-out worlds show in their first steps, whatever the platform."""
    env = world.make_held_out_env(4)
    env.action_space.seed(0)
    obs, _ = env.reset(seed=FIRST_SEED)
    seen = [obs]
    for _ in range(120):
        obs, rewards, terminated, truncated, _ = env.step(env.action_space.sample())
        seen += [obs, rewards, terminated, truncated]
    env.close()
    digest = hashlib.sha256()
    for array in seen:
        # Adding zero makes a zero of a negative one.
        digest.update((np.round(np.asarray(array, dtype=np.float64), 3) + 0.0).tobytes())
    return digest.hexdigest()[:16]


def test_the_definition_is_that_of_this_version() -> None:
    assert (VERSION, definition_hash()) == (1, DEFINITION), "raise VERSION with any change"


@pytest.mark.parametrize("name", WORLDS)
def test_the_worlds_are_those_of_this_version(name: str) -> None:
    assert first_steps(WORLDS[name]) == FIRST_STEPS[name], "raise VERSION with any change"


@pytest.mark.parametrize(
    "change",
    [{"train_steps": 1}, {"env_kwargs": {"num_arms": 4}}, {"ceiling": 2.0}, {"env": "CartPole-v1"}],
)
def test_every_change_of_a_world_shows(change: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    before = definition_hash()
    changed = dataclasses.replace(WORLDS["standard-bandit"], **change)
    monkeypatch.setitem(suite_worlds.WORLDS, "standard-bandit", changed)
    assert definition_hash() != before


def test_eight_worlds_on_seeds_of_their_own() -> None:
    assert len(WORLDS) == len({world.env for world in WORLDS.values()}) == 8
    # Beyond all seeds that `evaluate-agent --seed` plays with 10,000 worlds each.
    assert FIRST_SEED >= HELD_OUT_WORLDS + 10_000 * 1_000
    assert FIRST_SEED + 10 * NUM_EPISODES < 2**31


def test_island_graphs_are_held_out() -> None:
    world = WORLDS["island-transport"]
    assert world.make_env(1).unwrapped.settings.split == "train"
    assert world.make_held_out_env(1).unwrapped.settings.split == "test"


@pytest.mark.parametrize("name", WORLDS)
def test_training_spends_the_budget_in_whole_rollouts(name: str) -> None:
    config = suite_config(name)
    assert config.total_timesteps == WORLDS[name].train_steps
    assert config.total_timesteps % (config.num_envs * config.n_steps) == 0


@pytest.mark.parametrize("name", WORLDS)
def test_agents_of_all_memories_are_of_about_equal_size(name: str) -> None:
    sizes = []
    for memory in EQUAL_SIZE:
        config = dataclasses.replace(suite_config(name, memory), num_envs=8)
        policy = make_agent(config).policy
        sizes.append(sum(p.numel() for p in policy.parameters()))
    assert sizes == pytest.approx([sizes[0]] * len(sizes), rel=0.05)


@pytest.mark.parametrize("name", WORLDS)
def test_the_range_of_returns_is_that_of_the_rewards(name: str) -> None:
    world = WORLDS[name]
    low, high = world.return_range
    assert low <= references()[name].random < references()[name].oracle <= high
    if world.ceiling is not None:
        assert high == world.ceiling  # where rewards end episodes, or each step has the same
        return
    env = world.make_held_out_env(100)
    env.reset(seed=0)
    env.action_space.seed(0)
    steps = gym.spec(world.env).max_episode_steps
    paid = np.array([env.step(env.action_space.sample())[1] for _ in range(steps)])
    steps_per_reward = 2 if name == "two-step" else 1  # paid at the second stage only
    assert steps // steps_per_reward * paid.max() == pytest.approx(high)
    assert steps // steps_per_reward * paid.min() == pytest.approx(low)


def test_unknown_worlds_and_memories() -> None:
    assert [world.name for world in chosen_worlds(["two-step", "standard-bandit"])] == [
        "standard-bandit",
        "two-step",
    ]
    with pytest.raises(ValueError, match=r"worlds must be among standard-bandit, .*'elephant'"):
        chosen_worlds(["elephant"])
    with pytest.raises(ValueError, match=r"worlds must be one or more of .*, got none"):
        chosen_worlds([])
    with pytest.raises(ValueError, match=r"memory must be one of sparse, .*'elephant'"):
        suite_config("two-step", "elephant")
