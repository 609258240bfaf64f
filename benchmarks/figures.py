"""Figures of docs/images that show results of record: ``driftwise results figures``."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from driftwise.benchmarks.barcode_recall import LAGS
from driftwise.benchmarks.barcode_recall import SETTINGS as barcode_settings
from driftwise.benchmarks.drifting_control import FIRST, PERIOD
from driftwise.benchmarks.recurring_bandit import SETTINGS
from driftwise.evaluation import plot_scores, plot_scores_over_settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def recurring_bandit(result: Mapping[str, Any]) -> "Figure":
    """Regret over the number of contexts, with five arms."""
    rows = ["sparse", "dense", "gru", "bayes_ucb", "recall_bayes"]
    there = {entry["row"] for entry in result["table"]}
    contexts = {name: contexts for name, (contexts, arms) in SETTINGS.items() if arms == 5}
    return plot_scores_over_settings(
        result,
        "dynamic_regret",
        contexts,
        xlabel="contexts that recur",
        ylabel="regret per step",
        rows=[row for row in rows if row in there],
        references=["bayes_ucb", "recall_bayes"],
        labels={"bayes_ucb": "forgets (Bayes)", "recall_bayes": "recalls all (Bayes)"},
        log_x=True,
    )


def smn_ablation(result: Mapping[str, Any]) -> "Figure":
    """Regret of every variant of the layer."""
    xlabel = "regret per step, 16 contexts"
    return plot_scores(result, "dynamic_regret", xlabel=xlabel, highlight=["sparse"])


def barcode_recall(result: Mapping[str, Any]) -> "Figure":
    """Recall of what was last seen at least eight visits ago, over the number of contexts."""
    return plot_scores_over_settings(
        result,
        "recall_long",
        barcode_settings,
        xlabel="contexts that recur",
        ylabel="good first pulls after 8 visits or more",
        references=["random", "oracle"],
        log_x=True,
    )


def barcode_recall_by_lag(result: Mapping[str, Any]) -> "Figure":
    """Recall over the number of visits since a context was last there, of 16 contexts."""
    by_lag = [
        {**entry, "metric": "recall", "setting": entry["metric"].removeprefix("recall_")}
        for entry in result["table"]
        if entry["setting"] == "default"
    ]
    return plot_scores_over_settings(
        {**result, "table": by_lag},
        "recall",
        {name: low for name, (low, high) in LAGS.items()},
        xlabel="visits since the last one, at least",
        ylabel="good first pulls",
        references=["random", "oracle"],
        log_x=True,
    )


def drifting_control(result: Mapping[str, Any]) -> "Figure":
    """Return of every episode around a change, on CartPole."""
    episodes = {f"return_episode_{k}": k for k in range(1, FIRST + 1)}
    episodes[f"return_episode_{PERIOD}"] = 0  # the last one before the next change
    table = [
        {**entry, "setting": entry["metric"], "metric": "return"}
        for entry in result["table"]
        if entry["setting"] == "default" and entry["metric"] in episodes
    ]
    return plot_scores_over_settings(
        {**result, "table": table},
        "return",
        episodes,
        xlabel="episode after a change (0: the last before it)",
        ylabel="return",
        references=["told", "random"],
        labels={
            "told": "told the parameters",
            "sb3_ppo": "SB3 PPO",
            "recurrent_ppo": "RecurrentPPO",
        },
    )


def omniglot_curriculum(result: Mapping[str, Any]) -> "Figure":
    """Steps of a level over the number of classes."""
    return _over_classes(result, "steps_per_level", "steps per level")


def omniglot_after_glyphs(result: Mapping[str, Any]) -> "Figure":
    """The same, of slow weights that were trained over streams of other characters before."""
    return _over_classes(result, "steps_per_level", "steps per level", setting="after_glyphs")


def omniglot_binding(result: Mapping[str, Any]) -> "Figure":
    """What is known of the newest block when its classes have been seen five times."""
    return _over_classes(result, "new_after_5", "accuracy after five sightings")


def _over_classes(
    result: Mapping[str, Any], metric: str, ylabel: str, setting: str = "default"
) -> "Figure":
    """Plot the metrics ``<metric>_<n>`` of a setting over n, the number of classes."""
    entries = [
        {**entry, "metric": metric, "setting": entry["metric"].removeprefix(f"{metric}_")}
        for entry in result["table"]
        if entry["setting"] == setting and entry["metric"].startswith(f"{metric}_")
    ]
    classes = {entry["setting"]: int(entry["setting"]) for entry in entries}
    return plot_scores_over_settings(
        {**result, "table": entries}, metric, classes, xlabel="classes", ylabel=ylabel
    )


Draw = Callable[[Mapping[str, Any]], "Figure"]

FIGURES: dict[str, tuple[str, Draw]] = {
    "recurring_bandit": ("recurring_bandit", recurring_bandit),
    "smn_ablation": ("smn_ablation", smn_ablation),
    "barcode_recall": ("barcode_recall", barcode_recall),
    "barcode_recall_by_lag": ("barcode_recall", barcode_recall_by_lag),
    "drifting_control": ("drifting_control", drifting_control),
    "omniglot_curriculum": ("omniglot_curriculum", omniglot_curriculum),
    "omniglot_after_glyphs": ("omniglot_curriculum", omniglot_after_glyphs),
    "omniglot_binding": ("omniglot_binding", omniglot_binding),
}
"""The result that a figure shows, and how it is drawn, by the figure's name."""
