"""``driftwise train-fewshot``: train MAML or sparse-MAML on few-shot episodes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from driftwise.agents.few_shot import RECIPES, FewShotConfig
from driftwise.scripts.command_line import Resume, parse_with_recipe, resume_mode


@dataclass(frozen=True)
class Arguments:
    """Train a few-shot learner, or go on with a run that was stopped, and test it at the end.

    An episode shows a few images of each of some classes and asks about others. The learner adapts
    by a few steps of gradient descent; what is trained is where it begins and, by the sparse
    methods, which weights may change.

    Killed at any moment and started again with the same command, a run continues from its last
    checkpoint and ends the same. To look on: tensorboard --logdir RUNS
    """

    config: tyro.conf.OmitArgPrefixes[FewShotConfig]
    """What to train."""
    runs: Path = Path("runs")
    """Folder of all runs; this one is RUNS/<images>-<N>way-<K>shot/<name>-<seed>."""
    name: str | None = None
    """Name of the run; the method's by default."""
    resume: Resume = "auto"
    """auto: continue a run that is there; yes: require one; no: refuse one."""
    progress: bool = True
    """Show a progress bar."""


def main(arguments: Sequence[str]) -> None:
    """Run the command with these arguments."""
    given, _ = parse_with_recipe(
        Arguments, arguments, "driftwise train-fewshot", RECIPES, "omniglot"
    )

    from driftwise.agents.allocator import keep_freed_memory
    from driftwise.agents.few_shot import train_few_shot

    keep_freed_memory()
    report = train_few_shot(
        given.config,
        runs=given.runs,
        name=given.name,
        resume=resume_mode(given.resume),
        progress=given.progress,
    )
    print("\n".join(_summary(report)))


def _summary(report: dict[str, Any]) -> list[str]:
    """Lines for the terminal."""
    lines = ["accuracy after adaptation, with its 95 % interval over the episodes"]
    for images, test in report["tests"].items():
        lines.append(
            f"  {images:<16}{test['accuracy']:.3f}  [{test['low']:.3f}, {test['high']:.3f}]"
            f"  {test['n']:,} episodes"
        )
    lines.append("share of weights that the inner loop leaves as they are")
    lines += [f"  {layer:<16}{share:.3f}" for layer, share in report["sparsity"].items()]
    lines.append(
        f"{report['updates']:,} updates; learner/, report.json, figures/training.png, "
        f"metrics.jsonl in {report['folder']}"
    )
    return lines
