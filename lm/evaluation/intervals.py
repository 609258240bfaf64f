"""95 % intervals of sums over sums, resampled by document or by block of a stream."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...evaluation import Interval

Floats = NDArray[np.float64]

BLOCK = 1_000  # tokens of a block, where there are too few documents to resample
FEWEST_DOCUMENTS = 20


def unit_edges(offsets: NDArray[np.int64]) -> tuple[NDArray[np.int64], str]:
    """Where the units begin that are resampled, and where the last ends, and what they are.

    Documents, if there are at least 20. Neighbouring words of a stream are not independent, but
    blocks of 1,000 nearly are.

    Args:
        offsets: (D + 1,) those of the documents.
    """
    if len(offsets) > FEWEST_DOCUMENTS:
        return offsets, "documents"
    end = int(offsets[-1])
    count = max(1, end // BLOCK)
    return np.arange(count + 1) * end // count, f"blocks of {end // count:,} tokens"


def ratio_interval(
    numerators: Floats, denominators: Floats, *, num_resamples: int = 2_000, seed: int = 0
) -> Interval:
    """The sum of the numerators over that of the denominators, with its bootstrap interval.

    Both are resampled together, unit by unit; the interval is that of the percentiles.

    Args:
        numerators: (U,) one for each unit.
        denominators: (U,) likewise, not negative.
        num_resamples: How often.
        seed: Of the resampling.
    """
    units = len(numerators)
    value = float(numerators.sum() / denominators.sum())
    if units < 2 or not np.isfinite(value):
        return Interval(value, value, value, units)
    rng = np.random.default_rng(seed)
    ratios = []
    for _ in range(0, num_resamples, 100):  # 100 at a time, so that memory stays small
        draws = rng.integers(units, size=(100, units))
        below = denominators[draws].sum(1)
        ratios.append(
            np.where(below > 0, numerators[draws].sum(1) / np.maximum(below, 1e-300), value)
        )
    low, high = np.quantile(np.concatenate(ratios), (0.025, 0.975))
    return Interval(value, float(low), float(high), units)
