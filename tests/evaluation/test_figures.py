"""What the figures draw: the numbers of their lines and bands, labels, and readable files."""

import io
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from driftwise.evaluation import plot_regret_and_recovery, plot_scores, plot_scores_over_settings
from driftwise.evaluation.figure_style import PALETTE, REFERENCE, _moved_apart
from driftwise.evaluation.figures import _recovery_and_half_width

RNG = np.random.default_rng(0)
CHANGED = np.zeros((30, 60), dtype=bool)
CHANGED[:, [20, 40]] = True
REGRETS = {"sparse": RNG.random((30, 60)), "d_ucb": RNG.random((30, 60)) + 0.5}


def line(axes: Any, name: str) -> Any:
    (found,) = [line for line in axes.get_lines() if line.get_label() == name]
    return found


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


def save(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=50)
    return file.getvalue()


def test_regret_and_recovery() -> None:
    figure = plot_regret_and_recovery(REGRETS, CHANGED, references=["d_ucb"], title="Toy")
    left: Any
    right: Any
    left, right = figure.axes
    drawn = line(left, "sparse")
    np.testing.assert_allclose(drawn.get_ydata(), REGRETS["sparse"].cumsum(1).mean(0))
    np.testing.assert_array_equal(drawn.get_xdata(), np.arange(1, 61))
    recovery = (REGRETS["sparse"][:, 20:40] + REGRETS["sparse"][:, 40:]).mean(0) / 2
    np.testing.assert_allclose(line(right, "sparse").get_ydata(), recovery)
    assert line(left, "sparse").get_color() == line(right, "sparse").get_color() == PALETTE[0]
    assert line(left, "d_ucb").get_color() == REFERENCE
    assert sum(isinstance(c, PolyCollection) for c in left.collections) == 2
    marks = [a.get_xdata()[0] for a in left.get_lines() if len(a.get_xdata()) == 2]
    assert marks == [20, 40] and set(texts(left)) == {"change", "sparse", "d ucb"}
    for axes in figure.axes:
        assert axes.get_xlabel() and axes.get_ylabel()
    assert save(figure).startswith(b"\x89PNG")


def test_worlds_that_change_apart_have_no_common_marks() -> None:
    changed = {name: RNG.random((30, 60)) < 0.1 for name in REGRETS}
    left: Any
    left, right = plot_regret_and_recovery(REGRETS, changed, horizon=5).axes
    assert len(left.get_lines()) == 2 and len(line(right, "sparse").get_xdata()) == 5


def test_a_single_run_is_drawn_without_band() -> None:
    regrets = {name: values[:1] for name, values in REGRETS.items()}
    figure = plot_regret_and_recovery(regrets, CHANGED[:1])
    np.testing.assert_allclose(
        line(figure.axes[0], "sparse").get_ydata(), REGRETS["sparse"][0].cumsum()
    )
    assert save(figure)


def test_band_of_a_recovery_curve_covers_its_mean() -> None:
    """Runs with different numbers of changes: the true mean at k is 1/(k+1) plus run noise."""
    rng = np.random.default_rng(1)
    hits = []
    for _ in range(150):
        changed = rng.random((25, 80)) < 0.06
        steps = np.arange(80)
        latest = np.maximum.accumulate(np.where(changed, steps, -1), axis=1)
        mean = np.where(latest >= 0, 1 / (steps - latest + 1), 0)
        values = mean + 0.2 * rng.normal(size=(25, 1)) + 0.3 * rng.normal(size=(25, 80))
        curve, half = _recovery_and_half_width(values, changed, 5)
        hits.append(np.abs(curve - 1 / np.arange(1, 6)) <= half)
    share = np.mean(hits)
    assert 0.91 < share < 0.97  # 95 % but for the small-sample bias of a ratio


RESULT: dict[str, Any] = {
    "name": "toy",
    "table": [
        {"row": row, "setting": f"{n}_contexts", "metric": "regret", "n": 5}
        | {"value": base * n, "low": base * n - 0.1, "high": base * n + 0.2}
        for n in (8, 2, 4)
        for row, base in (("sparse", 0.1), ("d_ucb", 0.2), ("random", 0.4))
    ],
}
POSITIONS = {f"{n}_contexts": float(n) for n in (2, 4, 8)}


def test_scores_over_settings() -> None:
    figure = plot_scores_over_settings(
        RESULT,
        "regret",
        POSITIONS,
        xlabel="contexts",
        ylabel="regret per step",
        references=["random"],
        labels={"d_ucb": "D-UCB"},
        log_x=True,
    )
    axes: Any = figure.axes[0]
    np.testing.assert_array_equal(line(axes, "sparse").get_xdata(), [2, 4, 8])
    np.testing.assert_allclose(line(axes, "sparse").get_ydata(), [0.2, 0.4, 0.8])
    assert set(texts(axes)) == {"sparse", "D-UCB", "random"}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "4", "8"]
    assert save(figure)
    with pytest.raises(ValueError, match=r"positions: none of \['x'\] is a setting with 'regret'"):
        plot_scores_over_settings(RESULT, "regret", {"x": 1.0}, xlabel="", ylabel="")
    with pytest.raises(ValueError, match="rows: 'gru' has no 'regret' in toy"):
        plot_scores_over_settings(RESULT, "regret", POSITIONS, xlabel="", ylabel="", rows=["gru"])


@pytest.mark.parametrize("lower_is_better", [True, False])
def test_scores(lower_is_better: bool) -> None:
    options: dict[str, Any] = {
        "xlabel": "regret",
        "setting": "4_contexts",
        "labels": {"d_ucb": "D-UCB"},
    }
    figure = plot_scores(RESULT, "regret", lower_is_better=lower_is_better, log=True, **options)
    axes: Any = figure.axes[0]
    order = ["random", "D-UCB", "sparse"]  # from the bottom up
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == (order if lower_is_better else order[::-1])
    spans = [a.get_xdata() for a in axes.get_lines() if len(a.get_xdata()) == 2]
    np.testing.assert_allclose(sorted(map(tuple, spans)), [(0.3, 0.6), (0.7, 1.0), (1.5, 1.8)])
    assert save(figure)
    with pytest.raises(ValueError, match="setting: 'default' has no 'regret' in toy"):
        plot_scores(RESULT, "regret", xlabel="")
    with pytest.raises(ValueError, match="metric: 'loss' is not in toy"):
        plot_scores(RESULT, "loss", xlabel="")


def test_labels_are_moved_apart_as_little_as_needed() -> None:
    assert _moved_apart([0.1, 0.5, 0.9], 0.2) == [0.1, 0.5, 0.9]
    np.testing.assert_allclose(_moved_apart([0.5, 0.5, 0.5], 0.1), [0.4, 0.5, 0.6])
    np.testing.assert_allclose(
        _moved_apart([0.30, 0.34, 0.42], 0.1), [0.2533, 0.3533, 0.4533], atol=1e-4
    )
    for seed in range(20):
        wanted = np.sort(np.random.default_rng(seed).random(6))
        placed = _moved_apart(wanted.tolist(), 0.08)
        assert min(np.diff(placed)) > 0.08 - 1e-9
        assert np.mean(placed) == pytest.approx(np.mean(wanted))


def test_bad_arguments() -> None:
    with pytest.raises(
        ValueError, match=r"regrets: 'sparse' must be \(runs, T\), got shape \(3,\)"
    ):
        plot_regret_and_recovery({"sparse": [1.0, 2.0, 3.0]}, CHANGED)
    with pytest.raises(ValueError, match="changed must have an entry for 'd_ucb'"):
        plot_regret_and_recovery(REGRETS, {"sparse": CHANGED})


def test_no_global_state() -> None:
    import sys

    import matplotlib

    before = dict(matplotlib.rcParams)
    plot_scores(RESULT, "regret", xlabel="x", setting="4_contexts")
    assert dict(matplotlib.rcParams) == before
    assert (
        "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    )
