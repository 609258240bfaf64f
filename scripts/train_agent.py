"""``driftwise train-agent``: train a memory agent on a shifting environment."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from driftwise.agents.config import TrainConfig
from driftwise.agents.recipes import RECIPES
from driftwise.scripts.command_line import parse


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
    resume: Literal["auto", "yes", "no"] = "auto"
    """auto: continue a run that is there; yes: require one; no: refuse one."""
    progress: bool = True
    """Show a progress bar."""


def main(arguments: Sequence[str]) -> None:
    """Run the command with these arguments."""
    recipes = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    recipes.add_argument("--recipe", choices=RECIPES, default="standard-bandit")
    chosen, rest = recipes.parse_known_args(list(arguments))
    given = parse(
        Arguments,
        rest,
        f"driftwise train-agent [--recipe {{{','.join(RECIPES)}}}]",
        default=Arguments(config=RECIPES[chosen.recipe]()),
    )

    from driftwise.agents.report import finish_run
    from driftwise.agents.training import train_agent

    resume: Literal["auto"] | bool = "auto" if given.resume == "auto" else given.resume == "yes"
    trained = train_agent(
        given.config, runs=given.runs, name=given.name, resume=resume, progress=given.progress
    )
    with trained.run:
        print(finish_run(trained, given.config))
