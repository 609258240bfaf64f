"""MemoryPPO: what it is given wrong, before training and while it trains."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import DummyVecEnv

from driftwise.agents import MemoryPPO
from driftwise.agents.worlds import make_vector_env


def test_files_that_cannot_be_loaded(small_agent, tmp_path):
    whole = tmp_path / "whole.zip"
    small_agent().save(whole)
    for size in (40, whole.stat().st_size // 2, whole.stat().st_size - 10):
        part = tmp_path / "part.zip"
        part.write_bytes(whole.read_bytes()[:size])
        with pytest.raises(ValueError, match=r"part\.zip"):
            MemoryPPO.load(part)
    with pytest.raises(ValueError, match=r"got the folder .* load_agent loads an agent's folder"):
        MemoryPPO.load(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"memory_reset": "sometimes"}, "memory_reset must be one of episode, trial, never"),
        ({"sequence_length": 5}, "sequence_length must divide n_steps=16, got 5"),
        ({"n_steps": 0}, "n_steps must be at least 1, got 0"),
        ({"n_epochs": 0}, "n_epochs must be at least 1, got 0"),
        ({"gamma": float("nan")}, "gamma must be between 0 and 1, got nan"),
        ({"vf_coef": float("inf")}, "vf_coef must be finite and not negative, got inf"),
        ({"reward_horizon": 0}, "reward_horizon must be at least 1, got 0"),
        ({"reward_coef": -1.0}, "reward_coef must be finite and not negative, got -1.0"),
        ({"ent_coef": -5.0}, "ent_coef must be finite and not negative, got -5.0"),
        ({"ent_coef": lambda left: left * np.nan}, "ent_coef must be finite and not negative"),
        ({"learning_rate": float("inf")}, "learning_rate must be finite and above 0, got inf"),
        ({"clip_range": float("nan")}, "clip_range must be finite and above 0, got nan"),
        ({"clip_range": lambda left: -left}, "clip_range must be finite and not negative"),
        ({"max_grad_norm": 0.0}, "max_grad_norm must be above 0, got 0.0"),
        ({"target_kl": -1.0}, "target_kl must be above 0, got -1.0"),
        ({"batch_size": 24}, "batch_size must be a multiple of sequence_length=16"),
        ({"batch_size": 80}, "divides the 96 steps of a rollout, got 80"),
        ({"memory": "elephant"}, "memory must be one of sparse, dense, gru, lstm, none"),
        ({"memory_kwargs": {"num_slot": 4}}, "memory_kwargs do not fit 'sparse'.*num_slot"),
        ({"memory_kwargs": {"top_k": 9}}, "top_k must be at most num_slots=4, got 9"),
    ],
)
def test_bad_arguments(small_agent, arguments, message):
    with pytest.raises(ValueError, match=message):
        small_agent(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_steps": 1.5}, "n_steps must be an integer, got 1.5"),
        ({"reward_horizon": None}, "reward_horizon must be an integer, got None"),
        ({"gamma": "x"}, "gamma must be a number, got 'x'"),
        ({"learning_rate": None}, "learning_rate must be a number, got None"),
    ],
)
def test_arguments_of_the_wrong_type(small_agent, arguments, message):
    with pytest.raises(TypeError, match=message):
        small_agent(**arguments)


def test_unknown_environment():
    envs = make_vector_env("minigrid:MiniGrid-Empty-5x5-v0", 2)
    assert envs.spec.id == "MiniGrid-Empty-5x5-v0"
    envs.close()
    with pytest.raises(ValueError, match="env: No module named 'elephants'"):
        make_vector_env("elephants:Elephant-v0", 2)
    with pytest.raises(ValueError, match="env: Environment `Elephant` doesn't exist"):
        make_vector_env("driftwise/Elephant-v0", 2)
    with pytest.raises(ValueError, match=r"env_kwargs do not fit .*num_legs"):
        make_vector_env("driftwise/ShiftingBandit-v0", 2, num_legs=4)


def test_a_gradient_that_is_not_finite_changes_nothing(small_agent):
    agent = small_agent()
    agent.policy.actor.bias.register_hook(lambda gradient: gradient / 0)
    before = {name: weight.clone() for name, weight in agent.policy.named_parameters()}
    with pytest.raises(FloatingPointError, match="the gradient must be finite"):
        agent.learn(96)
    for name, weight in agent.policy.named_parameters():
        if not name.startswith("critic."):  # brought to the scale of the returns, same values
            assert torch.equal(weight, before[name])


class FourthStep(gym.Wrapper):
    """Adds something to what the fourth step of an episode returns."""

    def __init__(self, env, observation=0.0, reward=0.0):
        super().__init__(env)
        self.added = observation, reward

    def reset(self, **kwargs):
        self.t = 0
        return super().reset(**kwargs)

    def step(self, action):
        obs, reward, *rest = super().step(action)
        self.t += 1
        if self.t == 4:
            obs, reward = (obs + self.added[0]).astype(np.float32), reward + self.added[1]
        return obs, reward, *rest


def test_an_observation_that_is_not_a_number_stops_training(small_agent, cartpole):
    env = DummyVecEnv([lambda: FourthStep(cartpole(), observation=np.nan)])
    with pytest.raises(ValueError, match="observations must be finite, got nan from environment 0"):
        small_agent(env=env).learn(100)


def test_a_first_observation_that_is_not_a_number(small_agent):
    agent = small_agent()
    agent.learn(96)
    agent._last_obs[2, 0] = np.nan
    with pytest.raises(ValueError, match="observations must be finite, got nan from environment 2"):
        agent.learn(96, reset_num_timesteps=False)
    with pytest.raises(ValueError, match="observation must be finite, got nan in row 2"):
        agent.predict(agent._last_obs)


def test_a_reward_that_is_not_a_number_stops_training(small_agent, cartpole):
    env = DummyVecEnv([lambda: FourthStep(cartpole(), reward=np.nan)])
    agent = small_agent(env=env)
    before = [p.clone() for p in agent.policy.parameters()]
    with pytest.raises(ValueError, match="rewards must be finite, got nan from environment 0"):
        agent.learn(100)
    assert all(torch.equal(a, b) for a, b in zip(before, agent.policy.parameters(), strict=True))


def test_a_state_of_another_batch(small_agent):
    agent = small_agent()
    _, state = agent.predict(np.zeros((6, 5), np.float32))
    with pytest.raises(ValueError, match="state must have the batch size of x"):
        agent.predict(np.zeros((4, 5), np.float32), state)
    with pytest.raises(ValueError, match=r"episode_start must have shape \(4,\)"):
        agent.predict(np.zeros((4, 5), np.float32), None, np.zeros(6, dtype=bool))
