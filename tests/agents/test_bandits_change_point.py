"""The change-point filter against the sum over all histories of redraws."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftwise.agents.bandits import make_policy


def beta_moments(a, b):
    mean = a / (a + b)
    return mean, mean * (a + 1) / (a + b + 1)


def brute_posterior(actions, rewards, num_arms, hazard, prior):
    """Mean and variance of every arm at the coming step, by enumeration of all redraw patterns.

    A pattern says, for each step after the first and for the coming one, whether all arms were
    redrawn just before it. Its evidence is a product of Beta functions, one per segment and arm.
    """
    steps = len(actions)
    total = first = second = 0.0
    for pattern in itertools.product([False, True], repeat=steps):
        redraws = (False, *pattern)[: steps + 1]
        weight = math.prod(hazard if redrawn else 1 - hazard for redrawn in pattern)
        counts = [[*prior] for _ in range(num_arms)]
        for step in range(steps + 1):
            if redraws[step]:
                counts = [[*prior] for _ in range(num_arms)]
            if step < steps:
                a, b = counts[actions[step]]
                weight *= (a if rewards[step] else b) / (a + b)
                counts[actions[step]][0 if rewards[step] else 1] += 1
        moments = np.array([beta_moments(a, b) for a, b in counts])
        total += weight
        first = first + weight * moments[:, 0]
        second = second + weight * moments[:, 1]
    mean = first / total
    return mean, second / total - mean**2


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=8),
    st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    st.sampled_from([(1.0, 1.0), (0.5, 2.0)]),
)
def test_posterior_equals_enumeration(pulls, hazard, prior):
    policy = make_policy("bayes_ucb", 3, 2, seed=0, hazard=hazard, prior=prior)
    for action, won in pulls:
        # The second row sees something else, and is of no concern to the first.
        policy.update(np.array([action, 1]), np.array([float(won), 1.0]))
    mean, variance = policy.posterior()
    actions, rewards = [a for a, _ in pulls], [r for _, r in pulls]
    expected = brute_posterior(actions, rewards, 3, hazard, prior)
    np.testing.assert_allclose(mean[0], expected[0], rtol=1e-12)
    np.testing.assert_allclose(variance[0], expected[1], rtol=1e-9)


def run(policy, steps, seed=0, resets=None):
    """Plays a drifting world and returns the posteriors met on the way."""
    rng = np.random.default_rng(seed)
    shape = policy.num_envs, policy.num_arms
    means = rng.random(shape)
    seen = []
    for step in range(steps):
        redrawn = rng.random((shape[0], 1)) < 0.02
        means = np.where(redrawn, rng.random(shape), means)
        actions = rng.integers(shape[1], size=shape[0])
        rewards = (rng.random(shape[0]) < means[policy.rows, actions]).astype(float)
        policy.update(actions, rewards)
        if resets is not None and step in resets:
            policy.reset(resets[step])
        seen.append(policy.posterior())
    return seen


def test_long_episodes_outgrow_the_first_buffer():
    policy = make_policy("bayes_greedy", 3, 4, seed=0)
    capped = make_policy("bayes_greedy", 3, 4, seed=0, max_run_lengths=200)
    for grown, ample in zip(run(policy, 150), run(capped, 150), strict=True):
        np.testing.assert_allclose(grown[0], ample[0], rtol=1e-12)
    assert policy.weights.shape[1] == 256
    assert (policy.pruned_mass == 0).all() and (capped.pruned_mass == 0).all()


def test_partial_resets_start_rows_afresh():
    policy = make_policy("bayes_ucb", 3, 4, seed=0)
    mask = np.array([True, False, False, True])
    seen = run(policy, 120, resets={50: mask, 90: ~mask})
    untouched = run(make_policy("bayes_ucb", 3, 4, seed=0), 120)
    np.testing.assert_allclose(seen[50][0][mask], 0.5)
    np.testing.assert_allclose(seen[80][0][~mask], untouched[80][0][~mask], rtol=1e-12)
    np.testing.assert_allclose(seen[90][1][~mask], 1 / 12)


@pytest.mark.parametrize(("size", "measured"), [(8, 0.044), (24, 0.011)])
def test_pruning_errs_by_no_more_than_it_says(size, measured):
    exact = make_policy("bayes_ucb", 3, 200, seed=0)
    pruned = make_policy("bayes_ucb", 3, 200, seed=0, max_run_lengths=size)
    difference = 0.0
    for (true_mean, _), (mean, _) in zip(run(exact, 80), run(pruned, 80), strict=True):
        # Means of numbers in [0, 1] differ by at most the total variation distance.
        difference = np.abs(true_mean - mean).max(axis=1).mean()
    assert pruned.weights.shape[1] == size
    assert 0 < difference <= pruned.pruned_mass.mean()
    assert difference == pytest.approx(measured, rel=0.2)
    np.testing.assert_allclose(pruned.weights.sum(axis=1), 1.0, rtol=1e-12)


def test_rules_act_on_the_posterior():
    histories = [(np.array([a, a]), np.array([r, r])) for a, r in ((0, 1.0), (1, 0.0), (0, 1.0))]
    greedy, ucb, curious, thompson = (
        make_policy(name, 3, 2, seed=0, **kwargs)
        for name, kwargs in (
            ("bayes_greedy", {}),
            ("bayes_ucb", {}),
            ("bayes_ucb", {"scale": 100.0}),
            ("bayes_thompson", {}),
        )
    )
    for policy in (greedy, ucb, curious, thompson):
        for actions, rewards in histories:
            policy.update(actions, rewards)
    mean, variance = ucb.posterior()
    index = mean + 1.6 * np.sqrt(variance)
    assert greedy.act().tolist() == mean.argmax(axis=1).tolist() == [0, 0]
    assert ucb.act().tolist() == index.argmax(axis=1).tolist()
    assert curious.act().tolist() == variance.argmax(axis=1).tolist() == [2, 2]
    # Probability matching: the share of every arm is its probability of being best.
    draws = np.bincount(np.concatenate([thompson.act() for _ in range(4000)]), minlength=3) / 8000
    rng = np.random.default_rng(0)
    slots = rng.choice(thompson.weights.shape[1], size=40_000, p=thompson.weights[0])
    a = thompson.successes[0][:, slots]
    best = rng.beta(a, thompson.totals[0][:, slots] - a).argmax(axis=0)
    expected = np.bincount(best, minlength=3) / 40_000
    np.testing.assert_allclose(draws, expected, atol=4 * 0.5 / math.sqrt(8000))
