"""What all policies have in common: seeds, resets, ties, bad input, and one of one's own."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.agents.bandits import POLICIES, BanditPolicy, make_policy

# These need an environment to look into: they are tested with `play`.
FORESEEING = ("clairvoyant", "recall_bayes")


@pytest.mark.parametrize("name", [name for name in POLICIES if name not in FORESEEING])
def test_same_seed_same_actions_and_reset_forgets(name):
    num_arms = 2 if name == "bayes_optimal" else 3
    kwargs = {"horizon": 40} if name in ("gittins", "bayes_optimal") else {}

    def run(policy, start):
        rng = np.random.default_rng(3)
        policy.rng = np.random.default_rng(9)
        trail = []
        for _ in range(start, 40):
            actions = policy.act()
            assert actions.dtype == np.int64 and actions.shape == (5,)
            assert (actions >= 0).all() and (actions < num_arms).all()
            rewards = (rng.random(5) < 0.5).astype(float)
            policy.update(actions, rewards, {"changed": rng.random(5) < 0.1})
            trail.append(actions)
        return np.array(trail)

    policy = make_policy(name, num_arms, 5, seed=0, **kwargs)
    first = run(policy, 0)
    policy.reset()
    np.testing.assert_array_equal(run(policy, 0), first)
    # A partial reset gives its rows the same start, and leaves the others alone.
    policy.reset()
    other = make_policy(name, num_arms, 5, seed=0, **kwargs)
    run(policy, 20)
    policy.reset(np.ones(5, dtype=bool))
    np.testing.assert_array_equal(run(policy, 0), run(other, 0))


def test_policy_numbers_are_not_those_of_an_environment_of_the_same_seed():
    ours = BanditPolicy(2, 1, seed=7).rng.random(3)
    assert not np.isin(ours, np.random.default_rng(7).random(100)).any()
    np.testing.assert_array_equal(ours, BanditPolicy(2, 1, seed=7).rng.random(3))


def test_ties_are_broken_uniformly():
    policy = BanditPolicy(4, 20_000, seed=0)
    index = np.tile([1.0, 3.0, 3.0, 3.0], (20_000, 1))
    counts = np.bincount(policy.random_argmax(index), minlength=4)
    assert counts[0] == 0
    assert (abs(counts[1:] - 20_000 / 3) < 4 * math.sqrt(20_000 * 2 / 9)).all()
    infinite = np.tile([1.0, np.inf, 2.0, np.inf], (20_000, 1))
    counts = np.bincount(policy.random_argmax(infinite), minlength=4)
    assert counts[0] == counts[2] == 0
    assert abs(counts[1] - 10_000) < 4 * math.sqrt(5_000)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=4, max_size=4), min_size=1),
    st.integers(0, 2**32),
)
def test_random_argmax_takes_a_largest_entry(rows, seed):
    index = np.array(rows)
    chosen = BanditPolicy(4, len(rows), seed=seed).random_argmax(index)
    np.testing.assert_array_equal(index[np.arange(len(rows)), chosen], index.max(axis=1))


@pytest.mark.parametrize(
    ("name", "kwargs", "message"),
    [
        ("ucb2", {}, "name must be one of random, .*got 'ucb2'"),
        ("ucb1", {"scale": -1.0}, "scale must be at least 0 and finite, got -1.0"),
        ("ucb1", {"prior": (-1.0, 1.0)}, "prior must be two finite numbers"),
        ("discounted_ucb", {"discount": 0.0}, r"discount must be in \(0, 1\], got 0.0"),
        ("sliding_window_ucb", {"window": 0}, "window must be at least 1, got 0"),
        ("ucb1", {"scale": float("nan")}, "scale must be at least 0 and finite, got nan"),
        ("thompson", {"prior": (float("nan"), 1.0)}, "prior must be two finite numbers"),
        ("kl_ucb", {"c": -1}, "c must be at least 0"),
        ("thompson", {"prior": (0.0, 1.0)}, r"prior must be two numbers \(a, b\) > 0"),
        ("epsilon_greedy", {"epsilon": 1.5}, r"epsilon must be a probability in \[0, 1\], got 1.5"),
        ("exp3s", {"gamma": 0.0}, "gamma must be in"),
        ("exp3s", {"alpha": -0.1}, "alpha must be at least 0"),
        ("glr_ucb", {"delta": 1.0}, "delta must be in"),
        ("glr_ucb", {"exploration": 2.0}, "exploration must be a probability in"),
        ("glr_ucb", {"restart": "both"}, "restart must be one of"),
        ("glr_ucb", {"test_every": 0}, "test_every must be at least 1"),
        ("bayes_ucb", {"hazard": 1.5}, r"hazard must be a probability in \[0, 1\], got 1.5"),
        ("bayes_ucb", {"rule": "best"}, "rule must be one of"),
        ("bayes_ucb", {"max_run_lengths": 1}, "max_run_lengths must be at least 2"),
        ("bayes_optimal", {"horizon": 5}, "num_arms must be 2 for BayesOptimal, got 3"),
        ("gittins", {"horizon": 0}, "horizon must be at least 1, got 0"),
    ],
)
def test_bad_arguments_name_themselves(name, kwargs, message):
    with pytest.raises(ValueError, match=message):
        make_policy(name, 3, 2, **kwargs)


def test_unknown_and_missing_arguments_are_type_errors():
    with pytest.raises(TypeError, match="'ucb1' has no argument gamma; it takes scale, discount"):
        make_policy("ucb1", 3, 2, gamma=0.5)
    with pytest.raises(TypeError, match="'random' has no argument x; it takes none"):
        make_policy("random", 3, 2, x=1)
    with pytest.raises(TypeError, match="policy 'gittins' needs the argument horizon"):
        make_policy("gittins", 3, 2)
    with pytest.raises(ValueError, match="num_arms must be at least 1, got 0"):
        make_policy("random", 0, 2)
    with pytest.raises(TypeError, match=r"num_arms must be an integer, got 2\.5"):
        make_policy("random", 2.5, 2)
    with pytest.raises(TypeError, match=r"window must be an integer, got 2\.5"):
        make_policy("sliding_window_ucb", 2, 2, window=2.5)
    with pytest.raises(ValueError, match="prior must be two finite numbers"):
        make_policy("ucb1", 2, 2, prior=1)


@pytest.mark.parametrize("name", [n for n in POLICIES if n not in ("random", *FORESEEING)])
def test_bad_steps_are_refused_before_anything_is_learnt(name):
    num_arms = 2
    kwargs = {"horizon": 9} if name in ("gittins", "bayes_optimal") else {}
    if name.startswith("sliding"):
        kwargs["window"] = 3
    policy = make_policy(name, num_arms, 2, seed=0, **kwargs)
    info = {"changed": np.ones(2, dtype=bool)}
    for reward in (0.0, 1.0, 1.0, 0.0):
        policy.update(np.array([0, 1]), np.array([reward, 1.0]), info)
    before = {k: v.copy() for k, v in vars(policy).items() if isinstance(v, np.ndarray)}
    with pytest.raises(ValueError, match="rewards must be numbers in"):
        policy.update(np.array([0, 1]), np.array([0.0, np.nan]), info)
    with pytest.raises(ValueError, match=r"rewards must have shape \(2,\), got \(3,\)"):
        policy.update(np.array([0, 1]), np.zeros(3), info)
    if policy.reward_range == (0.0, 1.0):
        with pytest.raises(ValueError, match=r"rewards must be numbers in \[0, 1\]"):
            policy.update(np.array([0, 1]), np.array([0.0, 1.5]), info)
    if name.startswith("bayes") or name == "gittins":
        with pytest.raises(ValueError, match="rewards must be 0 or 1"):
            policy.update(np.array([0, 1]), np.array([0.0, 0.5]), info)
    for actions in (np.array([0, -1]), np.array([2, 0])):
        with pytest.raises(ValueError, match="actions must be arms from 0 to 1, got"):
            policy.update(actions, np.ones(2), info)
    with pytest.raises(TypeError, match="actions must be integers, got dtype float64"):
        policy.update(np.array([0.0, 1.0]), np.ones(2), info)
    with pytest.raises(ValueError, match=r"actions must have shape \(2,\), got \(\)"):
        policy.update(np.int64(1), np.ones(2), info)
    for key, value in before.items():
        np.testing.assert_array_equal(getattr(policy, key), value)


def test_a_policy_of_ones_own_takes_thirty_lines():
    class LastWinner(BanditPolicy):
        """Stays with an arm that paid, else moves to a random one."""

        def __init__(self, num_arms, num_envs, *, seed=None):
            super().__init__(num_arms, num_envs, seed=seed)
            self.arm = np.full(num_envs, -1)

        def reset(self, mask=None):
            self.arm[slice(None) if mask is None else mask] = -1

        def act(self):
            random = self.rng.integers(self.num_arms, size=self.num_envs)
            return np.where(self.arm < 0, random, self.arm)

        def update(self, actions, rewards, info=None):
            actions, rewards = self.check_step(actions, rewards)
            self.arm = np.where(rewards > 0, actions, -1)

    policy = LastWinner(3, 4, seed=0)
    policy.update(np.array([2, 1, 0, 2]), np.array([1.0, 1.0, 0.0, 1.0]))
    assert policy.act()[[0, 1, 3]].tolist() == [2, 1, 2]
