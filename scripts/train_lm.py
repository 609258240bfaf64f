"""``driftwise train-lm``: train a language model."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from driftwise.lm.training import RECIPES, TrainConfig
from driftwise.scripts.command_line import Resume, parse_with_recipe, resume_mode


@dataclass(frozen=True)
class Arguments:
    """Train a language model by a recipe, or go on with a run that was stopped.

    Killed at any moment and started again with the same command, a run continues from its last
    checkpoint and ends the same. To look on: tensorboard --logdir RUNS. With several GPUs, or
    several processes: torchrun --nproc-per-node 2 --no-python driftwise train-lm ...
    """

    config: Annotated[TrainConfig, tyro.conf.arg(name=""), tyro.conf.AvoidSubcommands]
    """What to train."""
    runs: Path = Path("runs")
    """Folder of all runs; this one is RUNS/<corpus>/<name>-<seed>."""
    name: str | None = None
    """Name of the run; the recipe's by default."""
    resume: Resume = "auto"
    """auto: continue a run that is there; yes: require one; no: refuse one."""
    progress: bool = True
    """Show a progress bar, and samples of text."""


def main(arguments: Sequence[str]) -> None:
    """Run the command with these arguments."""
    given, recipe = parse_with_recipe(Arguments, arguments, "driftwise train-lm", RECIPES, "tiny")

    from driftwise.lm.training import train_language_model

    report = train_language_model(
        given.config,
        runs=given.runs,
        name=given.name or recipe,
        resume=resume_mode(given.resume),
        progress=given.progress,
    )
    if given.progress and os.environ.get("RANK", "0") == "0":
        print(_summary(report))


def _summary(report: dict[str, Any]) -> str:
    """Lines for the terminal."""
    best, last = report["best"], report["valid"]
    return "\n".join(
        [
            f"{report['parameters']:,} parameters, {report['tokens']:,} tokens",
            f"validation perplexity {last['perplexity']:,.2f} at the end, "
            f"{best['perplexity']:,.2f} at best (step {best['step']:,})",
            f"best/, last/, report.json, metrics.jsonl, samples/ in {report['folder']}",
            f"to read some text: driftwise generate {report['folder']}",
        ]
    )
