"""Metrics of continual learning, from the accuracy matrix.

``accuracy[..., i, j]`` is the accuracy on task j after learning tasks 0 .. i, (..., K, K); leading
axes are seeds. What a metric does not read may be NaN.

    Lopez-Paz & Ranzato 2017, Gradient Episodic Memory (NeurIPS): average accuracy, transfer.
    Chaudhry et al. 2018, Riemannian Walk (ECCV): forgetting.
    Riemer et al. 2019, Meta-Experience Replay (ICLR): retained accuracy RA, and BTI.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def average_accuracy(accuracy: ArrayLike) -> Floats:
    """Return the mean accuracy over all tasks after the last, ACC = 1/K sum_j R[K, j], (...).

    The same is called retained accuracy, RA (Riemer et al. 2019).
    """
    return _matrix(accuracy, 1)[..., -1, :].mean(axis=-1)


def backward_transfer(accuracy: ArrayLike) -> Floats:
    """Return how learning later tasks changed the earlier ones, (...); negative is forgetting.

    BWT = 1/(K-1) sum_{j<K} R[K, j] - R[j, j] (Lopez-Paz & Ranzato 2017).
    """
    matrix = _matrix(accuracy, 2)
    learned = np.diagonal(matrix, axis1=-2, axis2=-1)
    return np.asarray((matrix[..., -1, :-1] - learned[..., :-1]).mean(axis=-1))


def backward_transfer_and_interference(accuracy: ArrayLike) -> Floats:
    """Return BTI = 1/K sum_j R[K, j] - R[j, j], (...); negative is forgetting.

    Backward transfer, but the mean is over all K tasks, of which the last adds 0 (as in the
    programs behind the tables of Riemer et al. 2019 and Gupta et al. 2020).
    """
    matrix = _matrix(accuracy, 1)
    learned = np.diagonal(matrix, axis1=-2, axis2=-1)
    return np.asarray((matrix[..., -1, :] - learned).mean(axis=-1))


def forward_transfer(accuracy: ArrayLike, untrained: ArrayLike) -> Floats:
    """Return how learning the earlier tasks helped before a task was seen, (...).

    FWT = 1/(K-1) sum_{j>1} R[j-1, j] - b_j, with b the accuracy of the untrained learner
    (Lopez-Paz & Ranzato 2017).

    Args:
        accuracy: (..., K, K).
        untrained: (..., K), (K,) or one number: accuracy on each task before learning anything.
    """
    matrix = _matrix(accuracy, 2)
    before = np.diagonal(matrix, offset=1, axis1=-2, axis2=-1)
    baseline = np.asarray(untrained, dtype=np.float64)
    if baseline.shape not in ((), matrix.shape[-1:], matrix.shape[:-1]):
        raise ValueError(
            f"untrained must be one number, or have shape {matrix.shape[:-1]}, got {baseline.shape}"
        )
    baseline = np.broadcast_to(baseline, matrix.shape[:-1])
    return np.asarray((before - baseline[..., 1:]).mean(axis=-1))


def forgetting(accuracy: ArrayLike) -> Floats:
    """Return how far tasks have fallen from their best, (...); larger is worse.

    F = 1/(K-1) sum_{j<K} max_{l in 1..K-1} R[l, j] - R[K, j] (Chaudhry et al. 2018). The maximum
    is over all rows before the last, also those before the task was learned, unless they are NaN.
    """
    matrix = _matrix(accuracy, 2)
    best = np.nanmax(matrix[..., :-1, :-1], axis=-2)
    return np.asarray((best - matrix[..., -1, :-1]).mean(axis=-1))


def summarize_continual(
    accuracy: ArrayLike, untrained: ArrayLike | None = None
) -> dict[str, Floats]:
    """Return all of these metrics by name, each (...); NaN where the tasks are too few for one.

    Args:
        accuracy: (..., K, K).
        untrained: as of :func:`forward_transfer`, which is left out without it.
    """
    matrix = _matrix(accuracy, 1)
    nothing = np.full(matrix.shape[:-2], np.nan)
    several = matrix.shape[-1] > 1
    found = {
        "retained_accuracy": average_accuracy(matrix),
        "backward_transfer_and_interference": backward_transfer_and_interference(matrix),
        "backward_transfer": backward_transfer(matrix) if several else nothing,
        "forgetting": forgetting(matrix) if several else nothing,
    }
    if untrained is not None:
        found["forward_transfer"] = forward_transfer(matrix, untrained) if several else nothing
    return found


def _matrix(accuracy: ArrayLike, least: int) -> Floats:
    matrix = np.asarray(accuracy, dtype=np.float64)
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2] or matrix.shape[-1] < least:
        raise ValueError(
            f"accuracy must be (..., K, K) with K at least {least}, got shape {matrix.shape}"
        )
    return matrix
