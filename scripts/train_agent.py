"""``driftwise train-agent``: train a memory agent on a shifting environment."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from driftwise.agents.config import TrainConfig
from driftwise.agents.recipes import RECIPES
from driftwise.scripts.command_line import Resume, parse_with_recipe, resume_mode


@dataclass(frozen=True)
class Arguments:
    """Train a memory agent, or go on with a run that was stopped.

    Killed at any moment and started again with the same command, a run continues from its last
    checkpoint and ends the same.
    """

    config: tyro.conf.OmitArgPrefixes[TrainConfig]
    """What to train."""
    runs: Path = Path("runs")
    """Folder of all runs; this one is RUNS/<environment>/<name>-<seed>."""
    name: str | None = None
    """Name of the run; the memory's by default."""
    resume: Resume = "auto"
    """auto: continue a run that is there; yes: require one; no: refuse one."""
    progress: bool = True
    """Show a progress bar."""


def main(arguments: Sequence[str]) -> None:
    """Run the command with these arguments."""
    given, _ = parse_with_recipe(
        Arguments, arguments, "driftwise train-agent", RECIPES, "standard-bandit"
    )

    from driftwise.agents.report import finish_run
    from driftwise.agents.training import train_agent

    trained = train_agent(
        given.config,
        runs=given.runs,
        name=given.name,
        resume=resume_mode(given.resume),
        progress=given.progress,
    )
    with trained.run:
        print(finish_run(trained, given.config))
