"""`play` against worlds written down here, and against the shifting bandit."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

from driftwise.agents import make_vector_env, play_agent
from driftwise.agents.bandits import TUNED, BanditPolicy, make_policy, play
from driftwise.agents.players import RandomPlayer


class LabelledWorld(VectorEnv):
    """Every real step has its own reward, 1000 * row + 100 * episode + step; dead steps have 0.

    Episodes of row i last ``lengths[i]`` steps. The best arm is step % 3, and the world "changes"
    at odd steps.
    """

    def __init__(self, lengths, mode):
        self.lengths = np.array(lengths)
        self.num_envs = len(lengths)
        self.mode = mode
        self.metadata = {"autoreset_mode": mode}
        self.single_action_space = spaces.Discrete(3)
        self.single_observation_space = spaces.Box(0, 1, (1,))

    def reset(self, *, seed=None, options=None):
        self.step_count = np.zeros(self.num_envs, dtype=np.int64)
        self.episode = np.zeros(self.num_envs, dtype=np.int64)
        self.over = np.zeros(self.num_envs, dtype=bool)
        return np.zeros((self.num_envs, 1)), self._info(np.zeros(self.num_envs, dtype=np.int64))

    def _info(self, actions):
        wrong = actions != self.step_count % 3
        return {"regret": wrong * 1.0, "changed": self.step_count % 2 == 1}

    def foresee(self, num_steps=200):
        ahead = self.step_count + np.arange(num_steps)[:, None]

        class World:
            optimal_action = ahead % 3

        return World

    def step(self, actions):
        dead = self.over
        rewards = 1000 * np.arange(self.num_envs) + 100 * self.episode + self.step_count
        info = self._info(actions)
        self.step_count += 1
        done = self.step_count == self.lengths
        rewards, done = np.where(dead, 0, rewards), done & ~dead
        restarts = dead if self.mode is AutoresetMode.NEXT_STEP else done
        self.step_count[restarts] = 0
        self.episode[restarts] += 1
        if self.mode is AutoresetMode.NEXT_STEP:
            self.over = done
            info["regret"][dead] = 77.0
        elif done.any():
            info["final_info"] = {key: np.where(done, value, 0) for key, value in info.items()}
            info["final_info"]["changed"] = info["final_info"]["changed"].astype(bool)
            info["regret"][done] = 77.0
            info["changed"][done] = True
        return np.zeros((self.num_envs, 1)), rewards * 1.0, np.zeros_like(done), done, info


class Recorder(BanditPolicy):
    """Writes down which real steps each row was taught since its last reset."""

    def __init__(self, num_envs):
        super().__init__(3, num_envs, seed=0)
        self.taught = [[] for _ in range(num_envs)]

    def reset(self, mask=None):
        for row in range(self.num_envs) if mask is None else np.flatnonzero(mask):
            self.taught[row] = []

    def act(self):
        for labels in self.taught:
            assert labels == sorted(labels)
            assert len({label // 100 for label in labels}) <= 1, "steps of two episodes at once"
        return np.zeros(self.num_envs, dtype=np.int64)

    def update(self, actions, rewards, info=None):
        for labels, reward in zip(self.taught, rewards, strict=True):
            labels.append(int(reward))


MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP]


def expected_labels(row, length, count):
    return [1000 * row + 100 * (k // length) + k % length for k in range(count)]


@pytest.mark.parametrize("mode", MODES)
def test_records_exactly_the_real_steps(mode):
    record = play(Recorder(3), LabelledWorld([4, 4, 4], mode), num_episodes=3)
    for row in range(3):
        assert record.reward[row].tolist() == expected_labels(row, 4, 12)
    # Arm 0 is right at steps 0 and 3 of each episode of four; the world changes at steps 1 and 3.
    assert record.regret[1].tolist() == [0, 1, 1, 0] * 3
    assert record.changed[2].tolist() == [False, True, False, True] * 3
    assert record.action.dtype == np.int64 and record.action.shape == (3, 12)


@pytest.mark.parametrize("mode", MODES)
def test_rows_may_end_at_different_times(mode):
    lengths = [3, 5, 1]
    record = play(Recorder(3), LabelledWorld(lengths, mode), num_steps=11)
    for row, length in enumerate(lengths):
        assert record.reward[row].tolist() == expected_labels(row, length, 11)
        steps = np.arange(11) % length
        assert record.regret[row].tolist() == (steps % 3 != 0).tolist()
        assert record.changed[row].tolist() == (steps % 2 == 1).tolist()
    with pytest.raises(ValueError, match=r"equally long in all rows .* got 2 to 10 steps"):
        play(Recorder(3), LabelledWorld(lengths, mode), num_episodes=2)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("lengths", [[4, 4], [300, 300], [3, 5]])
def test_clairvoyant_has_no_regret(mode, lengths):
    record = play(make_policy("clairvoyant", 3, 2), LabelledWorld(lengths, mode), num_steps=700)
    assert not record.regret.any()


RECURRING = {
    "num_arms": 3,
    "mean_values": [0.8, 0.3, 0.3],
    "num_contexts": 4,
    "schedule": "Hazard(probability=0.3)",
    "max_episode_steps": 60,
}


def test_recall_bayes_keeps_the_posterior_of_every_context():
    env = make_vector_env("driftwise/ShiftingBandit-v0", 2, **RECURRING)
    env.reset(seed=5)
    contexts = env.unwrapped.foresee(60).context
    policy = make_policy("recall_bayes", 3, 2, high=0.8, low=0.3, seed=0)
    policy.bind(env)
    prior = {row: np.ones((4, 3)) / 3 for row in range(2)}
    for t in range(60):
        actions = policy.act()
        for row in range(2):
            posterior = prior[row][contexts[t, row]]
            assert posterior[actions[row]] == pytest.approx(posterior.max())
        _, rewards, _, _, info = env.step(actions)
        policy.update(actions, rewards, info)
        for row in range(2):
            # If arm i is the good one, then the arm that was pulled is good or bad:
            right = 0.8 if rewards[row] else 0.2
            wrong = 0.3 if rewards[row] else 0.7
            likelihood = np.where(np.arange(3) == actions[row], right, wrong)
            posterior = prior[row][contexts[t, row]] * likelihood
            prior[row][contexts[t, row]] = posterior / posterior.sum()


def test_recall_bayes_is_far_better_than_what_forgets():
    def regret(name, **arguments):
        env = make_vector_env("driftwise/ShiftingBandit-v0", 200, **RECURRING)
        policy = make_policy(name, 3, 200, seed=0, **arguments)
        return play(policy, env, num_episodes=2, seed=1).regret.mean()

    recall = regret("recall_bayes", high=0.8, low=0.3)
    assert recall < 0.6 * regret("bayes_ucb", hazard=0.3)
    # A second episode has contexts of its own: what was learnt in the first would mislead.
    assert recall < 0.2


def test_recall_bayes_says_what_is_wrong():
    with pytest.raises(ValueError, match=r"0 < low < high < 1, got 0\.9 and 0\.1"):
        make_policy("recall_bayes", 2, 1, high=0.1, low=0.9)


@pytest.mark.parametrize("name", ["clairvoyant", "recall_bayes"])
def test_oracles_say_what_they_lack(name):
    policy = make_policy(name, 2, 1)
    with pytest.raises(ValueError, match=r"must be bound to its environment"):
        policy.act()
    with pytest.raises(ValueError, match=r"env must have foresee\(num_steps\)"):
        policy.bind(gym.make_vec("CartPole-v1", num_envs=1))


@pytest.mark.parametrize("mode", MODES)
def test_shifting_bandit_is_the_world_that_the_record_describes(mode):
    """Regret, rewards and changes of a record follow from the means that the world foretold."""
    env = gym.make_vec("driftwise/ShiftingBandit-v0", num_envs=6, autoreset_mode=mode)
    env.reset(seed=5)
    world = env.unwrapped.foresee(200)
    record = play(make_policy("bayes_ucb", 5, 6, seed=0), env, num_episodes=2, seed=5)
    assert record.regret.shape == (6, 400)
    steps, rows = np.ogrid[:200, :6]
    first = record.action[:, :200].T
    means = world.means[steps, rows, first]
    regret = world.means.max(axis=-1) - means
    np.testing.assert_allclose(record.regret[:, :200].T, regret, atol=1e-12)
    np.testing.assert_array_equal(record.changed[:, :200].T, world.changed)
    moved = (np.diff(world.means, axis=0) != 0).any(axis=-1)
    np.testing.assert_array_equal(world.changed[1:], moved)
    gap = record.reward[:, :200].T - means
    assert abs(gap.mean()) < 4 * np.sqrt((means * (1 - means)).sum()) / gap.size


def test_both_autoreset_modes_give_the_same_record():
    records = []
    for mode in MODES:
        env = gym.make_vec("driftwise/ShiftingBandit-v0", num_envs=4, autoreset_mode=mode)
        policy = make_policy("thompson", 5, 4, seed=0)
        records.append(play(policy, env, num_episodes=3, seed=1))
    for next_step, same_step in zip(*records, strict=True):
        np.testing.assert_array_equal(next_step, same_step)


def tiny_standard_bandit(policy, num_worlds, seed):
    """An independent simulator of the standard bandit: regret per step and world."""
    rng = np.random.default_rng(seed)
    means = rng.random((num_worlds, 5))
    rows = np.arange(num_worlds)
    regret = np.zeros((num_worlds, 200))
    for step in range(200):
        redrawn = (rng.random(num_worlds) < 0.02) & (step > 0)
        means = np.where(redrawn[:, None], rng.random((num_worlds, 5)), means)
        actions = policy.act()
        regret[:, step] = means.max(axis=1) - means[rows, actions]
        wins = rng.random(num_worlds) < means[rows, actions]
        policy.update(actions, wins.astype(float), {"changed": redrawn})
    return regret.mean(axis=1)


STANDARD = [  # policy, arguments, regret per step on many worlds
    ("random", {}, 1 / 3),
    ("discounted_thompson", {"discount": 0.983}, 0.162),
    ("discounted_ucb", {"discount": 0.985, "scale": 0.345}, 0.120),
    ("bayes_greedy", {}, 0.1055),
    ("bayes_ucb", {}, 0.0915),
]


@pytest.mark.parametrize(("name", "kwargs", "expected"), STANDARD)
def test_standard_bandit_figures(name, kwargs, expected):
    """Known regrets, on our environment and on the simulator above."""
    worlds = 600
    env = gym.make_vec("driftwise/ShiftingBandit-v0", num_envs=worlds)
    policy = make_policy(name, 5, worlds, seed=0, **kwargs)
    ours = play(policy, env, num_episodes=1, seed=1_000_000_000).regret.mean(axis=1)
    theirs = tiny_standard_bandit(make_policy(name, 5, worlds, seed=0, **kwargs), worlds, seed=3)
    for regret in (ours, theirs):
        # Five standard errors, and the last digit of the known figure.
        assert abs(regret.mean() - expected) < 5 * regret.std() / np.sqrt(worlds) + 0.001


def test_order_of_the_policies():
    regret = {}
    for name in ("restart_ucb", "bayes_ucb", "discounted_ucb", "discounted_thompson", "random"):
        env = gym.make_vec("driftwise/ShiftingBandit-v0", num_envs=300)
        kwargs = TUNED["standard_bandit"].get(name, {})
        policy = make_policy(name, 5, 300, seed=0, **kwargs)
        regret[name] = play(policy, env, num_episodes=1, seed=1_000_000_000).regret.mean()
    assert list(regret) == sorted(regret, key=regret.__getitem__), regret


def test_bad_arguments():
    env = LabelledWorld([4, 4], AutoresetMode.NEXT_STEP)
    with pytest.raises(ValueError, match="give exactly one of num_episodes and num_steps"):
        play(Recorder(2), env)
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        play(Recorder(2), env, num_steps=0)
    with pytest.raises(ValueError, match="policy must have num_arms=3 and num_envs=2"):
        play(make_policy("random", 3, 5), env, num_steps=1)
    with pytest.raises(ValueError, match=r"env must have the actions 0..num_arms-1"):
        play(Recorder(1), gym.make_vec("Pendulum-v1", num_envs=1), num_steps=1)
    with pytest.raises(ValueError, match=r"env must give \['changed', 'regret'\]"):
        play(make_policy("random", 2, 1), gym.make_vec("CartPole-v1", num_envs=1), num_steps=1)
    env.metadata = {}
    with pytest.raises(ValueError, match="autoreset_mode"):
        play(Recorder(2), env, num_steps=1)


def test_a_single_environment_is_refused():
    env = gym.make("driftwise/ShiftingBandit-v0")
    with pytest.raises(TypeError, match="env must be a vector environment, as make_vector_env"):
        play(make_policy("random", 5, 1), env, num_episodes=1)
    with pytest.raises(TypeError, match="env must be a vector environment, as make_vector_env"):
        play_agent(RandomPlayer(), env)
