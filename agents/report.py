"""What a finished run leaves behind: scores, a figure, and a report."""

import dataclasses

import numpy as np

from ..envs.registration import ISLANDS
from .config import TrainConfig
from .evaluation import (
    describe_worlds,
    format_scores,
    play_all,
    plot_records,
    score,
    usual_numbers,
)
from .training import Trained
from .worlds import held_out_arguments


def finish_run(trained: Trained, config: TrainConfig) -> str:
    """Evaluate a trained agent on held-out worlds and write ``report.json`` and the figure.

    It is scored beside those who usually play there (:func:`.evaluation.usual_policies`) on the
    same worlds: by its return and, where the environment tells it, by its regret.

    Returns:
        The scores as text for the terminal.
    """
    model, run, episodes_continued = trained
    env_kwargs = held_out_arguments(config.env, config.env_kwargs)
    held_out = "worlds with the graphs held out" if config.env in ISLANDS else "held-out worlds"
    agents = {config.memory: model}
    num_worlds, num_episodes = usual_numbers(agents)
    worlds = describe_worlds(num_worlds, num_episodes, held_out)
    records = play_all(
        agents, config.env, env_kwargs, num_worlds=num_worlds, num_episodes=num_episodes
    )
    scores = score(records, num_episodes=num_episodes)
    title = f"{config.env}: {worlds}"
    if not np.isnan(scores[0].regret):
        run.save_figure("regret", plot_records(records, title))
    run.report(
        {
            "config": dataclasses.asdict(config),
            "episodes_continued_on_resume": episodes_continued,
            "num_timesteps": model.num_timesteps,
            "num_parameters": sum(p.numel() for p in model.policy.parameters()),
            "worlds": worlds,
            "scores": [line._asdict() for line in scores],
        }
    )
    return format_scores(scores, title)
