"""What a finished run leaves behind: scores, a figure, and a report."""

import dataclasses

from .config import TrainConfig
from .evaluation import (
    POLICIES,
    format_scores,
    has_regret,
    mean_return,
    play_all,
    plot_records,
    score,
)
from .training import Trained


def finish_run(trained: Trained, config: TrainConfig) -> str:
    """Evaluate a trained agent on held-out worlds and write ``report.json`` and the figure.

    Bandits are scored by their regret, beside the classic policies on the same worlds; other
    environments by their return.

    Returns:
        The scores as text for the terminal.
    """
    model, run, episodes_continued = trained
    report = {
        "config": dataclasses.asdict(config),
        "episodes_continued_on_resume": episodes_continued,
        "num_timesteps": model.num_timesteps,
        "num_parameters": sum(p.numel() for p in model.policy.parameters()),
    }
    if has_regret(config.env, config.env_kwargs):
        # Most classic policies are for rewards in [0, 1].
        names = (
            POLICIES if config.env_kwargs.get("arms", "bernoulli") == "bernoulli" else ("random",)
        )
        records = play_all({config.memory: model}, names, config.env, config.env_kwargs)
        scores = score(records)
        title = f"{config.env}: 1,000 held-out worlds"
        run.save_figure("regret", plot_records(records, title))
        run.report({**report, "scores": [line._asdict() for line in scores]})
        return format_scores(scores, title)
    value, low, high = mean_return(model, config.env, config.env_kwargs)
    run.report({**report, "return": {"mean": value, "low": low, "high": high}})
    return f"{config.env}: return {value:.1f} [{low:.1f}, {high:.1f}] in 100 held-out episodes"
