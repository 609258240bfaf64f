"""Evaluation: regret and recovery, continual learning, statistics, results of record, figures."""

from .continual import (
    average_accuracy,
    backward_transfer,
    backward_transfer_and_interference,
    forgetting,
    forward_transfer,
    summarize_continual,
)
from .figures import plot_regret_and_recovery, plot_scores, plot_scores_over_settings
from .regret import (
    Adaptation,
    RecoveryCurve,
    Segments,
    adaptation_time,
    cumulative_regret,
    dynamic_regret,
    recovery_curve,
    regret_per_segment,
    share_of_gap,
)
from .results import build_result, load_result, write_result
from .statistics import (
    Interval,
    bootstrap_interval,
    iqm,
    mean,
    paired_difference,
    probability_of_improvement,
)
from .tables import format_table, render_tables

__all__ = [
    "Adaptation",
    "Interval",
    "RecoveryCurve",
    "Segments",
    "adaptation_time",
    "average_accuracy",
    "backward_transfer",
    "backward_transfer_and_interference",
    "bootstrap_interval",
    "build_result",
    "cumulative_regret",
    "dynamic_regret",
    "forgetting",
    "format_table",
    "forward_transfer",
    "iqm",
    "load_result",
    "mean",
    "paired_difference",
    "plot_regret_and_recovery",
    "plot_scores",
    "plot_scores_over_settings",
    "probability_of_improvement",
    "recovery_curve",
    "regret_per_segment",
    "render_tables",
    "share_of_gap",
    "summarize_continual",
    "write_result",
]
