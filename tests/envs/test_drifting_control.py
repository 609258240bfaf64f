"""The registered control tasks that drift."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import DtypeObservation

from driftwise.envs import HiddenEntries, check_vector_env

IDS = ("driftwise/DriftingCartPole-v0", "driftwise/DriftingPendulum-v0")


def test_worlds_change_every_20_episodes() -> None:
    """And not within one, whatever the length of the episodes; in all the parameters."""
    envs = gym.make_vec(IDS[0], num_envs=3, autoreset_mode=AutoresetMode.SAME_STEP)
    infos = envs.reset(seed=0)[1]
    episodes, before = np.zeros(3, dtype=int), infos
    while episodes.min() < 45:
        _, _, terminations, truncations, infos = envs.step(envs.action_space.sample())
        over = terminations | truncations
        episodes += over
        assert infos["context"].tolist() == (episodes // 20).tolist()
        for name, values in infos["shifts"]["parameters"]["values"].items():
            moved = values != before["shifts"]["parameters"]["values"][name]
            assert moved.tolist() == (over & (episodes % 20 == 0)).tolist()
        before = infos


@pytest.mark.parametrize(
    "arguments",
    [
        {"notify": "values", "schedule": "Hazard(0.3)"},
        {"notify": "change", "per_episode": True, "schedule": "AtSteps((5, 10))"},
        {"values": {"gravity": [9.8, 5.0]}, "schedule": "Hazard(0.5)"},
        {"observe_previous_step": False, "hidden": [1, 3]},
        {"hidden": [1, 3], "notify": "change"},
    ],
)
def test_arguments(arguments: dict[str, Any]) -> None:
    envs = gym.make_vec(IDS[0], num_envs=2, autoreset_mode=AutoresetMode.SAME_STEP, **arguments)
    check_vector_env(envs, lambda: gym.make(IDS[0], **arguments), num_steps=150)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")  # of bounds of Gymnasium's own
def test_hidden_entries_keep_the_type_of_numbers() -> None:
    env = HiddenEntries(DtypeObservation(gym.make("Pendulum-v1"), np.float64), [2])
    assert env.observation_space.dtype == np.float64
    assert env.reset(seed=0)[0] in env.observation_space


def test_hidden_entries() -> None:
    env, whole = gym.make(IDS[0], hidden=[1, 3]), gym.make(IDS[0])
    np.testing.assert_array_equal(env.reset(seed=0)[0], whole.reset(seed=0)[0][[0, 2, 4, 5, 6, 7]])
    np.testing.assert_array_equal(env.step(1)[0], whole.step(1)[0][[0, 2, 4, 5, 6, 7]])


def test_any_base() -> None:
    env = gym.make(IDS[1], base="Acrobot-v1", ranges={"LINK_LENGTH_1": (0.5, 1.5)})
    info = env.reset(seed=0)[1]
    assert 0.5 <= info["shifts"]["parameters"]["values"]["LINK_LENGTH_1"] <= 1.5


def test_specs_build_the_same_again() -> None:
    for env_id in IDS:
        env = gym.make(env_id, notify="change", hidden=[1])
        assert env.spec is not None
        again = gym.make(env.spec)
        assert str(again) == str(env)
        np.testing.assert_array_equal(again.reset(seed=3)[0], env.reset(seed=3)[0])


def test_bad_input() -> None:
    for arguments, error, message in (
        ({"ranges": {"force": (1, 2)}}, ValueError, "no attribute 'force'"),
        ({"ranges": {"force_mag": (20, 1)}}, ValueError, "low < high"),
        ({"hidden": [4]}, ValueError, "hidden must be some of the indices 0 to 3"),
        ({"hidden": [0, 0]}, ValueError, "hidden must be some of the indices 0 to 3"),
        ({"hidden": [0, 1, 2, 3]}, ValueError, "hidden must be some of the indices 0 to 3"),
        ({"hidden": [0.5]}, TypeError, "hidden must be an integer"),
        ({"hidden": 2}, TypeError, "hidden must be a list of indices, got 2"),
        ({"hidden": [0], "base": "FrozenLake-v1"}, TypeError, "observations must be a Box"),
        ({"observe_previous_step": 1}, TypeError, "observe_previous_step must be True or False"),
        ({"schedule": "Reactive()"}, ValueError, "schedule must not depend on what is best"),
        ({"gravity": (1, 2)}, TypeError, "keyword arguments must be among"),
    ):
        for make in (gym.make, gym.make_vec):
            kwargs: dict[str, Any] = dict(arguments)
            with pytest.raises(error, match=message) as caught:
                make(IDS[0], **kwargs)
            assert "\n" not in str(caught.value)
