"""Every policy against a slow implementation for one row, written from the paper's formula."""

import copy
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.agents.bandits import make_policy
from driftwise.agents.bandits.kl import bernoulli_kl, bernoulli_kl_upper_bound

NUM_ARMS, NUM_ENVS, NUM_STEPS = 3, 7, 120


def kl(p, q):
    """Bernoulli divergence, term by term."""
    terms = [(p, q), (1 - p, 1 - q)]
    if any(x > 0 and y <= 0 for x, y in terms):
        return math.inf
    return sum(x * math.log(x / y) for x, y in terms if x > 0)


def kl_bound(mean, budget):
    """Largest q >= mean with kl(mean, q) <= budget, by bisection."""
    if budget == 0:  # where bisection would stop at the rounding of kl
        return mean
    low, high = mean, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if kl(mean, middle) <= budget else (low, middle)
    return low


def slow_ucb(history, scale=2**0.5, discount=1.0, prior=(0.0, 0.0)):
    """Garivier & Moulines, section 2.1, from the sums of their definitions."""
    last = len(history)
    index = []
    counts = [
        sum(discount ** (last - 1 - s) for s, (a, _) in enumerate(history) if a == arm)
        for arm in range(NUM_ARMS)
    ]
    for arm in range(NUM_ARMS):
        total = sum(discount ** (last - 1 - s) * r for s, (a, r) in enumerate(history) if a == arm)
        weight = counts[arm] + sum(prior)
        if weight == 0:
            index.append(math.inf)
            continue
        n = max(sum(counts), 1.0)
        index.append((total + prior[0]) / weight + scale * math.sqrt(math.log(n) / weight))
    return index


def slow_sliding_window(history, window, scale, prior=(0.0, 0.0)):
    """Garivier & Moulines, section 2.2: the undiscounted index of the last steps."""
    return slow_ucb(history[-window:], scale=scale, prior=prior)


def slow_kl_ucb(history, c=0.0):
    """Garivier & Cappé, algorithm 1."""
    t = len(history) + 1
    index = []
    for arm in range(NUM_ARMS):
        rewards = [r for a, r in history if a == arm]
        if not rewards:
            index.append(math.inf)
            continue
        budget = math.log(t)
        if c:
            budget = max(0.0, budget + c * math.log(math.log(t)))
        index.append(kl_bound(sum(rewards) / len(rewards), budget / len(rewards)))
    return index


def slow_mean(history, prior, discount):
    """(Discounted) posterior means."""
    last = len(history)
    index = []
    for arm in range(NUM_ARMS):
        weights = [(discount ** (last - 1 - s), r) for s, (a, r) in enumerate(history) if a == arm]
        total = sum(w * r for w, r in weights) + prior[0]
        index.append(total / (sum(w for w, _ in weights) + sum(prior)))
    return index


INDEX_POLICIES = {
    "ucb1": ({}, lambda h: slow_ucb(h)),
    "ucb1_posterior": ({"scale": 0.7}, lambda h: slow_ucb(h, 0.7, prior=(1.0, 1.0))),
    "discounted_ucb": (
        {"discount": 0.9, "scale": 0.5},
        lambda h: slow_ucb(h, 0.5, 0.9),
    ),
    "discounted_ucb_posterior": (
        {"discount": 0.8, "scale": 0.2, "prior": (0.3, 2.0)},
        lambda h: slow_ucb(h, 0.2, 0.8, (0.3, 2.0)),
    ),
    "sliding_window_ucb": (
        {"window": 13, "scale": 0.6},
        lambda h: slow_sliding_window(h, 13, 0.6),
    ),
    "sliding_window_ucb_posterior": (
        {"window": 1, "scale": 0.6},
        lambda h: slow_sliding_window(h, 1, 0.6, (1.0, 1.0)),
    ),
    "kl_ucb": ({}, lambda h: slow_kl_ucb(h)),
}


def drive(policy, check, seed=0, reset_rate=0.03):
    """Feeds random pulls and rewards with episodes that end at random, one history per row."""
    rng = np.random.default_rng(seed)
    histories = [[] for _ in range(policy.num_envs)]
    for _ in range(NUM_STEPS):
        check(histories)
        actions = rng.integers(policy.num_arms, size=policy.num_envs)
        # Better for arm 0, and the other way round in later steps: something to detect.
        odds = 0.8 if len(histories[0]) < 60 else 0.1
        rewards = (rng.random(policy.num_envs) < np.where(actions == 0, odds, 0.5)).astype(float)
        policy.update(actions, rewards, {"changed": np.zeros(policy.num_envs, dtype=bool)})
        for history, action, reward in zip(histories, actions, rewards, strict=True):
            history.append((int(action), float(reward)))
        ends = rng.random(policy.num_envs) < reset_rate
        if ends.any():
            policy.reset(ends)
            histories = [[] if end else h for h, end in zip(histories, ends, strict=True)]


@pytest.mark.parametrize("name", INDEX_POLICIES)
def test_index_equals_the_formula(name):
    kwargs, slow = INDEX_POLICIES[name]
    policy = make_policy(name, NUM_ARMS, NUM_ENVS, seed=1, **kwargs)

    def check(histories):
        expected = np.array([slow(history) for history in histories])
        np.testing.assert_allclose(policy.index(), expected, rtol=1e-9, atol=1e-9)
        best = expected[np.arange(NUM_ENVS), policy.act()]
        assert (best >= expected.max(axis=1) - 1e-8).all()

    drive(policy, check)


def test_epsilon_greedy_explores_with_its_probability_and_is_greedy_otherwise():
    kwargs = {"epsilon": 0.3, "prior": (0.2, 0.4), "discount": 0.9}
    policy = make_policy("epsilon_greedy", NUM_ARMS, NUM_ENVS, seed=1, **kwargs)
    not_greedy = 0

    def check(histories):
        nonlocal not_greedy
        expected = np.array([slow_mean(h, (0.2, 0.4), 0.9) for h in histories])
        np.testing.assert_allclose(policy.mean, expected, rtol=1e-9)
        chosen = expected[np.arange(NUM_ENVS), policy.act()]
        not_greedy += (chosen < expected.max(axis=1) - 1e-9).sum()

    drive(policy, check)
    # Two of three random arms are not the greedy one (fewer where arms tie, at the start).
    share = not_greedy / (NUM_STEPS * NUM_ENVS)
    assert abs(share - 0.2) < 4 * math.sqrt(0.2 * 0.8 / (NUM_STEPS * NUM_ENVS))


def test_greedy_is_epsilon_greedy_without_exploration():
    policy = make_policy("greedy", NUM_ARMS, NUM_ENVS, seed=1)

    def check(histories):
        expected = np.array([slow_mean(h, (1.0, 1.0), 1.0) for h in histories])
        chosen = expected[np.arange(NUM_ENVS), policy.act()]
        assert (chosen >= expected.max(axis=1) - 1e-9).all()

    drive(policy, check)


@pytest.mark.parametrize("discount", [1.0, 0.9])
def test_thompson_draws_from_the_posterior_with_the_same_random_numbers(discount):
    policy = make_policy(
        "discounted_thompson", NUM_ARMS, NUM_ENVS, seed=5, discount=discount, prior=(0.5, 2.0)
    )
    twin = copy.deepcopy(policy.rng)

    def check(histories):
        chosen = policy.act()
        for row, history in enumerate(histories):
            draws = []
            for arm in range(NUM_ARMS):
                wins = losses = 0.0
                for action, reward in history:
                    wins, losses = discount * wins, discount * losses
                    if action == arm:
                        wins, losses = wins + reward, losses + 1 - reward
                draws.append(twin.beta(wins + 0.5, losses + 2.0))
            assert chosen[row] == int(np.argmax(draws))
        twin.random(NUM_ENVS)  # what breaking ties takes

    drive(policy, check)


def test_exp3s_follows_its_weights():
    gamma, alpha = 0.2, 0.03
    policy = make_policy("exp3s", NUM_ARMS, NUM_ENVS, seed=5, gamma=gamma, alpha=alpha)
    twin = copy.deepcopy(policy.rng)

    def probabilities(history):
        weights = [1.0] * NUM_ARMS
        for action, reward in [*history, (None, None)]:
            total = sum(weights)
            p = [(1 - gamma) * w / total + gamma / NUM_ARMS for w in weights]
            if action is not None:
                weights = [
                    w * math.exp(gamma / NUM_ARMS * (reward / p[i] if i == action else 0.0))
                    + math.e * alpha / NUM_ARMS * total
                    for i, w in enumerate(weights)
                ]
        return p

    def check(histories):
        expected = np.array([probabilities(history) for history in histories])
        np.testing.assert_allclose(policy.probabilities(), expected, rtol=1e-9)
        u = twin.random(NUM_ENVS)
        by_hand = [
            int(np.searchsorted(np.cumsum(p), x, side="right"))
            for p, x in zip(expected, u, strict=True)
        ]
        np.testing.assert_array_equal(policy.act(), by_hand)

    drive(policy, check)


def slow_glr(history, delta, restart, test_every, split_every):
    """Besson & Kaufmann, algorithm 1: indices after a history, and the number of restarts."""
    since = [[] for _ in range(NUM_ARMS)]
    tau = [0] * NUM_ARMS
    restarts = 0
    for t, (arm, reward) in enumerate(history, start=1):
        xs = since[arm]
        xs.append(reward)
        n = len(xs)
        if n % test_every:
            continue
        mean = sum(xs) / n
        statistics = [
            s * kl(sum(xs[:s]) / s, mean) + (n - s) * kl(sum(xs[s:]) / (n - s), mean)
            for s in range(split_every, n, split_every)
        ]
        if statistics and max(statistics) >= math.log(3 * n**1.5 / delta):
            restarts += 1
            for i in range(NUM_ARMS) if restart == "global" else [arm]:
                since[i], tau[i] = [], t
    index = [
        kl_bound(sum(xs) / len(xs), math.log(len(history) + 1 - tau[i]) / len(xs))
        if xs
        else math.inf
        for i, xs in enumerate(since)
    ]
    return index, restarts


@pytest.mark.parametrize(
    ("restart", "test_every", "split_every"),
    [("global", 1, 1), ("global", 3, 2), ("local", 1, 1), ("local", 2, 5)],
)
def test_glr_ucb_restarts_where_the_test_says(restart, test_every, split_every):
    kwargs = {"restart": restart, "test_every": test_every, "split_every": split_every}
    policy = make_policy(
        "glr_ucb", NUM_ARMS, NUM_ENVS, seed=1, delta=0.5, exploration=0.25, **kwargs
    )
    most_restarts = 0

    def check(histories):
        nonlocal most_restarts
        both = [slow_glr(history, 0.5, restart, test_every, split_every) for history in histories]
        expected = np.array([index for index, _ in both])
        most_restarts = max(most_restarts, *(restarts for _, restarts in both))
        np.testing.assert_allclose(policy.index(), expected, rtol=1e-9, atol=1e-9)
        actions = policy.act()
        for row, history in enumerate(histories):
            turn = len(history) % (NUM_ARMS / 0.25)
            if turn < NUM_ARMS:
                assert actions[row] == turn
            else:
                assert expected[row, actions[row]] >= expected[row].max() - 1e-8

    drive(policy, check, reset_rate=0.004)
    assert most_restarts >= 1


def test_glr_ucb_history_grows_beyond_its_first_buffer():
    policy = make_policy("glr_ucb", 2, 1, seed=0, delta=0.001, test_every=1000)
    for step in range(300):
        policy.update(np.array([0]), np.array([float(step % 3 == 0)]))
    assert policy.pulls[0, 0] == 300
    assert policy.index()[0, 0] == pytest.approx(kl_bound(1 / 3, math.log(301) / 300), abs=1e-9)


def test_restart_ucb_keeps_the_first_reward_of_the_new_world_and_nothing_older():
    told = make_policy("restart_ucb", 2, 2, seed=0)
    fresh = make_policy("ucb1", 2, 2, seed=0)
    rng = np.random.default_rng(0)
    for step in range(20):
        actions, rewards = rng.integers(2, size=2), rng.random(2)
        changed = np.array([step == 12, False])
        if step == 12:
            fresh.reset(changed)
        told.update(actions, rewards, {"changed": changed})
        fresh.update(actions, rewards)
        np.testing.assert_array_equal(told.index(), fresh.index())
    assert told.pulls.sum(axis=1).tolist() == [8, 20]
    with pytest.raises(ValueError, match='info must hold "changed"'):
        told.update(actions, rewards, {})


@settings(deadline=None, max_examples=200)
@given(
    st.one_of(st.sampled_from([0.0, 1.0, 0.5]), st.floats(0, 1)),
    st.one_of(st.sampled_from([0.0, math.inf]), st.floats(1e-9, 50)),
)
def test_kl_upper_bound_is_the_largest_that_the_budget_pays(mean, budget):
    bound = float(bernoulli_kl_upper_bound(np.array([mean]), np.array([budget]))[0])
    assert mean <= bound <= 1.0
    assert bound == pytest.approx(kl_bound(mean, budget), abs=1e-9)
    assert float(bernoulli_kl(np.array(mean), np.array(bound))) == pytest.approx(
        kl(mean, bound), rel=1e-9, abs=1e-12
    )
