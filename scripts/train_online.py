"""``driftwise train-online``: train an agent that adapts by masked steps of policy gradient."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from driftwise.agents.online import RECIPES, OnlineConfig
from driftwise.scripts.command_line import Resume, parse_with_recipe, refuse, resume_mode


@dataclass(frozen=True)
class Arguments:
    """Train an online learner, or go on with a run that was stopped, and test it at the end.

    While it acts, every environment's weights take steps of policy gradient. What is trained is
    where they begin and, but for the controls full, last_layer and frozen, which may change and how
    far (sparse-MAML).

    Killed at any moment and started again with the same command, a run continues from its last
    checkpoint and ends the same. To look on: tensorboard --logdir RUNS
    """

    config: tyro.conf.OmitArgPrefixes[OnlineConfig]
    """What to train."""
    runs: Path = Path("runs")
    """Folder of all runs; this one is RUNS/<environment>/<name>-<seed>."""
    name: str | None = None
    """Name of the run; online-<method> by default."""
    resume: Resume = "auto"
    """auto: continue a run that is there; yes: require one; no: refuse one."""
    progress: bool = True
    """Show a progress bar."""


def main(arguments: Sequence[str]) -> None:
    """Run the command with these arguments."""
    prog = "driftwise train-online"
    given, recipe = parse_with_recipe(Arguments, arguments, prog, RECIPES, "two-arms")
    own = RECIPES[recipe]()
    if own.hidden and given.config.env != own.env and given.config.hidden == own.hidden:
        refuse(
            prog,
            f"--hidden must be given with another --env: the entries {own.hidden} that the recipe "
            f"{recipe} hides are those of {own.env} (--hidden without numbers hides none)",
        )

    from driftwise.agents.online import train_online

    report = train_online(
        given.config,
        runs=given.runs,
        name=given.name,
        resume=resume_mode(given.resume),
        progress=given.progress,
    )
    print("\n".join(_summary(report)))


def _summary(report: dict[str, Any]) -> list[str]:
    """Lines for the terminal."""
    lines = ["held-out worlds, with 95 % intervals over them"]
    for name, test in report["test"].items():
        label = "regret a step" if name == "regret" else name
        lines.append(
            f"  {label:<16}{test['value']:.3f}  [{test['low']:.3f}, {test['high']:.3f}]"
            f"  {test['n']:,} worlds"
        )
    if report["sparsity"]:
        lines.append("share of weights that inner steps leave as they are")
        lines += [f"  {tensor:<16}{share:.3f}" for tensor, share in report["sparsity"].items()]
    lines.append(
        f"{report['updates']:,} updates; agent/, report.json, metrics.jsonl in {report['folder']}"
    )
    return lines
