"""``driftwise train-agent``: train a memory agent on a shifting environment."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tyro

from driftwise.agents.config import TrainConfig
from driftwise.agents.recipes import RECIPES, with_memory
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
    """Name of the run; by default <recipe>-<memory>, and <memory> in an environment other than the
    recipe's."""
    resume: Resume = "auto"
    """auto: continue a run that is there; yes: require one; no: refuse one."""
    progress: bool = True
    """Show a progress bar."""


def main(arguments: Sequence[str]) -> None:
    """Run the command with these arguments."""
    given, recipe = parse_with_recipe(
        Arguments,
        arguments,
        "driftwise train-agent",
        _recipes_with_memory(arguments),
        "standard-bandit",
    )

    from driftwise.agents.report import finish_run
    from driftwise.agents.training import train_agent

    memory, is_recipes = given.config.memory, given.config.env == RECIPES[recipe]().env
    trained = train_agent(
        given.config,
        runs=given.runs,
        name=given.name or (f"{recipe}-{memory}" if is_recipes else memory),
        resume=resume_mode(given.resume),
        progress=given.progress,
    )
    with trained.run:
        print(finish_run(trained, given.config))


def _recipes_with_memory(arguments: Sequence[str]) -> Mapping[str, Callable[[], TrainConfig]]:
    """The recipes, for agents with the memory that is asked for: as large, unless told otherwise.

    A recipe's arguments of its own memory would not fit another.
    """
    memory = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    memory.add_argument("--memory")
    memory.add_argument("--memory-kwargs", "--memory_kwargs")
    asked, _ = memory.parse_known_args(list(arguments))
    if asked.memory is None or asked.memory_kwargs is not None:
        return RECIPES

    def sized(recipe: Callable[[], TrainConfig]) -> TrainConfig:
        return with_memory(recipe(), asked.memory)

    return {name: partial(sized, recipe) for name, recipe in RECIPES.items()}
