"""What a finished run leaves behind: scores, a figure, and a report."""

import dataclasses

from ..tracking import RunFolder
from .config import TrainConfig
from .evaluation import (
    POLICIES,
    format_scores,
    is_bandit,
    mean_return,
    play_all,
    plot_records,
    score,
)
from .memory_ppo import MemoryPPO


def finish_run(model: MemoryPPO, run: RunFolder, config: TrainConfig) -> str:
    """Evaluate a trained agent on held-out worlds and write ``report.json`` and the figure.

    Bandits are scored by their regret, beside the classic policies on the same worlds; other
    environments by their return.

    Returns:
        The scores as text for the terminal.
    """
    report = {
        "config": dataclasses.asdict(config),
        "num_timesteps": model.num_timesteps,
        "num_parameters": sum(p.numel() for p in model.policy.parameters()),
    }
    if is_bandit(config.env):
        records = play_all({config.memory: model}, POLICIES, config.env, config.env_kwargs)
        scores = score(records)
        title = f"{config.env}: 1,000 held-out worlds"
        run.save_figure("regret", plot_records(records, title))
        run.report({**report, "scores": [line._asdict() for line in scores]})
        return format_scores(scores, title)
    value, low, high = mean_return(model, config.env, config.env_kwargs)
    run.report({**report, "return": {"mean": value, "low": low, "high": high}})
    return f"{config.env}: return {value:.1f} [{low:.1f}, {high:.1f}] in 100 held-out episodes"
