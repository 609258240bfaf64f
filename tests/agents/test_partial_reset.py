"""Environments that cannot reset single rows: dead steps, and the same episodes between them."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorWrapper
from gymnasium.wrappers.vector import (
    NormalizeObservation,
    NormalizeReward,
    RecordEpisodeStatistics,
    TransformReward,
)
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from driftwise.agents import MemoryPPO, SB3VecEnv
from driftwise.agents.partial_reset import partial_reset_problem, reset_rows

DEAD = "cannot reset single rows"


class Refusing(VectorWrapper):
    """As Gymnasium's wrappers with running statistics do."""

    def reset(self, *, seed=None, options=None):
        if "reset_mask" in (options or {}):
            raise ValueError("no partial resets")
        return self.env.reset(seed=seed, options=options)


class Dropping(VectorWrapper):
    """Resets everything, whatever the mask."""

    def reset(self, *, seed=None, options=None):
        return self.env.reset(seed=seed)


class Trials(gym.Wrapper):
    """Some episodes begin a trial, and some do not."""

    def reset(self, **kwargs):
        obs, info = self.env.reset(**kwargs)
        return obs, info | {"trial_start": bool(obs[0] > 0)}


def make_scalar(name="CartPole-v1", limit=20):
    return Trials(gym.make(name, max_episode_steps=limit))


def make_sync(num_envs=3, **kwargs):
    return SyncVectorEnv([lambda: make_scalar(**kwargs)] * num_envs)


def make_dead(env):
    with pytest.warns(UserWarning, match=DEAD):
        return SB3VecEnv(env)


def plain(info):
    """For comparison: without what is a time, or what only the adapter tells."""
    info = {key: value for key, value in info.items() if key != "dead_step"}
    if "episode" in info:
        info["episode"] = [info["episode"]["l"], round(info["episode"]["r"], 6)]
    return {key: np.asarray(value).tolist() for key, value in info.items()}


def play(env, steps, seed=5):
    """The transitions of each environment, and of its dead steps.

    An environment's actions come from a generator of its own, which dead steps do not ask. A
    transition that ends an episode has the first observation and info of the next one, if known.
    """
    rngs = [np.random.default_rng([seed, i]) for i in range(env.num_envs)]
    alive, dead = ([[] for _ in rngs] for _ in range(2))
    env.seed(seed)
    obs = env.reset()
    for _ in range(steps):
        coming = getattr(env, "_dead_infos", {})
        actions = [1 if i in coming else int(rng.integers(2)) for i, rng in enumerate(rngs)]
        new_obs, rewards, dones, infos = env.step(np.array(actions))
        for i, info in enumerate(infos):
            transition = [obs[i].tolist(), actions[i], float(rewards[i]), bool(dones[i])]
            transition += [plain(info), new_obs[i].tolist(), dones[i] and env.reset_infos[i]]
            (dead if info.get("dead_step") else alive)[i].append(transition)
        obs = new_obs
    return alive, dead


@pytest.mark.parametrize("wrapper", [Refusing, Dropping])
@pytest.mark.parametrize("vectorize", [SyncVectorEnv, AsyncVectorEnv])
def test_same_episodes_as_dummy_vec_env_once_dead_steps_are_dropped(wrapper, vectorize):
    env = make_dead(wrapper(vectorize([make_scalar] * 3)))
    truncated = []
    expected, _ = play(DummyVecEnv([lambda: Monitor(make_scalar())] * 3), 90)
    for ours, dead, theirs in zip(*play(env, 90), expected, strict=True):
        assert len(ours) + len(dead) == 90 and len(dead) > 3
        unfollowed = [
            step for step in ours if step[3] and step[5] == step[4]["terminal_observation"]
        ]
        assert len(unfollowed) - len(dead) in (0, 1)  # one may be to come
        for end, (obs, _, reward, done, info, start, trial) in zip(unfollowed, dead, strict=False):
            assert reward == 0 and done and end[6] == {"trial_start": False}
            limit = end[4]["TimeLimit.truncated"]
            assert info == {"terminal_observation": end[5], "TimeLimit.truncated": limit}
            assert obs == end[5]
            end[5:] = start, trial  # what it would be without a dead step
            truncated.append(limit)
        complete = len(ours) - (len(unfollowed) > len(dead))
        assert ours[:complete] == theirs[:complete]
    assert set(truncated) == {False, True}
    env.close()


def test_rows_that_end_together_need_no_dead_step():
    env = make_dead(Refusing(make_sync(limit=4)))
    theirs = DummyVecEnv([lambda: Monitor(make_scalar(limit=4))] * 3)
    assert play(env, 21) == play(theirs, 21)


def test_what_passes_the_mask_on_is_exact_and_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for env in (make_sync(), make_sync(1), RecordEpisodeStatistics(make_sync())):
            assert partial_reset_problem(env) is None
            SB3VecEnv(env)
        SB3VecEnv(gym.make_vec("CartPole-v1", num_envs=1))
    assert partial_reset_problem(Refusing(make_sync())) == "no partial resets"
    assert partial_reset_problem(Dropping(make_sync())) == "reset_mask is ignored"


def test_dead_steps_are_not_paid_and_counted_nowhere():
    shifted = TransformReward(NormalizeObservation(make_sync()), lambda reward: reward - 5)
    env = make_dead(shifted)
    env.reset()
    lengths, found = np.zeros(3, dtype=int), 0
    for _ in range(60):
        _, rewards, dones, infos = env.step(np.zeros(3, dtype=np.int64))
        dead = env.info_arrays["dead_step"]
        assert dead.tolist() == [info["dead_step"] for info in infos]
        np.testing.assert_array_equal(rewards, np.where(dead, 0, -4))
        lengths[~dead] += 1
        for i in np.flatnonzero(dones & ~dead):
            assert infos[i]["episode"]["l"] == lengths[i] == infos[i]["episode"]["r"] / -4
            lengths[i] = 0
        found += dead.sum()
    assert found > 10 and not env.has_state


@pytest.mark.parametrize("kind", [RecordEpisodeStatistics, NormalizeReward])
def test_partial_resets_leave_the_sums_of_running_episodes(kind):
    env = kind(make_sync())
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.zeros(3, dtype=np.int64))
    sums = env.episode_returns if kind is RecordEpisodeStatistics else env.accumulated_reward
    before = sums.copy()
    reset_rows(env, np.array([False, True, False]))
    after = env.episode_returns if kind is RecordEpisodeStatistics else env.accumulated_reward
    assert (before > 2).all() and after.tolist() == [before[0], 0, before[2]]


def test_statistics_of_gymnasium_equal_ours_in_next_step_mode():
    theirs, ours = (SB3VecEnv(env) for env in (RecordEpisodeStatistics(make_sync()), make_sync()))
    assert play(theirs, 60) == play(ours, 60)


NATURAL = {
    "own vector class": lambda: gym.make_vec("CartPole-v1", num_envs=3),
    "normalized": lambda: NormalizeObservation(
        gym.make_vec("CartPole-v1", num_envs=3, vectorization_mode="sync")
    ),
}


@pytest.mark.parametrize("name", NATURAL)
@pytest.mark.parametrize("memory_reset", ["episode", "trial", "never"])
def test_memory_ppo_learns_on_the_most_natural_environments(name, memory_reset):
    policy = {"memory": "gru", "width": 8}
    with pytest.warns(UserWarning, match=DEAD):
        agent = MemoryPPO(
            "MemoryPolicy",
            NATURAL[name](),
            n_steps=16,
            seed=0,
            policy_kwargs=policy,
            memory_reset=memory_reset,
            device="cpu",
        )
    agent.learn(256)
    assert len(agent.ep_info_buffer) > 3
    assert min(episode["l"] for episode in agent.ep_info_buffer) > 5  # none of them dead
    assert all(episode["r"] == episode["l"] for episode in agent.ep_info_buffer)


def test_logged_regret_leaves_dead_steps_out():
    class Regretting(Refusing):
        def step(self, actions):
            *transition, info = self.env.step(actions)
            info["regret"] = np.where(transition[1] == 0, 0.0, 2.0)  # rewards: 0 in dead steps only
            return *transition, info

    with pytest.warns(UserWarning, match=DEAD):
        agent = MemoryPPO("MemoryPolicy", Regretting(make_sync()), n_steps=64, device="cpu")
    agent.learn(192, log_interval=None)
    assert agent.env.info_arrays.keys() >= {"regret", "dead_step"}
    assert agent.logger.name_to_value["rollout/regret"] == 2.0


def test_algorithms_of_stable_baselines3_learn_and_evaluate_with_dead_steps():
    env = make_dead(gym.make_vec("CartPole-v1", num_envs=3))
    model = PPO("MlpPolicy", env, n_steps=32, batch_size=48, n_epochs=1, seed=0, device="cpu")
    model.learn(192)
    _, lengths = evaluate_policy(model, env, n_eval_episodes=6, return_episode_rewards=True)
    assert len(lengths) == 6 and min(lengths) > 5
    replay = DQN("MlpPolicy", env, learning_starts=20, buffer_size=300, seed=0, device="cpu")
    replay.learn(150)
    assert replay.num_timesteps >= 150


def test_mode_without_autoreset_is_refused():
    env = SyncVectorEnv([make_scalar] * 2, autoreset_mode=AutoresetMode.DISABLED)
    with pytest.raises(ValueError, match=r"\(no partial resets\): make it with autoreset_mode"):
        SB3VecEnv(Refusing(env))
