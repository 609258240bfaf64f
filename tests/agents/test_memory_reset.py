"""When the memory of an agent forgets, in training and in play."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from driftwise.agents.play_agent import episode_returns


class Trials(gym.Env):
    """Three-step episodes; a trial is two of them, as the reset info says."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Discrete(2)
    episode = -1

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.t = self.episode + 1, 0
        return np.zeros(2, np.float32), {"trial_start": self.episode % 2 == 0}

    def step(self, action):
        self.t += 1
        return np.zeros(2, np.float32), 0.0, self.t == 3, False, {}


def trials_vector():
    mode = gym.vector.AutoresetMode.SAME_STEP
    return gym.vector.SyncVectorEnv([Trials], autoreset_mode=mode)


@pytest.mark.parametrize(
    ("memory_reset", "resets"), [("episode", [0, 3, 6, 9]), ("trial", [0, 6]), ("never", [0])]
)
@pytest.mark.parametrize("kind", ["sb3", "wrapped", "vector"])
def test_when_the_memory_forgets(small_agent, memory_reset, resets, kind):
    if kind == "vector":
        env = trials_vector()
    else:
        env = DummyVecEnv([Trials]) if kind == "sb3" else VecMonitor(DummyVecEnv([Trials]))
    agent = small_agent(env=env, n_steps=12, memory_reset=memory_reset)
    agent.learn(12)
    assert agent.rollout_buffer.memory_starts[:, 0].nonzero().flatten().tolist() == resets
    if memory_reset == "never":
        agent.learn(12, reset_num_timesteps=False)
        assert not agent.rollout_buffer.memory_starts[:, 0].any()


def test_returns_count_to_the_end_of_the_trial(small_agent):
    """In mode "trial" only its end cuts returns, so that exploring for a later episode pays."""
    for memory_reset, ends in (("episode", [2, 5, 8, 11]), ("trial", [5, 11])):
        agent = small_agent(env=DummyVecEnv([Trials]), n_steps=12, memory_reset=memory_reset)
        with torch.no_grad():
            agent.policy.critic.linear.weight.zero_()
            agent.policy.critic.linear.bias.fill_(1.0)
        agent.gae_lambda = agent.rollout_buffer.gae_lambda = 0.0
        agent.gamma = agent.rollout_buffer.gamma = 0.5
        agent.learn(12)
        returns = agent.rollout_buffer.returns[:, 0].tolist()
        # No rewards: a return is half the next value, or nothing where it ends.
        assert returns == [0.0 if t in ends else 0.5 for t in range(12)]


@pytest.mark.parametrize(("memory_reset", "resets"), [("episode", 4), ("trial", 2), ("never", 1)])
def test_playing_forgets_as_training_does(small_agent, monkeypatch, memory_reset, resets):
    agent = small_agent(env=trials_vector(), n_steps=12, memory_reset=memory_reset)
    seen = []
    predict = agent.policy.predict

    def watched(obs, state, starts, deterministic, **kwargs):
        seen.append(starts)
        return predict(obs, state, starts, deterministic, **kwargs)

    monkeypatch.setattr(agent.policy, "predict", watched)
    returns = episode_returns(agent, trials_vector(), num_episodes=4)
    assert returns.shape == (1, 4)
    assert sum(int(starts.sum()) for starts in seen) == resets
