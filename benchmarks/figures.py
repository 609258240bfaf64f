"""Figures of docs/images that show results of record: ``driftwise results figures``."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

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
    xlabel = "regret per step after 2.56 million steps"
    return plot_scores(result, "dynamic_regret", xlabel=xlabel, highlight=["sparse"])


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


FIGURES: dict[str, Callable[[Mapping[str, Any]], "Figure"]] = {
    "drifting_control": drifting_control,
    "recurring_bandit": recurring_bandit,
    "smn_ablation": smn_ablation,
}
