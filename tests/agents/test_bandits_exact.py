"""Exact values and indices against brute force, closed forms and published numbers."""

from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from driftwise.agents.bandits import bayes_optimal_two_arms, gittins_table, make_policy


@cache
def brute_value(s1, f1, s2, f2, pulls):
    """Bayes-optimal reward of the coming `pulls`, in exact arithmetic."""
    if pulls == 0:
        return Fraction(0)
    return max(brute_pull(s1, f1, s2, f2, pulls), brute_pull(s2, f2, s1, f1, pulls))


def brute_pull(s1, f1, s2, f2, pulls):
    """Value of pulling the arm that is named first, then playing optimally."""
    mean = Fraction(s1 + 1, s1 + f1 + 2)
    won = 1 + brute_value(s1 + 1, f1, s2, f2, pulls - 1)
    return mean * won + (1 - mean) * brute_value(s1, f1 + 1, s2, f2, pulls - 1)


@pytest.mark.parametrize("num_pulls", [1, 2, 3, 7, 12])
def test_two_arms_equal_brute_force_in_fractions(num_pulls):
    solution = bayes_optimal_two_arms(num_pulls)
    exact = brute_value(0, 0, 0, 0, num_pulls)
    assert solution.reward == pytest.approx(float(exact), rel=1e-14)
    assert solution.regret == pytest.approx(float(Fraction(2 * num_pulls, 3) - exact), rel=1e-12)
    assert solution.actions is None


def test_actions_of_every_state_equal_brute_force():
    n = 7
    solution = bayes_optimal_two_arms(n, actions=True)
    seen = set()
    for s1, f1, s2, f2 in np.ndindex(n, n, n, n):
        pulls = n - (s1 + f1 + s2 + f2)
        if pulls < 1:
            continue
        position = solution.positions(np.array([s1, s2]), np.array([s1 + f1, s2 + f2]))
        seen.add(int(position))
        gain = brute_pull(s2, f2, s1, f1, pulls) - brute_pull(s1, f1, s2, f2, pulls)
        assert solution.actions[position] == (2 if gain == 0 else int(gain > 0))
    assert seen == set(range(len(solution.actions)))  # packed without gaps or overlap


@pytest.mark.parametrize(
    ("num_pulls", "regret", "digits"), [(10, 0.645, 3), (50, 1.337, 3), (100, 1.75, 2)]
)
def test_known_values(num_pulls, regret, digits):
    assert round(bayes_optimal_two_arms(num_pulls).regret, digits) == regret
    if num_pulls == 100:
        assert round(bayes_optimal_two_arms(num_pulls).reward, 2) == 64.92


def brute_gittins(successes, pulls, remaining, discount):
    """The index by bisection on the charge, one state at a time."""

    def gain(charge):
        @cache
        def continuing(s, n, h):
            if h == 0:
                return 0.0
            mean = (s + 1) / (n + 2)
            won, lost = (max(0.0, continuing(s + k, n + 1, h - 1)) for k in (1, 0))
            return mean - charge + discount * (mean * won + (1 - mean) * lost)

        return continuing(successes, pulls, remaining)

    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if gain(middle) > 0 else (low, middle)
    return low


@pytest.mark.parametrize("discount", [1.0, 0.8])
def test_gittins_equals_brute_force_in_every_state(discount):
    horizon = 8
    table = gittins_table(horizon, discount=discount)
    assert table.error < 1e-4
    seen = set()
    for pulls in range(horizon):
        for remaining in range(1, horizon - pulls + 1):
            for successes in range(pulls + 1):
                position = int(table.positions(successes, pulls, remaining))
                seen.add(position)
                expected = brute_gittins(successes, pulls, remaining, discount)
                assert abs(table.indices[position] - expected) <= table.error + 1e-12
    assert seen == set(range(len(table.indices)))


def test_gittins_closed_forms():
    table = gittins_table(30)
    for successes, pulls in ((0, 0), (3, 7), (9, 9)):
        mean = (successes + 1) / (pulls + 2)
        one, two = (table.indices[table.positions(successes, pulls, h)] for h in (1, 2))
        assert one == pytest.approx(mean, abs=1e-12)
        # Two pulls: go on after a success only; (m + m m') / (1 + m) with m' the mean after it.
        after = (successes + 2) / (pulls + 3)
        assert two == pytest.approx((mean + mean * after) / (1 + mean), abs=1e-12)


def test_gittins_bounds_hold_against_a_finer_grid():
    coarse, fine = gittins_table(40, grid_size=128), gittins_table(40, grid_size=4096)
    assert fine.error < coarse.error / 20
    gap = np.abs(coarse.indices - fine.indices).max()
    assert gap <= coarse.error + fine.error
    assert coarse.error < 20 * gap  # and they are not idle


def test_published_discounted_indices():
    """Gittins, Glazebrook & Weber 2011, table of Bernoulli indices for discount 0.9."""
    table = gittins_table(130, discount=0.9)
    published = {(0, 0): 0.7029, (1, 1): 0.6346, (2, 2): 0.6010, (9, 1): 0.8695}
    for (won, lost), index in published.items():
        ours = table.indices[table.positions(won, won + lost, 130 - won - lost)]
        assert ours == pytest.approx(index, abs=6e-5)


def play_stationary(name, num_arms, num_pulls, num_worlds, **kwargs):
    """Expected regret of each world: (num_worlds,)."""
    rng = np.random.default_rng(17)
    means = rng.random((num_worlds, num_arms))
    policy = make_policy(name, num_arms, num_worlds, seed=1, **kwargs)
    regret = np.zeros(num_worlds)
    for _ in range(num_pulls):
        actions = policy.act()
        pulled = means[np.arange(num_worlds), actions]
        regret += means.max(axis=1) - pulled
        policy.update(actions, (rng.random(num_worlds) < pulled).astype(float))
    return regret


def test_playing_the_optimal_actions_earns_the_optimal_value():
    regret = play_stationary("bayes_optimal", 2, 50, 20_000, horizon=50)
    error = regret.std() / np.sqrt(len(regret))
    assert abs(regret.mean() - bayes_optimal_two_arms(50).regret) < 4 * error


def exact_gittins_regret(num_pulls):
    """Exact regret of the Gittins policy on two arms, by evaluating it in every state."""
    table = gittins_table(num_pulls)
    value = [np.zeros((n + 1, num_pulls - n + 1)) for n in range(num_pulls + 1)]
    for t in range(num_pulls - 1, -1, -1):
        layer = []
        for n1 in range(t + 1):
            s1, s2 = np.arange(n1 + 1)[:, None], np.arange(t - n1 + 1)[None, :]
            m1, m2 = (s1 + 1) / (n1 + 2), (s2 + 1) / (t - n1 + 2)
            after1, after2 = value[n1 + 1], value[n1]
            pull1 = m1 * (1 + after1[1:]) + (1 - m1) * after1[:-1]
            pull2 = m2 * (1 + after2[:, 1:]) + (1 - m2) * after2[:, :-1]
            index1 = table.indices[table.positions(s1, n1, num_pulls - t)]
            index2 = table.indices[table.positions(s2, t - n1, num_pulls - t)]
            either = np.where(index1 > index2, pull1, (pull1 + pull2) / 2)
            layer.append(np.where(index1 < index2, pull2, either))
        value = layer
    return 2 * num_pulls / 3 - value[0][0, 0]


@pytest.mark.parametrize(("num_pulls", "regret"), [(10, 0.64515), (50, 1.3396), (100, 1.7543)])
def test_gittins_is_near_optimal_for_two_arms(num_pulls, regret):
    exact = exact_gittins_regret(num_pulls)
    assert exact == pytest.approx(regret, abs=5e-5)
    optimal = bayes_optimal_two_arms(num_pulls).regret
    assert optimal <= exact < 1.004 * optimal


def test_gittins_regret_for_five_arms_is_the_known_one():
    five = play_stationary("gittins", 5, 100, 6_000, horizon=100)
    assert abs(five.mean() - 4.67) < 4 * five.std() / np.sqrt(6_000)
    thompson = play_stationary("thompson", 5, 100, 6_000)
    assert five.mean() < thompson.mean() - 1.0


def test_horizon_is_enforced():
    policy = make_policy("gittins", 2, 1, seed=0, horizon=2)
    for _ in range(2):
        policy.update(policy.act(), np.array([1.0]))
    with pytest.raises(ValueError, match="horizon=2 pulls were played: give Gittins the horizon"):
        policy.act()
    policy.reset()
    assert policy.act().shape == (1,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bayes_optimal_two_arms(0), "num_pulls must be at least 1, got 0"),
        (lambda: gittins_table(0), "horizon must be at least 1, got 0"),
        (lambda: gittins_table(5, discount=1.5), r"discount must be in \(0, 1\], got 1.5"),
        (lambda: gittins_table(5, grid_size=3), "grid_size must be at least 4, got 3"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
