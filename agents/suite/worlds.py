"""The eight worlds of the suite, fixed: what is played, on which seeds, and for how long."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
from gymnasium.vector import VectorEnv

from ..worlds import HELD_OUT_WORLDS, make_vector_env
from .control import CARTPOLE, FROZEN_LAKE, register_control

SUITE = "driftwise-8"
VERSION = 1
"""Raised with every change of a world, a seed, a budget or the score."""
NUM_EPISODES = 1_000
"""Held-out episodes of every world, one for each seed."""
FIRST_SEED = HELD_OUT_WORLDS + 800_000_000
"""Seed of the first; the others follow. Nothing else in the package plays these."""

register_control()


@dataclasses.dataclass(frozen=True)
class World:
    """One world of the suite.

    Attributes:
        name: what submissions call it.
        about: what changes, in one line.
        env: id of a Gymnasium environment.
        env_kwargs: its arguments.
        held_out_kwargs: arguments that are others where agents are scored.
        train_steps: the budget, in steps of all training environments together.
        return_range: the least and the most that an episode can bring; not what can be expected.
        ceiling: the highest possible return, if it is known; the oracle's otherwise.
    """

    name: str
    about: str
    env: str
    train_steps: int
    return_range: tuple[float, float]
    env_kwargs: dict[str, Any] = dataclasses.field(default_factory=dict)
    held_out_kwargs: dict[str, Any] = dataclasses.field(default_factory=dict)
    ceiling: float | None = None

    def make_env(self, num_envs: int = 16) -> VectorEnv:
        """Environments to train on, with same-step autoreset; any seed below `HELD_OUT_WORLDS`."""
        return make_vector_env(self.env, num_envs, **self.env_kwargs)

    def make_held_out_env(self, num_envs: int = NUM_EPISODES) -> VectorEnv:
        """Environments in which agents are scored, to be reset with `FIRST_SEED`."""
        return make_vector_env(self.env, num_envs, **{**self.env_kwargs, **self.held_out_kwargs})


WORLDS: dict[str, World] = {
    world.name: world
    for world in (
        World(
            name="standard-bandit",
            about="five arms, all redrawn with probability 0.02 at every step",
            env="driftwise/ShiftingBandit-v0",
            train_steps=7_680_000,
            return_range=(0, 200),
        ),
        World(
            name="barcode-bandit",
            about="eight contexts that return with their barcodes, one good arm of ten in each",
            env="driftwise/BarcodeBandit-v0",
            train_steps=5_120_000,
            return_range=(0, 200),
        ),
        World(
            name="shifting-maze",
            about="a maze of 9 x 9 whose hidden goal moves every 50 to 100 steps",
            env="driftwise/ShiftingMaze-v0",
            train_steps=4_800_000,
            return_range=(0, 2_500),
        ),
        World(
            name="redrawn-maze",
            about="a maze whose corridors are drawn anew every 50 to 100 steps",
            env="driftwise/RedrawnMaze-v0",
            train_steps=4_800_000,
            return_range=(0, 2_500),
        ),
        World(
            name="two-step",
            about="two hidden states that exchange their rewards, reached by chance",
            env="driftwise/TwoStep-v0",
            train_steps=5_120_000,
            return_range=(0, 100),
        ),
        World(
            name="island-transport",
            about="deliveries among five islands, on a graph that no agent was trained on",
            env="driftwise/IslandTransport-v0",
            held_out_kwargs={"split": "test"},
            train_steps=6_144_000,
            return_range=(-1.5, 300),
        ),
        World(
            name="drifting-cartpole",
            about="a pole whose gravity, length and force drift; left and right change places",
            env=CARTPOLE,
            train_steps=1_638_400,
            return_range=(1, 500),
            ceiling=500.0,
        ),
        World(
            name="shifting-lake",
            about="a walk between holes in the ice, with actions whose directions change",
            env=FROZEN_LAKE,
            train_steps=1_638_400,
            return_range=(0, 1),
            ceiling=1.0,
        ),
    )
}
"""Two bandits, two mazes, two partly observed worlds, two of drifting control."""


def definition() -> dict[str, Any]:
    """All that says what is played, in plain data: worlds, seeds, episodes, budgets."""
    return {
        "suite": SUITE,
        "version": VERSION,
        "num_episodes": NUM_EPISODES,
        "first_seed": FIRST_SEED,
        "worlds": [_definition(world) for world in WORLDS.values()],
    }


def _definition(world: World) -> dict[str, Any]:
    """What makes a world, with what its environment is registered with.

    Not its description, and not the range of returns, which follows from the rest.
    """
    fields = dataclasses.asdict(world)
    del fields["about"], fields["return_range"]
    spec = gym.spec(world.env)
    return {**fields, "registered": [spec.kwargs, spec.max_episode_steps]}


def chosen_worlds(names: Sequence[str] | None) -> list[World]:
    """The worlds of these names, in the suite's order; None: all.

    Raises:
        ValueError: for a name that the suite does not have, or no name at all.
        TypeError: for one name instead of a list of them.
    """
    if isinstance(names, str):
        raise TypeError(f"worlds must be a list of names, got {names!r}")
    if names is not None and not names:
        raise ValueError(f"worlds must be one or more of {', '.join(WORLDS)}, got none")
    for name in names or ():
        if name not in WORLDS:
            raise ValueError(f"worlds must be among {', '.join(WORLDS)}, got {name!r}")
    return [world for name, world in WORLDS.items() if names is None or name in names]
