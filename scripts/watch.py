"""``driftwise watch``: a film of agents in a world that changes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from driftwise.scripts.command_line import parse


@dataclass(frozen=True)
class Arguments:
    """Film agents in a world that changes: the world, what they do in it, and their regret so far.

    Several agents play the same world side by side. Any Gymnasium environment will do that draws
    itself with render_mode="rgb_array"; where it does not tell a regret, the return is shown.
    """

    agents: Annotated[tuple[str, ...], tyro.conf.Positional]
    """One to three of: random, oracle, a classic bandit policy such as discounted_ucb, the folder
    of a run or an agent, or the name of an agent that comes with the package."""
    env: str | None = None
    """Id of a Gymnasium environment ("module:Id" imports the module first, which registers it); by
    default, that which the first agent was trained in (or the standard bandit), with worlds held
    out."""
    env_kwargs: dict[str, Any] | None = None
    """Arguments of the environment; by default, those of that environment, or none if --env is
    given."""
    drift: dict[str, Any] = field(default_factory=dict)
    """Make any environment drift: arguments of DriftingParameters, such as
    {"ranges": {"length": [0.25, 1.0]}, "schedule": "Hazard(probability=0.01)"}."""
    out: Path = Path("film.gif")
    """Where to write the film: a .gif, or an .mp4 where there is ffmpeg."""
    steps: int | None = None
    """Steps to play, over as many episodes as that takes."""
    episodes: int | None = None
    """Whole episodes to play; one by default, or 250 steps where episodes have no set end."""
    seed: int = 0
    """Which held-out world, and which random numbers."""
    deterministic: bool = False
    """Take the most likely actions instead of samples."""
    fps: int = 10
    """Frames per second; a frame is a step."""
    size: int = 640
    """Width in pixels."""
    device: str = "cpu"
    """torch device."""
    progress: bool = True
    """Show a progress bar."""


def main(arguments: Sequence[str]) -> None:
    """Run the command with these arguments."""
    given = parse(Arguments, arguments, "driftwise watch")

    import gymnasium as gym

    from driftwise.agents.films import make_film
    from driftwise.agents.named_players import named_players, world_of
    from driftwise.agents.worlds import held_out_seed
    from driftwise.envs import DriftingParameters

    def drifting(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
        return DriftingParameters(env, **given.drift)

    env, env_kwargs = world_of(given.agents, given.env, given.env_kwargs)
    frames = make_film(
        given.out,
        named_players(list(given.agents), deterministic=given.deterministic, device=given.device),
        env,
        {**env_kwargs, "wrappers": [drifting]} if given.drift else env_kwargs,
        steps=given.steps,
        episodes=given.episodes,
        seed=held_out_seed(given.seed),
        fps=given.fps,
        size=given.size,
        progress=given.progress,
    )
    print(f"{given.out}: {frames:,} frames, {given.out.stat().st_size / 1e6:.1f} MB")
