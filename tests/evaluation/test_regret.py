"""Regret metrics against plain loops, and adaptation time on curves whose answer is known."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from driftwise.evaluation import (
    adaptation_time,
    cumulative_regret,
    dynamic_regret,
    recovery_curve,
    regret_per_segment,
    share_of_gap,
)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Values and changes of shape (..., T), small; integers, so that sums are exact."""
    shape = (*draw(st.lists(st.integers(1, 3), max_size=2)), draw(st.integers(1, 12)))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    hazard = draw(st.sampled_from([0.0, 0.1, 0.4, 1.0]))
    return rng.integers(-5, 9, shape).astype(float), rng.random(shape) < hazard


def segments_by_loop(changed: NDArray[np.bool_]) -> list[tuple[int, int, int, bool, bool]]:
    """(run, start, end, begins with a change, ends in a change) of every segment."""
    found = []
    for run, flags in enumerate(changed.reshape(-1, changed.shape[-1])):
        starts = [0] + [t for t in range(1, len(flags)) if flags[t]]
        for start, end in zip(starts, [*starts[1:], len(flags)], strict=True):
            found.append((run, start, end, bool(flags[start]), end < len(flags)))
    return found


def average(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else math.nan


def recovery_by_loop(
    values: NDArray[np.float64],
    changed: NDArray[np.bool_],
    horizon: int,
    include_start: bool,
    whole_only: bool,
) -> tuple[list[list[float]], NDArray[np.float64]]:
    """All values at each number of steps after a change; per-run sums and counts."""
    flat = values.reshape(-1, values.shape[-1])
    pooled: list[list[float]] = [[] for _ in range(horizon)]
    per_run = np.zeros((len(flat), horizon, 2))
    for run, start, end, by_change, _ in segments_by_loop(changed):
        if not (by_change or include_start) or (whole_only and end - start < horizon):
            continue
        for t in range(start, min(end, start + horizon)):
            pooled[t - start].append(flat[run, t])
            per_run[run, t - start] += flat[run, t], 1
    return pooled, per_run


@given(worlds())
@settings(deadline=None, max_examples=60)
def test_sums_and_segments(world: Any) -> None:
    values, changed = world
    steps = values.shape[-1]
    flat = values.reshape(-1, steps)
    np.testing.assert_array_equal(
        dynamic_regret(values).ravel(), [sum(row) / steps for row in flat.tolist()]
    )
    for row, total in zip(flat, cumulative_regret(values).reshape(-1, steps), strict=True):
        assert [sum(row[: t + 1]) for t in range(steps)] == total.tolist()
    expected = [
        (run, start, end - start, flat[run, start:end].sum())
        for run, start, end, _, _ in segments_by_loop(changed)
    ]
    found = regret_per_segment(values, changed)
    assert list(zip(*(field.tolist() for field in found), strict=True)) == expected


@given(worlds(), st.data(), st.booleans(), st.booleans())
@settings(deadline=None, max_examples=100)
def test_recovery_curve(world: Any, data: st.DataObject, start: bool, whole: bool) -> None:
    values, changed = world
    horizon = data.draw(st.integers(1, values.shape[-1]))
    pooled, per_run = recovery_by_loop(values, changed, horizon, start, whole)
    options = {"include_start": start, "whole_only": whole}
    found = recovery_curve(values, changed, horizon, **options)
    assert found.counts.tolist() == [len(group) for group in pooled]
    expected = [average(group) for group in pooled]
    np.testing.assert_allclose(found.mean, expected, rtol=1e-14)

    each = recovery_curve(values, changed, horizon, axis=(), **options)
    shape = (*values.shape[:-1], horizon)
    np.testing.assert_array_equal(each.counts, per_run[..., 1].reshape(shape))
    with np.errstate(invalid="ignore"):
        means = (per_run[..., 0] / per_run[..., 1]).reshape(shape)
    np.testing.assert_array_equal(each.mean, means)
    if values.ndim == 3:
        for axis in (0, 1):
            part = recovery_curve(values, changed, horizon, axis=axis, **options)
            sums = per_run.reshape(*values.shape[:-1], horizon, 2).sum(axis=axis)
            np.testing.assert_array_equal(part.counts, sums[..., 1])


def test_recovery_curve_by_hand() -> None:
    values = [[5, 4, 9, 2, 8, 1]]
    changed = [[False, False, True, False, True, False]]
    found = recovery_curve(values, np.array(changed), 3)
    np.testing.assert_array_equal(found.mean, [8.5, 1.5, np.nan])
    assert found.counts.tolist() == [2, 2, 0]
    found = recovery_curve(values, np.array(changed), 2, include_start=True)
    np.testing.assert_array_equal(found.mean, [22 / 3, 7 / 3])


def adaptation_by_loop(
    values: NDArray[np.float64],
    changed: NDArray[np.bool_],
    horizon: int,
    window: int,
    tolerance: float,
) -> tuple[float, float, float]:
    pooled, _ = recovery_by_loop(values, changed, horizon, False, False)
    curve = [average(group) for group in pooled]
    smooth = [sum(curve[k : k + window]) / window for k in range(horizon - window + 1)]
    flat = values.reshape(-1, values.shape[-1])
    before: list[float] = []
    for run, start, end, _, by_change in segments_by_loop(changed):
        if by_change:
            before.extend(flat[run, max(start, end - window) : end])
    level = average(before)
    known = [k for k, value in enumerate(smooth) if not math.isnan(value)]
    if not known:
        return math.nan, level, math.nan
    peak_at = max(known, key=lambda k: (smooth[k], -k))
    peak = smooth[peak_at]
    if math.isnan(level):
        return math.nan, level, peak
    if peak <= level:
        return 0.0, level, peak
    for k in known:
        if k >= peak_at and smooth[k] <= level + tolerance * (peak - level):
            return float(k), level, peak
    return math.inf, level, peak


@given(worlds(), st.data(), st.sampled_from([0.0, 0.1, 0.5]))
@settings(deadline=None, max_examples=150)
def test_adaptation_time_is_as_defined(world: Any, data: st.DataObject, tolerance: float) -> None:
    values, changed = world
    horizon = data.draw(st.integers(1, values.shape[-1]))
    window = data.draw(st.sampled_from([w for w in (1, 2, 4) if w <= horizon]))  # exact means
    expected = adaptation_by_loop(values, changed, horizon, window, tolerance)
    found = adaptation_time(values, changed, horizon, window=window, tolerance=tolerance)
    # Averages in another order can tip a comparison only where both sides are equal in theory.
    np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-12, atol=1e-12)
    if abs(found.peak - found.level) > 1e-9:
        np.testing.assert_array_equal(found.steps, expected[0])


@pytest.mark.parametrize("half_life", [2.0, 5.0, 11.0])
@pytest.mark.parametrize("tolerance", [0.5, 0.1, 0.02])
def test_adaptation_time_of_an_exponential(half_life: float, tolerance: float) -> None:
    """0.1 + 2^(-k/h) falls to a share tol of its harm at k = h log2(1/tol), rounded up."""
    period = 200
    k = np.arange(600) % period
    changed = (k == 0) & (np.arange(600) > 0)
    values = 0.1 + 0.5 ** (k / half_life)
    found = adaptation_time(values, changed, 150, window=1, tolerance=tolerance)
    # At window 1 the peak is exactly 1.1 and the level 0.1 but for 2^(-199/h).
    assert found.steps == math.ceil(half_life * math.log2(1 / tolerance) - 1e-9)
    assert found.peak == 1.1 and abs(found.level - 0.1) < 1e-5


def test_adaptation_time_of_a_late_peak_and_of_no_recovery() -> None:
    after = np.array([0, 0, 3, 4, 3, 2, 1, 0, 0, 0], dtype=float)  # harm comes late
    values = np.concatenate([np.zeros(10), after, after])
    changed = np.zeros(30, dtype=bool)
    changed[[10, 20]] = True
    assert adaptation_time(values, changed, 10, window=1, tolerance=0.25).steps == 6
    assert adaptation_time(values, changed, 6, window=1, tolerance=0.25).steps == math.inf
    harmless = adaptation_time(np.ones(30), changed, 10)
    assert harmless == (0.0, 1.0, 1.0)
    unchanged = adaptation_time(np.ones(30), np.zeros(30, dtype=bool), 10)
    assert math.isnan(unchanged.steps) and math.isnan(unchanged.level)


def test_adaptation_time_of_each_seed() -> None:
    rng = np.random.default_rng(0)
    values, changed = rng.random((3, 20, 60)), rng.random((3, 20, 60)) < 0.05
    found = adaptation_time(values, changed, 20, axis=1)
    assert found.steps.shape == (3,)
    for seed in range(3):
        alone = adaptation_time(values[seed], changed[seed], 20)
        np.testing.assert_allclose([field[seed] for field in found], alone, rtol=1e-12)


def test_share_of_gap() -> None:
    assert share_of_gap(0.098, worst=0.33, best=0.092) == pytest.approx(0.232 / 0.238)
    np.testing.assert_array_equal(share_of_gap([0, 5, 10, 20], 0, 10), [0, 0.5, 1, 2])
    with pytest.raises(ValueError, match="worst and best must differ"):
        share_of_gap(1.0, [0.0, 1.0], [1.0, 1.0])


def test_bad_arguments() -> None:
    values, changed = np.zeros((2, 5)), np.zeros((2, 5), dtype=bool)
    with pytest.raises(ValueError, match=r"changed must have the shape of values.*\(2, 4\)"):
        recovery_curve(values, changed[:, :4], 3)
    with pytest.raises(ValueError, match="changed must be an array of booleans, got int64"):
        recovery_curve(values, changed.astype(np.int64), 3)
    with pytest.raises(ValueError, match="changed must have the shape of regret"):
        regret_per_segment(3.0, False)
    with pytest.raises(ValueError, match="values must have at least one step"):
        recovery_curve(values[:, :0], changed[:, :0], 1)
    for horizon in (0, 6):
        with pytest.raises(ValueError, match=f"horizon must be between 1 and 5, got {horizon}"):
            recovery_curve(values, changed, horizon)
    with pytest.raises(ValueError, match="window must be between 1 and 3, got 4"):
        adaptation_time(values, changed, 3, window=4)
    with pytest.raises(ValueError, match=r"tolerance must be in \[0, 1\), got 1"):
        adaptation_time(values, changed, 3, window=1, tolerance=1)
    with pytest.raises(ValueError, match="axis must be leading axes, 0 to 0, got 1"):
        recovery_curve(values, changed, 3, axis=1)
