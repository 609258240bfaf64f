"""The Bernoulli Kullback-Leibler divergence and the upper confidence bound that it gives."""

from __future__ import annotations

import numpy as np
from scipy.special import entr, rel_entr

from .policy import FloatArray


def bernoulli_kl(p: FloatArray, q: FloatArray) -> FloatArray:
    """kl(p, q) = p log(p/q) + (1-p) log((1-p)/(1-q)), with 0 log 0 = 0; +inf where q excludes p."""
    return rel_entr(p, q) + rel_entr(1.0 - p, 1.0 - q)


def bernoulli_kl_upper_bound(mean: FloatArray, budget: FloatArray) -> FloatArray:
    """The largest q in [mean, 1] with kl(mean, q) <= budget, to 1e-12, elementwise.

    kl(mean, .) is convex and increasing on [mean, 1], so that Newton's method from any point above
    the root descends to it without ever passing it. Two bounds give that point:
    kl(p, q) >= 2 (q - p)^2 (Pinsker) and kl(p, q) >= -H(p) - (1-p) log(1-q).

    Args:
        mean: Means in [0, 1].
        budget: Non-negative, of the same shape; +inf gives 1.
    """
    failure = 1.0 - mean
    entropy = entr(mean) + entr(failure)
    with np.errstate(divide="ignore", invalid="ignore"):
        far = 1.0 - np.exp(-(budget + entropy) / failure)  # nan at mean = 1, budget = 0
        q = np.fmin(np.minimum(mean + np.sqrt(budget / 2.0), far), 1.0)
        for _ in range(50):
            step = (bernoulli_kl(mean, q) - budget) * q * (1.0 - q) / (q - mean)
            # Where q is already 1 or the mean itself the step is nan: those are final.
            step = np.nan_to_num(step, nan=0.0, posinf=0.0, neginf=0.0)
            q = np.clip(q - step, mean, 1.0)
            if np.abs(step).max(initial=0.0) < 1e-12:
                break
    return q
