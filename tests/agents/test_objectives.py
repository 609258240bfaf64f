"""Training for little regret instead of much reward."""

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv

from driftwise.agents import make_vector_env

BANDIT = "driftwise/ShiftingBandit-v0"


class Seen(BaseCallback):
    """The rewards and regrets of every step, (T, N)."""

    def __init__(self):
        super().__init__()
        self.regrets = []

    def _on_step(self):
        self.regrets.append([info["regret"] for info in self.locals["infos"]])
        return True


@pytest.mark.parametrize("vectorised", [True, False])
def test_what_is_learned_from(small_agent, vectorised):
    env = (
        make_vector_env(BANDIT, 3, max_episode_steps=7)
        if vectorised
        else DummyVecEnv([lambda: gym.make(BANDIT, max_episode_steps=7)] * 3)
    )
    agent = small_agent(env=env, objective="regret", reward_coef=0.5)
    seen = Seen()
    agent.learn(agent.n_steps * 3, seen)
    regrets = np.array(seen.regrets, dtype=np.float32)
    assert regrets.shape == (16, 3) and (regrets > 0).any()
    np.testing.assert_array_equal(agent.rollout_buffer.rewards.numpy(), -regrets)
    # Episodes are still counted in rewards, of 0 or 1 here.
    assert all(0 <= episode["r"] == int(episode["r"]) for episode in agent.ep_info_buffer)


def test_rewards_and_regrets_have_the_same_optimum():
    """reward + regret is the best arm's chance, whatever is pulled, but for noise."""
    env = make_vector_env(BANDIT, 20_000, arms="gaussian", noise_std=0.5, num_arms=3)
    env.reset(seed=1)
    best = env.unwrapped.foresee().means[0].max(axis=1)
    actions = np.random.default_rng(0).integers(3, size=20_000)
    _, rewards, _, _, info = env.step(actions)
    beyond = rewards + info["regret"] - best
    for arm in range(3):
        assert abs(beyond[actions == arm].mean()) < 4 * 0.5 / np.sqrt((actions == arm).sum())


def test_save_and_load(small_agent, tmp_path):
    agent = small_agent(objective="regret")
    agent.save(tmp_path / "agent.zip")
    assert type(agent).load(tmp_path / "agent.zip").objective == "regret"


def test_bad_objectives(small_agent):
    with pytest.raises(ValueError, match="objective must be one of reward, regret, got 'fun'"):
        small_agent(objective="fun")
    for env in (make_vector_env("CartPole-v1", 2), gym.make("CartPole-v1")):
        agent = small_agent(env=env, objective="regret", n_steps=16)
        with pytest.raises(ValueError, match="objective must be 'reward' in an environment that"):
            agent.learn(16)
