"""Point estimates against scipy and rliable's definitions; intervals by their coverage."""

import itertools
import math
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from driftwise.evaluation import (
    bootstrap_interval,
    iqm,
    mean,
    paired_difference,
    probability_of_improvement,
)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=30))
@settings(deadline=None, max_examples=50)
def test_iqm_drops_the_outer_quarters(scores: list[float]) -> None:
    cut = len(scores) // 4
    middle = sorted(scores)[cut : len(scores) - cut]
    assert iqm(scores) == pytest.approx(sum(middle) / len(middle), abs=1e-12)
    assert mean(scores) == pytest.approx(sum(scores) / len(scores), abs=1e-12)


def test_iqm_is_that_of_rliable() -> None:
    scores = np.random.default_rng(0).normal(size=(10, 6))  # runs x tasks, all together
    assert iqm(scores) == stats.trim_mean(scores, proportiontocut=0.25, axis=None)
    assert bootstrap_interval(scores, "iqm").value == iqm(scores)
    np.testing.assert_array_equal(iqm(scores, axis=0), [iqm(task) for task in scores.T])


@pytest.mark.parametrize("statistic", ["mean", "iqm"])
@pytest.mark.parametrize("num_tasks", [1, 3])
def test_percentile_interval_is_a_stratified_bootstrap(statistic: Any, num_tasks: int) -> None:
    """Against resampling written out, with many resamples, so that both are close to exact."""
    rng = np.random.default_rng(1)
    scores = rng.gamma(2.0, size=(7, num_tasks))
    pooled = mean if statistic == "mean" else iqm
    drawn = rng.integers(0, 7, (20_000, 7, num_tasks))  # every task on its own
    resampled = pooled(scores[drawn, np.arange(num_tasks)].reshape(20_000, -1), axis=1)
    expected = np.quantile(resampled, [0.025, 0.975])
    found = bootstrap_interval(scores, statistic, method="percentile", num_resamples=20_000)
    spread = np.std(resampled)
    np.testing.assert_allclose([found.low, found.high], expected, atol=0.06 * spread)


@pytest.mark.parametrize("n", [2, 5, 10])
@pytest.mark.parametrize("num_tasks", [1, 4])
def test_expanded_interval_of_the_mean_is_students(n: int, num_tasks: int) -> None:
    """The quantiles' level is the formula's, and close to Student's t where that is exact."""
    scores = np.random.default_rng(n).normal(size=(n, num_tasks))
    quantile = stats.t.ppf(0.025, num_tasks * (n - 1))
    level = stats.norm.cdf(math.sqrt(n / (n - 1)) * quantile)
    confidence = min(1 - 2 * level, 1 - 1e-12)
    plain = bootstrap_interval(scores, method="percentile", confidence=confidence)
    found = bootstrap_interval(scores)
    np.testing.assert_allclose(found, plain, rtol=1e-6)
    if n == 10 and num_tasks == 4:
        pooled_std = math.sqrt(scores.var(axis=0, ddof=1).mean())
        half = -quantile * pooled_std / math.sqrt(scores.size)
        assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.08)


def coverage(n: int, method: Any, statistic: Any = "mean", repeats: int = 600) -> float:
    rng = np.random.default_rng(42)
    hits = 0
    for _ in range(repeats):
        scores = rng.normal(size=n)
        found = bootstrap_interval(scores, statistic, method=method, num_resamples=1000)
        hits += found.low <= 0 <= found.high
    return hits / repeats


def test_coverage_for_normal_scores() -> None:
    """Bounds are three standard errors (of a share over 600) around what the docstring says."""
    error = 3 * math.sqrt(0.92 * 0.08 / 600)
    assert abs(coverage(10, "expanded") - 0.945) < error
    assert abs(coverage(5, "expanded") - 0.915) < error
    assert abs(coverage(5, "percentile") - 0.825) < 3 * math.sqrt(0.82 * 0.18 / 600)
    assert coverage(10, "expanded", "iqm", 300) > 0.93


def test_three_runs_give_their_range() -> None:
    assert bootstrap_interval([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0, 3)


@pytest.mark.parametrize("method", ["expanded", "percentile", "BCa"])
def test_degenerate_scores(method: Any) -> None:
    assert bootstrap_interval([0.5], method=method) == (0.5, 0.5, 0.5, 1)
    assert bootstrap_interval([[0.5, 1.5]], "iqm", method=method) == (1.0, 1.0, 1.0, 1)
    assert bootstrap_interval([2.0, 2.0, 2.0], method=method) == (2.0, 2.0, 2.0, 3)
    infinite = bootstrap_interval([1.0, math.inf], method=method)
    assert infinite.value == math.inf and math.isnan(infinite.low) and infinite.n == 2


def test_intervals_are_reproducible_and_ordered() -> None:
    scores = np.random.default_rng(3).random(8)
    legacy_state = str(np.random.get_state())  # noqa: NPY002
    first = bootstrap_interval(scores)
    assert first == bootstrap_interval(scores) != bootstrap_interval(scores, seed=1)
    assert first.low < first.value < first.high
    narrower = bootstrap_interval(scores, method="percentile")
    assert first.low < narrower.low and narrower.high < first.high
    assert str(np.random.get_state()) == legacy_state  # noqa: NPY002


def test_probability_of_improvement_counts_pairs() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 5, (6, 3)).astype(float), rng.integers(0, 5, (4, 3)).astype(float)
    wins = []
    for task in range(3):
        pairs = itertools.product(x[:, task], y[:, task])
        wins.append(np.mean([1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs]))
        u = stats.mannwhitneyu(x[:, task], y[:, task]).statistic
        assert wins[-1] == pytest.approx(u / 24)
    found = probability_of_improvement(x, y)
    assert found.value == pytest.approx(np.mean(wins)) and found.n == 4
    assert found.low < found.value < found.high
    other = probability_of_improvement(x, y, higher_is_better=False)
    assert other.value == pytest.approx(1 - found.value)
    assert probability_of_improvement([1.0, 2.0], [3.0, 4.0]) == (0.0, 0.0, 0.0, 2)
    assert probability_of_improvement([1.0], [0.0, 2.0, 3.0]).n == 1


def test_paired_difference_is_over_common_seeds() -> None:
    x = {0: 1.0, 1: 2.0, 2: 3.5, 9: 100.0}
    y = {2: 3.0, 1: 1.0, 0: 0.5, 7: -100.0}
    assert paired_difference(x, y) == bootstrap_interval([0.5, 1.0, 0.5])
    with pytest.raises(ValueError, match="x and y must have seeds in common, got none"):
        paired_difference({0: 1.0}, {1: 1.0})


def test_pairing_narrows_the_interval() -> None:
    rng = np.random.default_rng(0)
    world = rng.normal(size=20)
    x = {seed: world[seed] + 0.1 * rng.normal() for seed in range(20)}
    y = {seed: world[seed] + 0.1 * rng.normal() - 0.3 for seed in range(20)}
    found = paired_difference(x, y)
    assert 0.2 < found.low < 0.3 < found.high < 0.4
    assert bootstrap_interval(list(y.values())).high > bootstrap_interval(list(x.values())).low


def test_bad_arguments() -> None:
    bad: Any
    for bad in ([], [[]], np.zeros((2, 2, 2)), 3.0):
        with pytest.raises(ValueError, match=r"scores must be \(runs,\) or \(runs, tasks\)"):
            bootstrap_interval(bad)
    with pytest.raises(ValueError, match=r"statistic must be one of \['mean', 'iqm'\], got 'med"):
        bootstrap_interval([1.0, 2.0], cast(Any, "median"))
    with pytest.raises(ValueError, match=r"method must be 'expanded', .*, got 'bca'"):
        bootstrap_interval([1.0, 2.0], method=cast(Any, "bca"))
    with pytest.raises(ValueError, match="confidence must be between 0 and 1, got 95"):
        bootstrap_interval([1.0, 2.0], confidence=95)
    with pytest.raises(ValueError, match="x and y must have the same tasks, got 2 and 1"):
        probability_of_improvement([[1.0, 2.0]], [1.0])
