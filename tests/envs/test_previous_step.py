"""Observations with the step before: what lies where, alone and in vectors."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from driftwise.envs import (
    DriftingParameters,
    ObservePreviousStep,
    ObservePreviousStepVector,
    check_vector_env,
)


def test_discrete_actions() -> None:
    env, bare = ObservePreviousStep(gym.make("CartPole-v1")), gym.make("CartPole-v1")
    assert env.observation_space.shape == (4 + 2 + 1 + 1,)
    for _ in range(3):
        shown, wanted = env.reset(seed=0)[0], bare.reset(seed=0)[0]
        np.testing.assert_array_equal(shown, [*wanted, 0, 0, 0, 1])
        for action in (1, 0, 1):
            shown, wanted = env.step(action)[0], bare.step(action)[0]
            np.testing.assert_array_equal(shown, [*wanted, action == 0, action == 1, 1, 0])
            assert shown in env.observation_space and shown.dtype == np.float32


def test_continuous_actions_and_notices() -> None:
    ranges = {"g": (5.0, 15.0)}
    env = ObservePreviousStep(
        DriftingParameters(
            gym.make("Pendulum-v1"), ranges, schedule="AtSteps((2,))", notify="values"
        )
    )
    shown = env.reset(seed=0)[0]
    # The keys of a Dict are in alphabetical order: changed, observation, values.
    assert shown[[0, *range(4, 8)]].tolist() == [0, 10, 0, 0, 1]
    for step in range(3):
        shown, reward = env.step(np.array([0.5], dtype=np.float32))[:2]
        assert shown[0] == (step + 1 == 2) and (shown[4] != 10) == (step + 1 >= 2)
        np.testing.assert_allclose(shown[5:], [0.5, float(reward), 0], rtol=1e-6)
        assert shown in env.observation_space


@pytest.mark.parametrize("env_id", ["CartPole-v1", "MountainCarContinuous-v0"])
@pytest.mark.parametrize("mode", AutoresetMode)
def test_vectors(env_id: str, mode: AutoresetMode) -> None:
    def make() -> gym.Env[Any, Any]:
        return gym.make(env_id, max_episode_steps=30)

    envs = ObservePreviousStepVector(SyncVectorEnv([make] * 3, autoreset_mode=mode))
    check_vector_env(envs, lambda: ObservePreviousStep(make()), num_steps=120, info_keys=())


def test_resets_of_single_rows() -> None:
    envs = ObservePreviousStepVector(gym.make_vec("CartPole-v1", num_envs=2))
    envs.reset(seed=0)
    before = envs.step(np.array([0, 1]))[0]
    after = envs.reset(options={"reset_mask": np.array([True, False])})[0]
    assert after[0, 4:].tolist() == [0, 0, 0, 1]
    np.testing.assert_array_equal(after[1], before[1])


@pytest.mark.filterwarnings("ignore:.*infinity")
def test_specs() -> None:
    env = ObservePreviousStep(gym.make("CartPole-v1"))
    assert env.spec is not None
    again = gym.make(env.spec)
    np.testing.assert_array_equal(again.reset(seed=1)[0], env.reset(seed=1)[0])
    check_env(env, skip_render_check=True)


def test_bad_input() -> None:
    class Odd(gym.Env[Any, Any]):
        observation_space: spaces.Space[Any] = spaces.Discrete(3)
        action_space: spaces.Space[Any] = spaces.Discrete(2)

    with pytest.raises(TypeError, match="observations must be Box or a Dict of Box, got Discrete"):
        ObservePreviousStep(Odd())
    odd = Odd()
    odd.observation_space, odd.action_space = spaces.Box(0, 1), spaces.MultiBinary(2)
    with pytest.raises(TypeError, match="actions must be Discrete or Box, got MultiBinary"):
        ObservePreviousStep(odd)
