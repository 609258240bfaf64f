"""Continual-learning metrics against the papers' sums, written as loops."""

import numpy as np
import pytest

from driftwise.evaluation import (
    average_accuracy,
    backward_transfer,
    backward_transfer_and_interference,
    forgetting,
    forward_transfer,
    summarize_continual,
)


@pytest.mark.parametrize("num_tasks", [2, 5])
def test_against_the_definitions(num_tasks: int) -> None:
    rng = np.random.default_rng(0)
    accuracy = rng.random((4, num_tasks, num_tasks))
    untrained = rng.random((4, num_tasks))
    last = num_tasks - 1
    for seed, (matrix, base) in enumerate(zip(accuracy, untrained, strict=True)):
        acc = sum(matrix[last, j] for j in range(num_tasks)) / num_tasks
        bwt = sum(matrix[last, j] - matrix[j, j] for j in range(last)) / last
        fwt = sum(matrix[j - 1, j] - base[j] for j in range(1, num_tasks)) / last
        lost = [max(matrix[i, j] for i in range(last)) - matrix[last, j] for j in range(last)]
        assert average_accuracy(accuracy)[seed] == pytest.approx(acc, rel=1e-14)
        assert backward_transfer(accuracy)[seed] == pytest.approx(bwt, rel=1e-13)
        bti = sum(matrix[last, j] - matrix[j, j] for j in range(num_tasks)) / num_tasks
        found = backward_transfer_and_interference(accuracy)[seed]
        assert found == pytest.approx(bti, rel=1e-13)
        assert forward_transfer(accuracy, untrained)[seed] == pytest.approx(fwt, rel=1e-13)
        assert forgetting(accuracy)[seed] == pytest.approx(sum(lost) / last, rel=1e-13)


def test_by_hand() -> None:
    matrix = [[0.9, 0.3, np.nan], [0.7, 0.8, 0.5], [0.6, 0.9, 0.7]]
    assert average_accuracy(matrix) == pytest.approx((0.6 + 0.9 + 0.7) / 3)
    assert backward_transfer(matrix) == pytest.approx(((0.6 - 0.9) + (0.9 - 0.8)) / 2)
    assert forward_transfer(matrix, 0.1) == pytest.approx(((0.3 - 0.1) + (0.5 - 0.1)) / 2)
    assert forgetting(matrix) == pytest.approx(((0.9 - 0.6) + (0.8 - 0.9)) / 2)
    # Without evaluation ahead, all but forward transfer is still defined.
    lower = np.where(np.tri(3, dtype=bool), matrix, np.nan)
    assert forgetting(lower) == pytest.approx(forgetting(matrix))
    assert np.isnan(forward_transfer(lower, 0.1))


def test_bad_shapes() -> None:
    for bad in ([0.5], [[0.5, 0.4]], [[0.5]]):
        with pytest.raises(
            ValueError, match=r"accuracy must be \(\.\.\., K, K\) with K at least 2"
        ):
            forgetting(bad)
    assert average_accuracy([[0.5]]) == 0.5


def test_the_summary_has_all_of_them() -> None:
    accuracy, untrained = np.random.default_rng(0).random((2, 3, 3)), np.full(3, 0.1)
    found = summarize_continual(accuracy, untrained)
    np.testing.assert_equal(
        found,
        {
            "retained_accuracy": average_accuracy(accuracy),
            "backward_transfer_and_interference": backward_transfer_and_interference(accuracy),
            "backward_transfer": backward_transfer(accuracy),
            "forgetting": forgetting(accuracy),
            "forward_transfer": forward_transfer(accuracy, untrained),
        },
    )
    alone = summarize_continual([[0.5]])
    assert alone["retained_accuracy"] == 0.5 and np.isnan(alone["forgetting"])
    assert "forward_transfer" not in alone


def test_untrained_accuracies_of_another_number_of_tasks():
    with pytest.raises(ValueError, match=r"untrained must be one number, or have shape \(3,\)"):
        forward_transfer(np.eye(3), [0.1, 0.1])
    assert forward_transfer(np.ones((5, 3, 3)), [0.1, 0.2, 0.4]) == pytest.approx(0.7)
