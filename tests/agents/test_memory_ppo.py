"""MemoryPPO: what it must share with PPO, and what its memory adds."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv

from driftwise.agents import MEMORIES, MemoryPPO, play_agent
from driftwise.agents.worlds import make_vector_env
from driftwise.memory.state import map_state


class FirstMinibatch(BaseCallback):
    """Checks at each rollout's end that an unchanged policy finds its own log-probabilities."""

    worst = 0.0
    rollouts = 0

    def _on_rollout_end(self):
        model = self.model
        for batch in model.rollout_buffer.minibatches(model.sequences_per_batch):
            with torch.no_grad():
                values, log_probs, *_ = model.policy.evaluate_actions(
                    batch.observations, batch.actions, batch.state, batch.starts
                )
            self.worst = max(
                self.worst,
                (values - batch.old_values).abs().max().item(),
                (log_probs - batch.old_log_probs).abs().max().item(),
            )
        self.rollouts += 1

    def _on_step(self):
        return True


@pytest.mark.parametrize("memory_reset", ["episode", "never"])
@pytest.mark.parametrize("memory", MEMORIES)
def test_training_sees_what_acting_saw(small_agent, cartpole, memory, memory_reset):
    """The parallel form over stored states equals the steps of the rollout: PPO's ratio is one.

    CartPole's episodes end at different times in every environment, inside sequences.
    """
    env = DummyVecEnv([cartpole] * 3)
    agent = small_agent(memory, env=env, n_steps=40, sequence_length=10, memory_reset=memory_reset)
    check = FirstMinibatch()
    agent.learn(40 * 3 * 3, check)
    assert check.rollouts == 3
    assert check.worst < 2e-5  # float32


@pytest.mark.parametrize("memory", ["sparse", "gru"])
def test_training_through_whole_trials_keeps_no_state(small_agent, memory):
    agent = small_agent(memory, n_steps=8)
    check = FirstMinibatch()
    agent.learn(6 * 8, check)
    assert check.worst < 2e-5
    assert agent.rollout_buffer._states == [None]


def test_same_seed_same_weights(small_agent):
    weights = []
    for _ in range(2):
        agent = small_agent().learn(200)
        weights.append([p.clone() for p in agent.policy.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


@pytest.mark.parametrize("memory", ["sparse", "lstm"])
def test_save_and_load_as_in_sb3(small_agent, tmp_path, memory):
    agent = small_agent(memory).learn(200)
    agent.save(tmp_path / "agent.zip")
    env = make_vector_env("driftwise/ShiftingBandit-v0", 6, num_arms=3, max_episode_steps=8)
    loaded = MemoryPPO.load(tmp_path / "agent.zip", env=env, device="cpu")
    for a, b in zip(agent.policy.parameters(), loaded.policy.parameters(), strict=True):
        assert torch.equal(a, b)
    first, second = (play_agent(model, env, seed=5) for model in (agent, loaded))
    np.testing.assert_array_equal(first.action, second.action)
    loaded.learn(200, reset_num_timesteps=False)
    assert loaded.num_timesteps > agent.num_timesteps


def test_predict_carries_the_state(small_agent):
    agent = small_agent()
    obs = np.random.default_rng(0).normal(size=(5, 6, 5)).astype(np.float32)
    starts = np.zeros((5, 6), dtype=bool)
    starts[3, 2] = True
    state, stepped = None, []
    for t in range(5):
        _, state = agent.predict(obs[t], state, starts[t], deterministic=True)
        stepped.append(state)
    # Row 2 after its reset at t = 3 equals a fresh row that sees the last two observations.
    _, fresh = agent.predict(obs[3, 2:3], None, None, deterministic=True)
    _, fresh = agent.predict(obs[4, 2:3], fresh, None, deterministic=True)
    pairs = []
    map_state(lambda a, b: pairs.append((a[2], b[0])), state, fresh)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in pairs)
    # An observation without a batch dimension works too.
    action, _ = agent.predict(obs[0, 0])
    assert np.shape(action) == ()


def test_predict_leaves_the_given_state_alone(small_agent):
    agent = small_agent()
    obs = np.ones((6, 5), dtype=np.float32)
    _, state = agent.predict(obs)
    before = map_state(torch.clone, state)
    agent.predict(obs, state)
    equal = []
    map_state(lambda a, b: equal.append(torch.equal(a, b)), state, before)
    assert all(equal)


def test_evaluate_policy_of_sb3(small_agent, cartpole):
    agent = small_agent(env=DummyVecEnv([cartpole] * 2), n_steps=20).learn(80)
    mean, std = evaluate_policy(agent, DummyVecEnv([cartpole] * 2), n_eval_episodes=4)
    assert mean >= 1 and std >= 0


class OneSpace(gym.Env):
    """Any pair of spaces, random observations, five steps."""

    def __init__(self, observation_space, action_space):
        self.observation_space, self.action_space = observation_space, action_space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.t += 1
        return self.observation_space.sample(), 1.0, False, self.t == 5, {}


@pytest.mark.parametrize(
    ("observation", "action"),
    [
        (spaces.Box(-1, 1, (3,)), spaces.Box(-1, 1, (2, 3))),
        (spaces.Discrete(4), spaces.MultiDiscrete([2, 3])),
        (spaces.MultiBinary(3), spaces.MultiBinary(2)),
        (spaces.Box(0, 255, (3, 36, 36), np.uint8), spaces.Discrete(2, start=1)),
        (spaces.Dict(a=spaces.Box(-1, 1, (2,)), b=spaces.Discrete(3)), spaces.Discrete(2)),
    ],
    ids=["box", "discrete", "binary", "image", "dict"],
)
def test_any_spaces(small_agent, observation, action):
    env = DummyVecEnv([lambda: OneSpace(observation, action)] * 2)
    agent = small_agent(env=env, n_steps=12, sequence_length=6)
    check = FirstMinibatch()
    agent.learn(48, check)
    assert check.worst < 2e-5
    action_taken, _ = agent.predict(env.reset())
    assert action_taken.shape == (2, *action.shape)


def test_truncated_episodes_are_bootstrapped(small_agent):
    """A time limit is not an end: the reward before it gains the discounted next value."""
    space = spaces.Box(-1, 1, (2,))
    env = DummyVecEnv([lambda: OneSpace(space, spaces.Discrete(2))])
    agent = small_agent(env=env, n_steps=5, gamma=0.5, gae_lambda=0.0)
    with torch.no_grad():
        agent.policy.critic.linear.weight.zero_()
        agent.policy.critic.linear.bias.fill_(8.0)
    agent.learn(5)
    # 1 + 0.5 * 8 everywhere: at the last step the value is that of the terminal observation.
    assert agent.rollout_buffer.returns[:, 0].tolist() == pytest.approx([5.0] * 5)


@pytest.mark.parametrize("memory", ["sparse", "gru"])
def test_a_two_armed_bandit_is_learned_in_seconds(memory):
    kwargs = {"num_arms": 2, "max_episode_steps": 40}
    env = make_vector_env("driftwise/ShiftingBandit-v0", 32, **kwargs)
    agent = MemoryPPO(
        "MemoryPolicy",
        env,
        n_steps=40,
        learning_rate=1e-2,
        gamma=0.8,
        seed=0,
        device="cpu",
        policy_kwargs={"memory": memory, "width": 24},
    )
    agent.learn(32 * 40 * 20)
    held_out = make_vector_env("driftwise/ShiftingBandit-v0", 400, **kwargs)
    regret = play_agent(agent, held_out, seed=10**9).regret.mean()
    assert regret < 0.11  # random: 0.167


def test_schedules_end_at_zero(small_agent):
    """The last rollout may go beyond the total; the learning rate must not go below zero."""
    rates = []
    agent = small_agent(learning_rate=lambda progress: rates.append(progress) or 1e-3 * progress)
    rates.clear()
    agent.learn(100)  # two rollouts of 96
    assert min(rates) == 0.0


class SameArrays(DummyVecEnv):
    """Returns the same arrays at every step, with new contents."""

    def step_wait(self):
        obs, rewards, dones, infos = super().step_wait()
        if not hasattr(self, "arrays"):
            self.arrays = obs.copy(), rewards.copy(), dones.copy()
        for own, new in zip(self.arrays, (obs, rewards, dones), strict=True):
            own[...] = new
        return *self.arrays, infos


def test_environments_may_use_their_arrays_again(small_agent):
    def make(kind):
        space = spaces.Box(-1, 1, (2,), seed=1)
        env = kind([lambda: OneSpace(space, spaces.Discrete(2))])
        agent = small_agent(env=env)
        agent.learn(16)
        return agent.rollout_buffer

    copied, shared = make(DummyVecEnv), make(SameArrays)
    assert len(shared.observations.unique(dim=0)) == 16
    assert torch.equal(copied.observations, shared.observations)
    assert torch.equal(copied.returns, shared.returns)


@pytest.mark.parametrize("memory_reset", ["episode", "never"])
def test_load_with_other_environments_and_settings(small_agent, tmp_path, memory_reset):
    small_agent(memory_reset=memory_reset).learn(96).save(tmp_path / "agent.zip")
    env = make_vector_env("driftwise/ShiftingBandit-v0", 5, num_arms=3, max_episode_steps=8)
    settings = {"n_steps": 8, "ent_coef": 0.0, "clip_range": 0.1}
    loaded = MemoryPPO.load(tmp_path / "agent.zip", env=env, device="cpu", **settings)
    loaded.learn(2 * 40)
    assert loaded.num_timesteps == 80
    assert loaded.ent_coef(1.0) == 0.0
