"""Figures in one style, as `matplotlib.figure.Figure`: no display, no global state.

Save them with ``figure.savefig("x.png", dpi=200)`` or `driftwise.tracking.RunFolder.save_figure`.
matplotlib and scipy are imported on the first call.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .figure_style import STYLE, draw_line, label, label_ends, line_styles
from .regret import cumulative_regret, recovery_curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]


def plot_regret_and_recovery(
    regrets: Mapping[str, ArrayLike],
    changed: ArrayLike | Mapping[str, ArrayLike],
    *,
    horizon: int | None = None,
    references: Sequence[str] = (),
    title: str | None = None,
) -> "Figure":
    """Plot what each agent has lost so far, and how it recovers from a change.

    Left: cumulative dynamic regret over steps; where the changes come at the same steps in all
    runs, those are marked. Right, if anything changes: mean regret at every number of steps after a
    change. Lines are means over runs, bands their 95 % intervals (Student's t over runs; on the
    right of a ratio, as runs have different numbers of changes).

    Args:
        regrets: Regret per step by the agent's name, (runs, T) each.
        changed: (runs, T) booleans if all agents faced the same worlds, else those by name.
        horizon: Steps after a change to show; None is as far as a fifth of the changes reach.
        references: Names to draw as references: grey and dashed.
        title: Above both panels.

    Raises:
        ValueError: If an array is not (runs, T), or an agent has no ``changed``.
    """
    import matplotlib
    from matplotlib.figure import Figure

    values = {name: _two_dimensional(regret, name) for name, regret in regrets.items()}
    flags = {}
    for name in values:
        if isinstance(changed, Mapping) and name not in changed:
            raise ValueError(f"changed must have an entry for {name!r}")
        flags[name] = np.asarray(changed[name] if isinstance(changed, Mapping) else changed)
    changing = any(flag.any() for flag in flags.values())
    if horizon is None:
        horizon = min(_typical_horizon(flag) for flag in flags.values())
    looks = line_styles(list(values), references)

    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(7.4 if changing else 4.2, 3.1), layout="constrained")
        left, *right = figure.subplots(1, 1 + changing, squeeze=False)[0]
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
        steps = max(regret.shape[1] for regret in values.values())
        changes = _common_changes(list(flags.values()))
        for step in changes:
            left.axvline(step, color="#999999", linestyle=(0, (1, 2)), linewidth=0.9, zorder=0.5)
        for name, regret in values.items():
            mean, half = _mean_and_half_width(cumulative_regret(regret))
            draw_line(left, np.arange(1, len(mean) + 1), mean, half, looks[name])
            for axes in right:
                mean, half = _recovery_and_half_width(regret, flags[name], horizon)
                draw_line(axes, np.arange(horizon), mean, half, looks[name])
        left.set(title="Regret so far", xlabel="step", ylabel="cumulative dynamic regret")
        left.set(xlim=(0, steps), ylim=(0, None))
        left.grid(axis="y")
        for axes in right:
            axes.set(title="Recovery", xlabel="steps since the change", ylabel="regret per step")
            axes.set(xlim=(0, max(1, horizon - 1)), ylim=(0, None))
            axes.grid(axis="y")
        if changes:
            left.annotate(
                "change",
                (changes[0], 1),
                xycoords=("data", "axes fraction"),
                xytext=(2, -1),
                textcoords="offset points",
                color="#777777",
                fontsize=7,
                va="top",
            )
        label_ends(figure, left, looks)  # the same colours hold on the right
    return figure


def plot_scores_over_settings(
    result: Mapping[str, Any],
    metric: str,
    positions: Mapping[str, float],
    *,
    xlabel: str,
    ylabel: str,
    rows: Sequence[str] | None = None,
    references: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    log_x: bool = False,
    title: str | None = None,
) -> "Figure":
    """Plot a metric of a result against a setting that is a number, with 95 % bands.

    Args:
        result: As `load_result` returns it.
        metric: Which metric.
        positions: The number that each setting stands for, as {"32_contexts": 32}.
        xlabel: What the numbers are, with the unit.
        ylabel: What the metric is, with the unit.
        rows: Which rows; None is all that have the metric at some of the settings.
        references: Rows to draw as references: grey and dashed.
        labels: What to call rows, where not by their names.
        log_x: Logarithmic axis (base 2) of the numbers.
        title: Above the figure.

    Raises:
        ValueError: If nothing in the result matches.
    """
    import matplotlib
    from matplotlib.figure import Figure

    entries = _entries(result, metric, rows)
    entries = [entry for entry in entries if entry["setting"] in positions]
    if not entries:
        raise ValueError(f"positions: none of {list(positions)} is a setting with {metric!r}")
    names = list(dict.fromkeys(entry["row"] for entry in entries))
    looks = line_styles(names, references)
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(4.6, 3.2), layout="constrained")
        axes = figure.subplots()
        if log_x:
            axes.set_xscale("log", base=2)
        for name in names:
            points = sorted(
                (positions[e["setting"]], e["value"], e["low"], e["high"])
                for e in entries
                if e["row"] == name
            )
            x, value, low, high = np.array(points, dtype=np.float64).T
            axes.fill_between(x, low, high, color=looks[name]["color"], alpha=0.18, linewidth=0)
            marker = "" if name in references else "o"
            axes.plot(x, value, **looks[name], marker=marker, markersize=3.5)
        ticks = sorted(set(positions.values()))
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
        axes.minorticks_off()
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title or "")
        axes.grid(axis="y")
        label_ends(figure, axes, looks, labels)
    return figure


def plot_scores(
    result: Mapping[str, Any],
    metric: str,
    *,
    xlabel: str,
    setting: str = "default",
    rows: Sequence[str] | None = None,
    highlight: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    lower_is_better: bool = True,
    log: bool = False,
    title: str | None = None,
) -> "Figure":
    """Plot a metric of several rows as points with 95 % intervals, the best on top.

    Args:
        result: As `load_result` returns it.
        metric: Which metric.
        xlabel: What the metric is, with the unit.
        setting: At which setting.
        rows: Which rows; None is all that have the metric there.
        highlight: Rows to draw in colour; the others are grey.
        labels: What to call rows, where not by their names.
        lower_is_better: Which end is the best.
        log: Logarithmic axis.
        title: Above the figure.

    Raises:
        ValueError: If nothing in the result matches.
    """
    import matplotlib
    from matplotlib.figure import Figure

    entries = [e for e in _entries(result, metric, rows) if e["setting"] == setting]
    if not entries:
        raise ValueError(f"setting: {setting!r} has no {metric!r} in {result['name']}")
    entries.sort(key=lambda entry: entry["value"], reverse=lower_is_better)
    looks = line_styles(list(highlight), ())
    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(4.6, 0.7 + 0.24 * len(entries)), layout="constrained")
        axes = figure.subplots()
        for y, entry in enumerate(entries):
            color = looks[entry["row"]]["color"] if entry["row"] in looks else "#666666"
            axes.plot([entry["low"], entry["high"]], [y, y], color=color, linewidth=1.4)
            axes.plot(entry["value"], y, "o", color=color, markersize=4)
        names = [label(entry["row"], labels) for entry in entries]
        axes.set_yticks(range(len(entries)), names)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        if log:
            axes.set_xscale("log")
        axes.set(xlabel=xlabel, title=title or "", ylim=(-0.6, len(entries) - 0.4))
        axes.grid(axis="both")
    return figure


def _two_dimensional(regret: ArrayLike, name: str) -> Floats:
    array = np.asarray(regret, dtype=np.float64)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"regrets: {name!r} must be (runs, T), got shape {array.shape}")
    return array


def _typical_horizon(changed: NDArray[np.bool_]) -> int:
    """Return up to which number of steps at least a fifth of the changes can be followed."""
    counts = recovery_curve(np.zeros(changed.shape), changed, changed.shape[1]).counts
    return max(1, int((counts >= max(1, 0.2 * counts[0])).sum()))


def _common_changes(flags: list[NDArray[np.bool_]]) -> list[int]:
    """Return the steps of the changes, if all runs change at the same steps."""
    rows = np.concatenate(flags) if len({flag.shape[1] for flag in flags}) == 1 else flags[0][:0]
    if len(rows) == 0 or not (rows == rows[0]).all():
        return []
    return [int(step) for step in np.flatnonzero(rows[0])]


def _mean_and_half_width(values: Floats) -> tuple[Floats, Floats]:
    """Return the mean over runs and half the width of its 95 % interval, (T,) each."""
    runs = len(values)
    if runs == 1:
        return values[0], np.zeros(values.shape[1])
    error = values.std(axis=0, ddof=1) / np.sqrt(runs)
    return values.mean(axis=0), _student(runs - 1) * error


def _recovery_and_half_width(
    values: Floats, changed: NDArray[np.bool_], horizon: int
) -> tuple[Floats, Floats]:
    """Return the recovery curve of all runs and half the width of its 95 % interval.

    The curve is a ratio of sums over runs, R = sum_i x_i / sum_i n_i; its variance is that of the
    residuals x_i - R n_i (Cochran 1977, Sampling Techniques, section 2.11).
    """
    mean = recovery_curve(values, changed, horizon).mean
    each = recovery_curve(values, changed, horizon, axis=())
    total = np.where(each.counts > 0, each.mean * each.counts, 0.0)
    residual = total - np.where(np.isnan(mean), 0.0, mean) * each.counts
    runs = (each.counts > 0).sum(axis=0)
    freedom = np.maximum(runs - 1, 1)
    error = np.sqrt((residual**2).sum(axis=0) * runs / freedom)
    error /= np.maximum(each.counts.sum(axis=0), 1)
    return mean, np.where(runs > 1, _student(freedom) * error, 0.0)


def _student(freedom: ArrayLike) -> Any:
    """Return the 97.5 % quantile of Student's t."""
    from scipy import special  # not everywhere where results are only read

    return special.stdtrit(freedom, 0.975)


def _entries(
    result: Mapping[str, Any], metric: str, rows: Sequence[str] | None
) -> list[Mapping[str, Any]]:
    """Return the table's entries of a metric and, in their order, of some rows."""
    found = [entry for entry in result["table"] if entry["metric"] == metric]
    if not found:
        raise ValueError(f"metric: {metric!r} is not in {result['name']}")
    if rows is None:
        return found
    for row in rows:
        if all(entry["row"] != row for entry in found):
            raise ValueError(f"rows: {row!r} has no {metric!r} in {result['name']}")
    return [entry for row in rows for entry in found if entry["row"] == row]
