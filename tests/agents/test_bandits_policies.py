"""Every policy against a slow implementation for one row, written from the paper's formula."""

import copy
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.agents.bandits import POLICIES, BanditPolicy, make_policy
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


@pytest.mark.parametrize(
    ("name", "kwargs", "message"),
    [
        ("ucb2", {}, "name must be one of random, .*got 'ucb2'"),
        ("ucb1", {"scale": -1.0}, "scale must be >= 0, got -1.0"),
        ("ucb1", {"prior": (-1.0, 1.0)}, "prior must be two numbers"),
        ("discounted_ucb", {"discount": 0.0}, r"discount must be in \(0, 1\], got 0.0"),
        ("sliding_window_ucb", {"window": 0}, "window must be at least 1, got 0"),
        ("kl_ucb", {"c": -1}, "c must be >= 0"),
        ("thompson", {"prior": (0.0, 1.0)}, r"prior must be two numbers \(a, b\) > 0"),
        ("epsilon_greedy", {"epsilon": 1.5}, r"epsilon must be in \[0, 1\], got 1.5"),
        ("exp3s", {"gamma": 0.0}, "gamma must be in"),
        ("exp3s", {"alpha": -0.1}, "alpha must be >= 0"),
        ("glr_ucb", {"delta": 1.0}, "delta must be in"),
        ("glr_ucb", {"exploration": 2.0}, "exploration must be in"),
        ("glr_ucb", {"restart": "both"}, "restart must be one of"),
        ("glr_ucb", {"test_every": 0}, "test_every must be at least 1"),
        ("bayes_ucb", {"hazard": 1.5}, r"hazard must be in \[0, 1\], got 1.5"),
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


@pytest.mark.parametrize("name", [n for n in POLICIES if n not in ("random", *FORESEEING)])
def test_bad_rewards_are_refused_before_anything_is_learnt(name):
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
            self.arm = np.where(self.check_rewards(rewards) > 0, actions, -1)

    policy = LastWinner(3, 4, seed=0)
    policy.update(np.array([2, 1, 0, 2]), np.array([1.0, 1.0, 0.0, 1.0]))
    assert policy.act()[[0, 1, 3]].tolist() == [2, 1, 2]
