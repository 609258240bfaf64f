"""Everybody who can play: models of stable-baselines3, oracles, functions, own classes."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from driftwise.agents import (
    ModelPlayer,
    OraclePlayer,
    Player,
    PolicyPlayer,
    RandomPlayer,
    SB3VecEnv,
    episode_returns,
    make_vector_env,
    play_agent,
)
from driftwise.agents.bandits import make_policy, play
from driftwise.envs.registration import ISLANDS, MAZES, TWO_STEPS

PLAYED = ["driftwise/ShiftingBandit-v0", *MAZES, *ISLANDS, *TWO_STEPS]


@pytest.mark.parametrize("env_id", PLAYED)
def test_the_oracle_has_no_regret_and_chance_has_some(env_id: str) -> None:
    env = make_vector_env(env_id, 6)
    assert play_agent(OraclePlayer(), env, seed=3).regret.max() == 0.0
    assert play_agent(RandomPlayer(), env, seed=3).regret.mean() > 0.05


def test_random_play_repeats_with_its_seed() -> None:
    env = make_vector_env("driftwise/ShiftingMaze-v0", 4)
    first, again, other = (play_agent(RandomPlayer(), env, seed=s).action for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_random_play_knows_nothing_of_the_world() -> None:
    env = make_vector_env("driftwise/ShiftingBandit-v0", 1)
    player, actions, means = RandomPlayer(), [], []
    for seed in range(400):
        env.reset(seed=seed)
        player.begin(env, seed)
        actions.append(player.act(None)[0])
        means.append(env.unwrapped.foresee(1).means[0, 0])
    assert np.abs(np.corrcoef(actions, np.transpose(means))[0, 1:]).max() < 0.2  # 4 deviations


def test_a_model_of_stable_baselines_plays_as_in_a_loop_of_its_own() -> None:
    env = make_vector_env("CartPole-v1", 3)
    model = PPO(
        "MlpPolicy", SB3VecEnv(make_vector_env("CartPole-v1", 3)), n_steps=8, batch_size=24, seed=0
    )
    returns = episode_returns(model, env, num_episodes=2, seed=5, deterministic=True)
    for row in range(3):
        scalar = gym.make("CartPole-v1")
        obs, _ = scalar.reset(seed=5 + row)
        expected = []
        for _ in range(2):
            total, done = 0.0, False
            while not done:
                action, _ = model.predict(obs, deterministic=True)
                obs, reward, terminated, truncated, _ = scalar.step(action)
                total, done = total + float(reward), terminated or truncated
            expected.append(total)
            obs, _ = scalar.reset()
        assert returns[row].tolist() == expected


@pytest.mark.parametrize("name", ["discounted_ucb", "restart_ucb", "clairvoyant", "thompson"])
def test_a_classic_policy_plays_as_without_this_loop(name: str) -> None:
    env = make_vector_env("driftwise/ShiftingBandit-v0", 7, max_episode_steps=30)
    expected = play(make_policy(name, 5, 7, seed=2), env, num_episodes=3, seed=2)
    record = play_agent(PolicyPlayer(name), env, num_episodes=3, seed=2)
    for ours, theirs in zip(record, expected, strict=True):
        assert np.array_equal(ours, theirs)


def test_probabilities_are_those_of_the_samples(small_agent: Any) -> None:
    env = make_vector_env("driftwise/ShiftingBandit-v0", 6, num_arms=3, max_episode_steps=8)
    player = ModelPlayer(small_agent("sparse", width=16))
    obs, _ = env.reset(seed=0)
    player.begin(env, 0)
    torch.manual_seed(0)
    for step in range(12):
        probabilities = player.probabilities(obs)
        assert probabilities is not None and probabilities.shape == (6, 3)
        np.testing.assert_array_equal(player.probabilities(obs), probabilities)  # changes nothing
        start = torch.as_tensor(player._starts)
        observation = torch.as_tensor(obs)
        decision = player.model.policy.act(observation, player._state, start)
        chosen = probabilities[np.arange(6), decision.actions.numpy()]
        np.testing.assert_allclose(np.log(chosen), decision.log_probs.detach().numpy(), rtol=1e-5)
        obs, rewards, terminated, truncated, info = env.step(player.act(obs))
        player.observe(rewards, terminated | truncated, info)
        assert player._starts.all() == (step == 7)
    assert RandomPlayer().probabilities(obs) is None


def test_functions_and_own_players_play() -> None:
    class Alternating(Player):
        """Sees rewards and ends of episodes."""

        def __init__(self) -> None:
            self.steps, self.ends = 0, 0

        def act(self, obs: np.ndarray) -> np.ndarray:
            return np.full(len(obs), self.steps % 2)

        def observe(self, rewards: np.ndarray, dones: np.ndarray, info: dict) -> None:
            assert rewards.shape == info["regret"].shape == (4,)
            self.steps += 1
            self.ends += int(dones.sum())

    env = make_vector_env("driftwise/ShiftingBandit-v0", 4)
    player = Alternating()
    record = play_agent(player, env, num_episodes=2, seed=0)
    assert (player.steps, player.ends) == (400, 8)
    assert np.array_equal(record.action, np.tile([0, 1], (4, 200)))
    constant = play_agent(lambda obs: np.ones(len(obs), dtype=int), env, seed=0)
    assert (constant.action == 1).all()


def test_who_cannot_play_is_told_so() -> None:
    bandit = make_vector_env("driftwise/ShiftingBandit-v0", 2)
    model = PPO("MlpPolicy", SB3VecEnv(make_vector_env("CartPole-v1", 2)), n_steps=8, batch_size=16)
    with pytest.raises(ValueError, match="env must have the agent's observation_space"):
        play_agent(model, bandit)
    with pytest.raises(ValueError, match=r"env must have optimal_actions\(\)"):
        episode_returns(OraclePlayer(), make_vector_env("CartPole-v1", 2))
    with pytest.raises(ValueError, match="player must be a Player, a model"):
        play_agent("ppo", bandit)  # type: ignore[arg-type]
    # In worlds of ours and of Gymnasium's, actions of another shape are told apart alike.
    for env in (bandit, make_vector_env("CartPole-v1", 2)):
        for actions in (0, None, [0], [[0], [0]], [0, 0, 0]):
            with pytest.raises(ValueError, match=r"actions must have shape \(2,\), got"):
                play_agent(lambda obs, actions=actions: actions, env)
    with pytest.raises(ValueError, match="player must return an array of actions, got a tuple"):
        play_agent(lambda obs: (np.zeros(2, dtype=int), None), bandit)  # as model.predict does
