"""Plays the worlds of the suite with random actions and with their oracles, for the record.

    python -m driftwise.benchmarks.suite_references      # a few minutes on one core

The mean returns are what the suite scores 0 and 1: ``agents/suite/references.json``. They are over
ten times as many worlds as agents play, theirs among them. Where the highest possible return is
known, it is the oracle's.
"""

import time
from importlib.resources import as_file
from typing import Any

import numpy as np
from tqdm import tqdm

from driftwise.agents import OraclePlayer, Player, RandomPlayer, episode_returns
from driftwise.agents.suite import FIRST_SEED, NUM_EPISODES, SUITE, VERSION, WORLDS, World
from driftwise.agents.suite.score import REFERENCES, return_interval
from driftwise.tracking import machine, versions, write_json

BATCHES = 10


def main() -> None:
    """Run the command."""
    worlds = {world.name: measure(world) for world in tqdm(WORLDS.values(), unit="world")}
    record = {
        "suite": SUITE,
        "version": VERSION,
        "command": "python -m driftwise.benchmarks.suite_references",
        "date": time.strftime("%Y-%m-%d"),
        "versions": versions(),
        "machine": machine(),
        "worlds": worlds,
    }
    with as_file(REFERENCES) as path:
        write_json(path, record)
        print(f"wrote {path}")


def measure(world: World, batches: int = BATCHES) -> dict[str, Any]:
    """The references of a world: mean return, its 95 % interval, and the number of episodes.

    Args:
        world: which.
        batches: of `NUM_EPISODES` worlds each.
    """
    found = {"random": _play(RandomPlayer(), world, batches)}
    if world.ceiling is not None:
        found["oracle"] = {"value": world.ceiling, "exact": True}
    else:
        found["oracle"] = _play(OraclePlayer(), world, batches)
    return found


def _play(player: Player, world: World, batches: int) -> dict[str, Any]:
    env = world.make_held_out_env(NUM_EPISODES)
    returns = np.concatenate(
        [
            episode_returns(player, env, seed=FIRST_SEED + NUM_EPISODES * batch)[:, 0]
            for batch in range(batches)
        ]
    )
    env.close()
    return return_interval(returns)._asdict()


if __name__ == "__main__":
    main()
