"""Regret in a changing world, and how fast an agent recovers from a change.

Legend: arrays are (..., T), time last, any leading axes (seeds, environments). ``values`` is what
is looked at, lower is better (regret; for rewards pass their negative). ``changed`` is True at the
first step in a new world: the action of that step is already scored there. Episode starts are not
changes; they begin a segment all the same.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def dynamic_regret(regret: ArrayLike) -> Floats:
    """Return the mean regret per step, (...): against the best action at every single step.

    With mu*_t the expected reward of the best action in the world of step t, it is
    1/T sum_t (mu*_t - mu_t(a_t)) (Garivier & Moulines 2011, there as the sum over t).
    """
    return np.asarray(regret, dtype=np.float64).mean(axis=-1)


def cumulative_regret(regret: ArrayLike) -> Floats:
    """Return the sum of regret up to and with each step, (..., T)."""
    return np.cumsum(np.asarray(regret, dtype=np.float64), axis=-1)


class Segments(NamedTuple):
    """The stretches between changes, of all runs, in order; every field is (S,).

    Attributes:
        run: Which run, as an index into the flattened leading axes.
        start: Its first step.
        length: Its number of steps.
        regret: Its sum of regret; ``regret / length`` is the mean per step.
    """

    run: NDArray[np.int64]
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    regret: Floats


def regret_per_segment(regret: ArrayLike, changed: ArrayLike) -> Segments:
    """Cut every run at its changes and sum the regret of each piece.

    Args:
        regret: (..., T).
        changed: (..., T) booleans.

    Raises:
        ValueError: If the shapes differ.
    """
    values, change, _ = _runs(regret, changed, "regret")
    steps = values.shape[1]
    first = change.copy()
    first[:, 0] = True
    starts = np.flatnonzero(first)  # in the flattened (R * T), where a run also ends at the next
    if starts.size == 0:
        return Segments(starts, starts, starts, np.zeros(0))
    sums = np.add.reduceat(values.ravel(), starts)
    lengths = np.diff(starts, append=values.size)
    return Segments(starts // steps, starts % steps, lengths, sums)


class RecoveryCurve(NamedTuple):
    """Mean of something against the number of steps since a change.

    Attributes:
        mean: (..., horizon); NaN where nothing was ever that long after a change.
        counts: (..., horizon), the number of steps that the mean is over.
    """

    mean: Floats
    counts: NDArray[np.int64]


def recovery_curve(
    values: ArrayLike,
    changed: ArrayLike,
    horizon: int,
    *,
    include_start: bool = False,
    whole_only: bool = False,
    axis: int | tuple[int, ...] | None = None,
) -> RecoveryCurve:
    """Return the mean of ``values`` at k = 0 .. horizon - 1 steps after a change.

    A step belongs to the latest change before it, so short segments speak only for small k. Where
    the length of a segment is independent of what the agent does, that leaves the mean unbiased;
    where it is not (worlds that react), ``whole_only`` compares the same segments at every k.

    Args:
        values: (..., T).
        changed: (..., T) booleans; k = 0 is the step where it is True.
        horizon: How many steps after a change to look at.
        include_start: Count the first step of a run as a change.
        whole_only: Use only segments of at least ``horizon`` steps.
        axis: Leading axes to average over; None is all of them. With (seeds, environments, T),
            ``axis=1`` gives a curve for every seed.

    Raises:
        ValueError: If the shapes differ or ``horizon`` is not between 1 and T.
    """
    flat, change, leading = _runs(values, changed, "values")
    num_runs, steps = flat.shape
    _check_count("horizon", horizon, steps)
    since, until = _steps_since_and_until(change, include_start)
    chosen = (since >= 0) & (since < horizon)
    if whole_only:
        chosen &= since + until >= horizon
    run, _ = np.nonzero(chosen)
    cells = run * horizon + since[chosen]
    count = np.bincount(cells, minlength=num_runs * horizon).astype(np.int64)
    sums = np.bincount(cells, weights=flat[chosen], minlength=num_runs * horizon)
    total = np.asarray(sums, dtype=np.float64)
    return RecoveryCurve(*_pool(total, count, (*leading, horizon), axis))


class Adaptation(NamedTuple):
    """How long recovery takes; every field has the leading axes that were not averaged over.

    Attributes:
        steps: The adaptation time in steps; infinite if it is not over within the horizon.
        level: Mean of the values just before a change, which is what to come back to.
        peak: The largest value of the smoothed recovery curve.
    """

    steps: Floats
    level: Floats
    peak: Floats


def adaptation_time(
    values: ArrayLike,
    changed: ArrayLike,
    horizon: int,
    *,
    window: int = 5,
    tolerance: float = 0.1,
    axis: int | tuple[int, ...] | None = None,
) -> Adaptation:
    """Return after how many steps the harm of a change is gone, but for a share ``tolerance``.

    With c_k the recovery curve and w the window:

    - smoothed curve: s_k = (c_k + .. + c_{k+w-1}) / w, for k = 0 .. horizon - w;
    - level: the mean of the values at the last w steps before a change (of the same segment; of a
      segment shorter than w all there are);
    - peak: s_p = max_k s_k, at the smallest such p;
    - adaptation time: the smallest k >= p with s_k <= level + tolerance * (s_p - level).

    It is 0 if the peak is not above the level (the change did no harm), infinite if no such k lies
    within the horizon, and NaN if there is no change with a step before it.

    Args:
        values: (..., T), lower is better.
        changed: (..., T) booleans.
        horizon: How many steps after a change to look at.
        window: w, steps to average over; against the noise of single steps.
        tolerance: Which share of the harm may remain.
        axis: Leading axes to average over, as in `recovery_curve`.

    Raises:
        ValueError: If the shapes differ or an argument is out of range.
    """
    flat, change, leading = _runs(values, changed, "values")
    _check_count("horizon", horizon, flat.shape[1])
    _check_count("window", window, horizon)
    if not 0 <= tolerance < 1:
        raise ValueError(f"tolerance must be in [0, 1), got {tolerance}")

    curve = recovery_curve(values, changed, horizon, axis=axis).mean
    smooth = np.lib.stride_tricks.sliding_window_view(curve, window, axis=-1).mean(axis=-1)
    _, until = _steps_since_and_until(change, include_start=True)
    last_change = np.where(change, np.arange(flat.shape[1]), -1).max(axis=1, keepdims=True)
    ends_in_change = np.arange(flat.shape[1]) < last_change
    before = ends_in_change & (until <= window)
    level, _ = _pool(
        np.where(before, flat, 0.0).sum(axis=1), before.sum(axis=1), (*leading, 1), axis
    )

    known = np.where(np.isnan(smooth), -np.inf, smooth)  # too long after a change for the data
    at_peak = known.argmax(axis=-1)[..., None]
    peak = np.take_along_axis(smooth, at_peak, axis=-1)
    later = np.arange(smooth.shape[-1]) >= at_peak
    done = later & (smooth <= level + tolerance * (peak - level))
    steps = np.where(done.any(axis=-1), done.argmax(axis=-1), np.inf)[..., None]
    steps = np.where(peak <= level, 0.0, steps)
    steps = np.where(np.isnan(level) | np.isnan(peak), np.nan, steps)
    return Adaptation(steps[..., 0], level[..., 0], peak[..., 0])


def share_of_gap(value: ArrayLike, worst: ArrayLike, best: ArrayLike) -> Floats:
    """Return which share of the way from ``worst`` to ``best`` a value has come.

    0 at ``worst`` (as the random policy), 1 at ``best`` (as the optimal one), not clipped; works
    for regret and for reward.

    Raises:
        ValueError: If ``worst`` and ``best`` are equal somewhere.
    """
    value, worst, best = (np.asarray(x, dtype=np.float64) for x in (value, worst, best))
    if np.any(worst == best):
        raise ValueError("worst and best must differ")
    return np.asarray((worst - value) / (worst - best))


def _runs(
    values: ArrayLike, changed: ArrayLike, name: str
) -> tuple[Floats, NDArray[np.bool_], tuple[int, ...]]:
    """Return values and changes as (R, T), and the leading shape; check them."""
    array = np.asarray(values, dtype=np.float64)
    change = np.asarray(changed)
    if array.ndim == 0 or array.shape != change.shape:
        raise ValueError(
            f"changed must have the shape of {name}, (..., T), got {change.shape} and {array.shape}"
        )
    if change.dtype != np.bool_:
        raise ValueError(f"changed must be an array of booleans, got {change.dtype}")
    if array.shape[-1] == 0:
        raise ValueError(f"{name} must have at least one step, got shape {array.shape}")
    shape = (-1, array.shape[-1])
    return array.reshape(shape), change.reshape(shape), array.shape[:-1]


def _steps_since_and_until(
    change: NDArray[np.bool_], include_start: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, (R, T) each, the steps since the latest change and until the next or the end.

    "Since" is 0 at the change and -1 before the first one; "until" is 1 at a segment's last step.
    """
    steps = np.arange(change.shape[1])
    first = change.copy()
    first[:, 0] |= include_start
    latest = np.maximum.accumulate(np.where(first, steps, -1), axis=1)
    since = np.where(latest >= 0, steps - latest, -1)
    boundary = np.where(change, steps, change.shape[1])[:, ::-1]
    following = np.minimum.accumulate(boundary, axis=1)[:, ::-1]  # the change at or after a step
    following = np.concatenate(
        [following[:, 1:], np.full((len(change), 1), change.shape[1])], axis=1
    )
    return since, following - steps


def _pool(
    total: Floats,
    count: NDArray[np.int64],
    shape: tuple[int, ...],
    axis: int | tuple[int, ...] | None,
) -> tuple[Floats, NDArray[np.int64]]:
    """Return means and counts over leading axes (all for None) of sums and counts."""
    leading = len(shape) - 1
    axes = tuple(range(leading)) if axis is None else np.atleast_1d(axis).tolist()
    for one in axes:
        if not 0 <= one < leading:
            raise ValueError(f"axis must be leading axes, 0 to {leading - 1}, got {axis}")
    total = np.asarray(total.reshape(shape).sum(axis=tuple(axes)))
    count = np.asarray(count.reshape(shape).sum(axis=tuple(axes)))
    mean = np.full(total.shape, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean, count


def _check_count(name: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise ValueError(f"{name} must be between 1 and {most}, got {value}")
