"""Exact dynamic programming for stationary Bernoulli arms with uniform priors.

`bayes_optimal_two_arms` is the best that any policy can do on two arms; `gittins_table` holds the
finite-horizon Gittins indices, whose policy is the usual reference where the exact value is out of
reach (it is not optimal: the index theorem needs geometric discounting).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .policy import FloatArray, IntArray


class TwoArmSolution(NamedTuple):
    """The Bayes-optimal play of two arms; see `bayes_optimal_two_arms`.

    Attributes:
        num_pulls: Number of pulls n.
        reward: Expected total reward of optimal play.
        regret: n E[max(p_1, p_2)] - reward = 2 n / 3 - reward.
        actions: The optimal arm in every state, packed; 2 where both are optimal. Index it with
            `positions`. None if it was not asked for.
        offsets: Start of the block of (pulls so far, pulls of arm 1) in `actions`, (n, n).
    """

    num_pulls: int
    reward: float
    regret: float
    actions: npt.NDArray[np.int8] | None
    offsets: IntArray

    def positions(self, successes: IntArray, pulls: IntArray) -> IntArray:
        """Where `actions` keeps the states with these statistics, both of shape (..., 2)."""
        width = pulls[..., 1] + 1
        block = self.offsets[pulls.sum(axis=-1), pulls[..., 0]]
        return block + successes[..., 0] * width + successes[..., 1]


@lru_cache(maxsize=4)
def bayes_optimal_two_arms(num_pulls: int, *, actions: bool = False) -> TwoArmSolution:
    """Solves the two-armed Bernoulli bandit, means independent and uniform, by dynamic programming.

    With s_i successes in n_i pulls, m_i = (s_i + 1) / (n_i + 2), and V = 0 after the last pull, ::

        V(s_1, n_1, s_2, n_2) = max_i  m_i (1 + V(s_i + 1, n_i + 1)) + (1 - m_i) V(s_i, n_i + 1)

    The values of two successive times are kept, as one matrix over (s_1, s_2) per n_1: O(n^3)
    numbers for n pulls, against O(n^4) states visited.

    Args:
        num_pulls: Number of pulls n, at least 1.
        actions: Whether to keep the optimal actions as well: C(n + 3, 4) bytes (4.4 MB at 100).

    Raises:
        ValueError: If `num_pulls` is below 1.
    """
    if num_pulls < 1:
        raise ValueError(f"num_pulls must be at least 1, got {num_pulls}")
    time, first = np.ogrid[:num_pulls, :num_pulls]
    block_sizes = np.where(first <= time, (first + 1) * (time - first + 1), 0)
    ends = block_sizes.cumsum().reshape(num_pulls, num_pulls)
    table = np.empty(ends[-1, -1], dtype=np.int8) if actions else None
    solution = TwoArmSolution(num_pulls, 0.0, 0.0, table, ends - block_sizes)

    value = [np.zeros((n + 1, num_pulls - n + 1)) for n in range(num_pulls + 1)]
    for t in range(num_pulls - 1, -1, -1):
        new_value = []
        for n1 in range(t + 1):
            n2 = t - n1
            mean1 = np.arange(1, n1 + 2)[:, None] / (n1 + 2)
            mean2 = np.arange(1, n2 + 2)[None, :] / (n2 + 2)
            next1, next2 = value[n1 + 1], value[n1]
            pull1 = mean1 * (1.0 + next1[1:]) + (1.0 - mean1) * next1[:-1]
            pull2 = mean2 * (1.0 + next2[:, 1:]) + (1.0 - mean2) * next2[:, :-1]
            new_value.append(np.maximum(pull1, pull2))
            if table is not None:
                start = solution.offsets[t, n1]
                # Values that differ by rounding alone are ties, to be broken at random.
                gain = pull2 - pull1
                best = np.where(np.abs(gain) < 1e-12, 2, gain > 0)
                table[start : start + best.size] = best.ravel()
        value = new_value
    reward = float(value[0][0, 0])
    return solution._replace(reward=reward, regret=2.0 * num_pulls / 3.0 - reward)


class GittinsTable(NamedTuple):
    """Finite-horizon Gittins indices; see `gittins_table`.

    Attributes:
        horizon: Largest number of remaining pulls, H.
        indices: The indices, packed. Index it with `positions`.
        error: Bound on the error of every index.
        offsets: Start of the block of (pulls of the arm, remaining pulls) in `indices`, (H, H + 1).
    """

    horizon: int
    indices: FloatArray
    error: float
    offsets: IntArray

    def positions(self, successes: IntArray, pulls: IntArray, remaining: IntArray) -> IntArray:
        """Where `indices` keeps these states; pulls + remaining <= H and remaining >= 1."""
        return self.offsets[pulls, remaining] + successes


@lru_cache(maxsize=4)
def gittins_table(horizon: int, *, discount: float = 1.0, grid_size: int = 512) -> GittinsTable:
    """Gittins indices of a Bernoulli arm with a uniform prior, for finitely many remaining pulls.

    The index of an arm with s successes in n pulls and h pulls remaining is the charge per pull at
    which pulling it becomes worthless, ::

        g(s, n, h) = sup_{1 <= tau <= h} E[sum_{k<tau} discount^k X_k] / E[sum_{k<tau} discount^k]

    over stopping times tau (Gittins, Glazebrook & Weber, Multi-armed bandit allocation indices, 2nd
    ed. 2011; without discount: Kaufmann, On Bayesian index policies for sequential resource
    allocation, Annals of Statistics 2018). It is the zero in c of the gain from
    continuing, with m = (s + 1) / (n + 2) and C_0 = 0, ::

        C_h(s, n; c) = m - c + discount (m C_{h-1}(s+1, n+1; c)^+ + (1-m) C_{h-1}(s, n+1; c)^+)

    which is computed for a grid of charges at once. C is convex and decreasing in c: the chord of
    the grid points on either side of the zero bounds it from above, and the two chords next to that
    one, extended, from below. The index returned is the middle of these bounds.

    Args:
        horizon: Largest n + h of interest, H >= 1. Time and memory grow as H^3 (H = 100: 170 k
            indices, H = 200: 1.35 M).
        discount: In (0, 1]; 1 is the undiscounted index.
        grid_size: Number of charges; time grows with it, the error falls with its square.

    Raises:
        ValueError: If an argument is out of range.
    """
    if horizon < 1:
        raise ValueError(f"horizon must be at least 1, got {horizon}")
    if not 0 < discount <= 1:
        raise ValueError(f"discount must be in (0, 1], got {discount}")
    if grid_size < 4:
        raise ValueError(f"grid_size must be at least 4, got {grid_size}")
    pulls, remaining = np.ogrid[:horizon, : horizon + 1]
    sizes = np.where((remaining >= 1) & (pulls + remaining <= horizon), pulls + 1, 0)
    ends = sizes.cumsum().reshape(sizes.shape)
    offsets = ends - sizes
    indices = np.empty(ends[-1, -1])
    error = 0.0
    # Denser towards 0 and 1, where C bends most; a point outside [0, 1] on either side, so that
    # two grid points lie on each side of any index.
    inner = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, grid_size - 2))
    charges = np.concatenate([[-0.5], inner, [1.5]])
    # States with the same n + h = total need only one another.
    for total in range(1, horizon + 1):
        ahead = np.zeros((total + 1, grid_size))
        for n in range(total - 1, -1, -1):
            mean = (np.arange(1, n + 2) / (n + 2))[:, None]
            np.maximum(ahead, 0.0, out=ahead)
            gain = discount * (mean * ahead[1:] + (1.0 - mean) * ahead[:-1])
            gain += mean - charges
            low, high = _bracket_zero(gain, charges)
            start = offsets[n, total - n]
            indices[start : start + n + 1] = (low + high) / 2.0
            error = max(error, float((high - low).max()) / 2.0)
            ahead = gain
    return GittinsTable(horizon, indices, error, offsets)


def _bracket_zero(gain: FloatArray, charges: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Bounds of the zero of each row of `gain`, a convex decreasing function of `charges`."""
    rows = np.arange(len(gain))
    left = (gain > 0.0).sum(axis=1) - 1
    y0, y1, y2, y3 = (gain[rows, left + k] for k in (-1, 0, 1, 2))
    x0, x1, x2, x3 = (charges[left + k] for k in (-1, 0, 1, 2))
    chord = x1 + y1 * (x2 - x1) / (y1 - y2)
    from_left = x1 + y1 * (x1 - x0) / (y0 - y1)
    from_right = x2 + y2 * (x3 - x2) / (y2 - y3)
    return np.minimum(np.maximum(from_left, from_right), chord), chord
