"""``driftwise suite``: score an agent in the eight worlds of driftwise-8."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from driftwise.scripts.command_line import parse, refuse

PROG = "driftwise suite"


@dataclass(frozen=True)
class Arguments:
    """Score an agent in the eight worlds of driftwise-8, and write its submission.

    Choose who plays with --memory, --agents or --player; without, the worlds are listed. Killed at
    any moment and started again with the same command, it goes on: worlds that the submission
    already has are not played again, and training continues where it was.
    """

    action: Annotated[Literal["list"] | None, tyro.conf.Positional] = None
    """list: list the worlds, as without any options."""
    memory: str | None = None
    """Train MemoryPPO with this memory on each world: sparse, dense, gru, lstm or none."""
    agents: tuple[str, ...] = ()
    """Trained agents, WORLD=AGENT each: folders of runs or agents, or names of shipped ones."""
    player: str | None = None
    """random, oracle, or a function module:function that is called with the name of a world and a
    maker of training environments, and returns who plays."""
    worlds: tuple[str, ...] | None = None
    """Some of the worlds; all by default, or all that --agents names."""
    name: str | None = None
    """Name of the entry."""
    output: Path | None = None
    """The submission; RUNS/driftwise-8/<name>.json by default."""
    seed: int = 0
    """Seed of the training with --memory."""
    deterministic: bool = False
    """Play a model's most likely actions instead of samples."""
    runs: Path = Path("runs")
    """Folder of all runs."""
    progress: bool = True
    """Show progress bars."""
    check: tuple[Path, ...] = ()
    """Check submissions instead: that they are of this suite, and that their numbers are right."""
    compare: tuple[Path, ...] = ()
    """Print the scores of submissions side by side instead."""


def main(arguments: Sequence[str]) -> None:
    """Run the command with these arguments."""
    given = parse(Arguments, arguments, PROG)
    _check_options(arguments, given)

    from driftwise.agents import suite

    for path in given.check:
        submission = suite.load_submission(path)
        print(f"{path}: {submission['agent']}, {_summary(submission)}; valid")
    if given.compare:
        print(suite.compare_submissions([suite.load_submission(path) for path in given.compare]))
    if given.check or given.compare:
        return
    if given.memory is None and given.player is None and not given.agents:
        print(f"{suite.SUITE}, version {suite.VERSION}; {suite.NUM_EPISODES:,} held-out episodes\n")
        print(suite.list_worlds())
        return
    enter, name, settings = _entrant(given)
    worlds = given.worlds
    if worlds is None and given.agents:
        worlds = tuple(settings["agents"])
    output = given.output or given.runs / suite.SUITE / f"{name}.json"
    submission = suite.run_suite(
        enter,
        output,
        agent=name,
        worlds=worlds,
        settings=settings,
        deterministic=given.deterministic,
        command=shlex.join(["driftwise", "suite", *arguments]),
        progress=given.progress,
    )
    print(suite.compare_submissions([submission]))
    print(f"{_summary(submission)}; in {output}")


def _check_options(arguments: Sequence[str], given: Arguments) -> None:
    """Refuse options that would be ignored, which is hardly what was wanted.

    Those that were given, also with their defaults, are seen in the command line alone.
    """
    options = [word.partition("=")[0] for word in arguments if word.startswith("--")]
    if given.action:
        options.insert(0, given.action)
    for option in ("agents", "worlds", "check", "compare"):
        if f"--{option}" in options and not getattr(given, option):
            refuse(PROG, f"--{option} needs a value, or more of them, got none")
    players = [option for option in options if option in ("--memory", "--agents", "--player")]
    others = [option for option in options if option in ("list", "--check", "--compare")]
    if len(set(players)) > 1:
        refuse(PROG, f"{players[0]} and {players[1]} cannot go together: one agent plays")
    if players and others:
        refuse(
            PROG, f"{players[0]} and {others[0]} cannot go together: with {others[0]} nobody plays"
        )
    if "list" in others and len(options) > 1:
        refuse(PROG, f"list goes alone, got {options[1]} with it")
    if not players and len(options) > len(others):
        alone = next(option for option in options if option not in others)
        refuse(PROG, f"{alone} needs somebody to play: --memory, --agents or --player")
    if "--seed" in options and "--memory" not in options:
        refuse(PROG, "--seed is that of the training with --memory, got no --memory")


def _entrant(given: Arguments) -> tuple[Any, str, dict[str, Any]]:
    """Who plays, the entry's name, and what goes on record about it."""
    from driftwise.agents import suite

    if given.memory is not None:
        enter = suite.memory_entrant(
            given.memory, given.seed, runs=given.runs, progress=given.progress
        )
        name = given.name or f"{given.memory}-{given.seed}"
        return enter, name, {"memory": given.memory, "seed": given.seed}
    if given.player is not None:
        name = given.name or given.player.replace(":", "-")
        return suite.named_entrant(given.player), name, {"player": given.player}
    agents = {}
    for pair in given.agents:
        world, equals, agent = pair.partition("=")
        if not equals:
            raise ValueError(f"agents must be WORLD=AGENT each, got {pair!r}")
        if world in agents:
            raise ValueError(f"agents must be one for each world, got two for {world!r}")
        agents[world] = agent
    return suite.trained_entrant(agents), given.name or "agents", {"agents": agents}


def _summary(submission: dict[str, Any]) -> str:
    score, played = submission["score"], len(submission["worlds"])
    if score is None:
        return f"{played} of 8 worlds, no score until all are played"
    return f"score {score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"
