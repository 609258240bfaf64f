"""``driftwise run-continual``: a learner on a stream of tasks, and what it forgets."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from driftwise.agents.continual import RECIPES, ContinualConfig
from driftwise.scripts.command_line import Resume, parse_with_recipe, resume_mode


@dataclass(frozen=True)
class Arguments:
    """Run a continual learner on a stream of tasks, or go on with a run that was stopped.

    Nobody tells the learner when a task ends. Every batch is scored before it is learned; after
    each task all of them are tested, which shows what is forgotten (retained accuracy, backward
    transfer, forgetting) and what helps with tasks still to come (forward transfer).

    Killed at any moment and started again with the same command, a run continues from its last
    checkpoint and ends the same. To look on: tensorboard --logdir RUNS
    """

    config: tyro.conf.OmitArgPrefixes[ContinualConfig]
    """What to run."""
    runs: Path = Path("runs")
    """Folder of all runs; this one is RUNS/<stream>/<name>-<seed>."""
    name: str | None = None
    """Name of the run; the learner's by default."""
    resume: Resume = "auto"
    """auto: continue a run that is there; yes: require one; no: refuse one."""
    progress: bool = True
    """Show a progress bar."""


def main(arguments: Sequence[str]) -> None:
    """Run the command with these arguments."""
    given, _ = parse_with_recipe(
        Arguments, arguments, "driftwise run-continual", RECIPES, "rotations"
    )

    from driftwise.agents.allocator import keep_freed_memory
    from driftwise.agents.continual import run_continual

    keep_freed_memory()
    report = run_continual(
        given.config,
        runs=given.runs,
        name=given.name,
        resume=resume_mode(given.resume),
        progress=given.progress,
    )
    print("\n".join(_summary(report)))


_METRICS = (
    "online_accuracy",
    "retained_accuracy",
    "backward_transfer_and_interference",
    "backward_transfer",
    "forgetting",
    "forward_transfer",
)


def _summary(report: dict[str, Any]) -> list[str]:
    """Lines for the terminal."""
    lines = [
        f"{name.replace('_', ' '):<36}{report[name]:7.3f}"
        for name in _METRICS
        if report.get(name) is not None
    ]
    if report.get("sparsity"):
        lines.append("share of weights that the step sizes leave as they are")
        lines += [f"  {layer:<34}{share:7.3f}" for layer, share in report["sparsity"].items()]
    lines.append(
        f"{report['steps']:,} steps; learner/, report.json, figures/, metrics.jsonl in "
        f"{report['folder']}"
    )
    return lines
