"""``driftwise evaluate-agent``: agents and classic policies on the same held-out worlds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from driftwise.scripts.command_line import parse


@dataclass(frozen=True)
class Arguments:
    """Play agents and classic policies on the same held-out worlds and compare them.

    On a bandit this prints the dynamic regret per step with its 95 % interval over worlds; on
    other environments, the agents' return.
    """

    agents: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Run folders, agent folders, or names of agents that come with the package."""
    env: str = "driftwise/ShiftingBandit-v0"
    """Id of a Gymnasium environment."""
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    """Arguments of the environment."""
    policies: tuple[str, ...] | None = None
    """Classic policies to compare with; a usual choice by default."""
    num_worlds: int = 1000
    """Held-out worlds, one episode in each."""
    figure: Path | None = None
    """Where to draw regret over time and recovery after a change, as PNG."""
    report: Path | None = None
    """Where to write the scores as JSON."""
    seed: int = 0
    """Which held-out worlds, and which random numbers."""
    device: str = "cpu"
    """torch device."""


def main(arguments: Sequence[str]) -> None:
    """Run the command with these arguments."""
    given = parse(Arguments, arguments, "driftwise evaluate-agent")

    from driftwise.agents import evaluation
    from driftwise.agents.agent_files import agent_label, find_agent
    from driftwise.agents.worlds import held_out_seed
    from driftwise.tracking import write_json

    if given.num_worlds < 1:
        raise ValueError(f"num_worlds must be at least 1, got {given.num_worlds}")
    seed = held_out_seed(given.seed)
    agents = {}
    for name in given.agents:
        label = agent_label(name)
        if label in agents:
            raise ValueError(f"agents must have different names, got {label!r} twice")
        agents[label] = find_agent(name, given.device)[0]
    if not evaluation.has_regret(given.env, given.env_kwargs):
        for option in ("policies", "figure"):
            if getattr(given, option) is not None:
                raise ValueError(f"{option} needs an environment that tells its regret")
        returns = {}
        for name, model in agents.items():
            value, low, high = evaluation.mean_return(model, given.env, given.env_kwargs, seed=seed)
            returns[name] = {"mean": value, "low": low, "high": high}
            print(f"{name}: return {value:.1f} [{low:.1f}, {high:.1f}] in 100 held-out episodes")
        if given.report is not None:
            write_json(given.report, {"env": given.env, "returns": returns})
        return
    policies = evaluation.POLICIES if given.policies is None else given.policies
    records = evaluation.play_all(
        agents, policies, given.env, given.env_kwargs, num_worlds=given.num_worlds, seed=seed
    )
    scores = evaluation.score(records)
    title = f"{given.env}: {given.num_worlds:,} held-out worlds"
    print(evaluation.format_scores(scores, title))
    if given.figure is not None:
        given.figure.parent.mkdir(parents=True, exist_ok=True)
        evaluation.plot_records(records, title).savefig(given.figure, dpi=200)
    if given.report is not None:
        write_json(given.report, {"env": given.env, "scores": [line._asdict() for line in scores]})
