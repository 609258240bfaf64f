"""``driftwise evaluate-agent``: agents and reference policies on the same held-out worlds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from driftwise.scripts.command_line import parse


@dataclass(frozen=True)
class Arguments:
    """Play agents and reference policies on the same held-out worlds and compare them.

    This prints the return of an episode and, where the environment tells it, the dynamic regret per
    step, with their 95 % intervals over worlds; the share of the way from the random policy to the
    best one; and the steps that it takes to adapt to a change.
    """

    agents: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Run folders, agent folders, or names of agents that come with the package."""
    env: str | None = None
    """Id of a Gymnasium environment; by default, that which the first agent was trained in (or the
    standard bandit), with worlds held out."""
    env_kwargs: dict[str, Any] | None = None
    """Arguments of the environment; by default, those of that environment, or none if --env is
    given."""
    policies: tuple[str, ...] | None = None
    """Whom to compare with: random, oracle, on bandits the classic policies; a usual choice by
    default."""
    num_worlds: int | None = None
    """Held-out worlds; by default 1,000, or 100 with an agent whose memory is never reset."""
    episodes: int | None = None
    """Episodes in each world, one after the other; by default one, or 20 with such an agent."""
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
    from driftwise.agents.named_players import named_players, world_of
    from driftwise.agents.worlds import held_out_seed
    from driftwise.tracking import make_writable_folder, write_json

    for name in ("num_worlds", "episodes"):
        number = getattr(given, name)
        if number is not None and number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    seed = held_out_seed(given.seed)
    agents = named_players(list(given.agents), device=given.device)
    env, env_kwargs = world_of(given.agents, given.env, given.env_kwargs)
    for path in (given.figure, given.report):
        if path is not None:
            make_writable_folder(path.parent)
    num_worlds, num_episodes = evaluation.usual_numbers(agents)
    num_worlds, num_episodes = given.num_worlds or num_worlds, given.episodes or num_episodes
    records = evaluation.play_all(
        agents,
        env,
        env_kwargs,
        policies=given.policies,
        num_worlds=num_worlds,
        num_episodes=num_episodes,
        seed=seed,
    )
    scores = evaluation.score(records, num_episodes=num_episodes)
    title = f"{env}: {evaluation.describe_worlds(num_worlds, num_episodes)}"
    print(evaluation.format_scores(scores, title))
    if given.figure is not None:
        evaluation.plot_records(records, title).savefig(given.figure, dpi=200)
    if given.report is not None:
        lines = [line._asdict() for line in scores]
        world = {"env": env, "env_kwargs": env_kwargs, "num_episodes": num_episodes}
        write_json(given.report, {**world, "scores": lines})
