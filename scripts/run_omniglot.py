"""``driftwise run-omniglot``: a classifier on a stream whose classes keep coming."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from driftwise.agents.classifiers.stream_config import StreamConfig
from driftwise.scripts.command_line import Resume, parse, resume_mode


@dataclass(frozen=True)
class Arguments:
    """Run a classifier that learns online on a stream of Omniglot, or go on with a stopped run.

    In the curriculum, 30 classes are active at first, and 30 more as soon as 70 % of the held-out
    drawings of the present ones are told right: the fewer steps a learner takes for each of these
    levels, the better it binds new classes. Every batch is scored before it is learned.

    Killed at any moment and started again with the same command, a run continues from its last
    checkpoint and ends the same. To look on: tensorboard --logdir RUNS
    """

    config: tyro.conf.OmitArgPrefixes[StreamConfig]
    """What to run."""
    runs: Path = Path("runs")
    """Folder of all runs; this one is RUNS/<images>-<stream>/<name>-<seed>."""
    name: str | None = None
    """Name of the run; the learner's by default."""
    streams: int = 1
    """How many streams, one after another, of seeds SEED, SEED + 1, ...: each begins with the
    network of the one before, and anew with all that belongs to classes."""
    resume: Resume = "auto"
    """auto: continue a run that is there; yes: require one; no: refuse one."""
    progress: bool = True
    """Show a progress bar."""


def main(arguments: Sequence[str]) -> None:
    """Run the command with these arguments."""
    given = parse(Arguments, arguments, "driftwise run-omniglot")

    from driftwise.agents.classifiers import run_streams

    reports = run_streams(
        given.config,
        given.streams,
        runs=given.runs,
        name=given.name,
        resume=resume_mode(given.resume),
        progress=given.progress,
    )
    for report in reports:
        print("\n".join(_summary(report)))


def _summary(report: dict[str, Any]) -> list[str]:
    """Lines for the terminal."""
    lines = ["  classes    steps  accuracy  of new  of old"]
    for stage in report["stages"]:
        old = "     –" if stage["old"] is None else f"{stage['old']:6.2f}"
        lines.append(
            f"{stage['classes']:9,}{stage['steps']:9,}{stage['accuracy']:10.2f}"
            f"{stage['new']:8.2f}  {old}{'' if stage['complete'] else '  (not completed)'}"
        )
    lines.append(
        f"{report['steps']:,} steps; learner/, report.json, figures/stages.png, metrics.jsonl in "
        f"{report['folder']}"
    )
    return lines
