"""Makes the films of docs/gallery.md.

    python -m driftwise.benchmarks.gallery            # all of them, about a minute
    python -m driftwise.benchmarks.gallery bandit     # some

Films of Gymnasium's own environments need what they draw with: pip install pygame.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from driftwise.agents import Player
from driftwise.agents.films import make_film
from driftwise.agents.named_players import named_players
from driftwise.agents.worlds import held_out_seed
from driftwise.envs import ShiftingActions

FOLDER = Path(__file__).parents[1] / "docs" / "images"


class Balancer(Player):
    """Pushes the cart of CartPole to where the pole leans.

    Args:
        adapts: after a fall, take left for right.
    """

    def __init__(self, adapts: bool) -> None:
        self.adapts = adapts

    def begin(self, env: VectorEnv, seed: int | None) -> None:
        """See :meth:`Player.begin`."""
        self._swapped = np.zeros(env.num_envs, dtype=bool)

    def act(self, obs: NDArray[np.float32]) -> NDArray[np.int64]:
        """See :meth:`Player.act`."""
        leans_right = obs @ np.array([0.1, 0.2, 1.0, 0.4]) > 0
        return (leans_right ^ self._swapped).astype(np.int64)

    def observe(
        self, rewards: NDArray[np.float64], dones: NDArray[np.bool_], info: dict[str, Any]
    ) -> None:
        """See :meth:`Player.observe`."""
        self._swapped ^= dones & self.adapts


class Film(NamedTuple):
    """A film of the gallery.

    Attributes:
        env: id of the environment.
        players: by the names that ``driftwise watch`` takes, or players by what to call them.
        options: more for :func:`~driftwise.agents.films.make_film`.
        seed: which held-out world.
    """

    env: str
    players: tuple[str, ...] | Mapping[str, Player]
    options: Mapping[str, Any] = {}
    seed: int = 0


def swapped_now_and_then(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """Left becomes right every 80 steps, and left again."""
    return ShiftingActions(env, schedule="Periodic(period=80)")


FILMS = {
    "bandit": Film("driftwise/ShiftingBandit-v0", ("standard-bandit-sparse", "discounted_ucb")),
    # A world where the agent earns what it does on average.
    "maze": Film("driftwise/ShiftingMaze-v0", ("maze-sparse", "oracle"), {"size": 560}, seed=5),
    "blocked_maze": Film("driftwise/BlockedMaze-v0", ("oracle",), {"size": 560, "steps": 200}),
    "islands": Film(
        "driftwise/IslandTransportTest-v0",
        ("island-transport-sparse", "oracle"),
        {"fps": 4, "steps": 90},
    ),
    "cartpole": Film(
        "CartPole-v1",
        {"fixed": Balancer(adapts=False), "tries the other way": Balancer(adapts=True)},
        {
            "env_kwargs": {"wrappers": [swapped_now_and_then]},
            "title": "CartPole-v1, left and right swapped now and then",
            "steps": 280,
            "fps": 20,
            "size": 560,
        },
    ),
}
"""The films by name; docs/images/watch_<name>.gif."""


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Make the films of docs/gallery.md.")
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(FILMS))
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to")
    given = parser.parse_args()
    if unknown := set(given.names) - set(FILMS):
        parser.error(f"there are {', '.join(FILMS)}, got {', '.join(sorted(unknown))}")
    for name in given.names or FILMS:
        film = FILMS[name]
        players = film.players
        if isinstance(players, tuple):
            players = named_players(list(players))
        out, seed = given.out / f"watch_{name}.gif", held_out_seed(film.seed)
        frames = make_film(out, players, film.env, seed=seed, **film.options)
        print(f"{out}: {frames} frames, {out.stat().st_size / 1e6:.2f} MB", flush=True)


if __name__ == "__main__":
    main()
