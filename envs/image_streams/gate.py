"""What a learner is asked before a curriculum goes on to the next level."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def balanced_sample(
    num_classes: int, per_class: int, size: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draws ``size`` items, or all, in order; item i belongs to class ``i // per_class``.

    Of two classes, neither has more than one item more than the other.
    """
    uniforms = rng.random((2, num_classes, per_class))
    turn = uniforms[0].argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return np.sort((turn + uniforms[1]).argsort(axis=None, kind="stable")[:size])


def check_predictions(predictions: Any, count: int, num_classes: int) -> NDArray[Any]:
    """Returns what a learner predicts as an array (count,) of labels.

    Args:
        predictions: Labels (count,), or scores (count, num_classes), such as log-probabilities, of
            which the largest tells the label.
        count: How many images it was asked about.
        num_classes: How many labels there are.

    Raises:
        TypeError, ValueError: It is neither.
    """
    if hasattr(predictions, "detach"):  # a tensor, of which numpy takes no gradients
        predictions = predictions.detach().cpu()
    predictions = np.asarray(predictions)
    if predictions.dtype.kind == "f" and predictions.shape == (count, num_classes):
        if np.isnan(predictions).any():
            raise ValueError("predict must return scores that are numbers, got NaN")
        predictions = predictions.argmax(axis=1)
    if predictions.dtype.kind not in "iu":
        raise TypeError(f"predict must return integer labels, got {predictions.dtype}")
    if predictions.shape != (count,):
        raise ValueError(f"predict must return labels ({count},), got {predictions.shape}")
    wrong = (predictions < 0) | (predictions >= num_classes)
    if wrong.any():
        raise ValueError(
            f"predict must return labels in [0, {num_classes}), got {predictions[wrong][0]}"
        )
    return predictions
