"""Makes the agents that come with the package.

    python -m driftwise.benchmarks.pretrain standard-bandit-sparse

An agent is that of a result's cell with seed 0: trained in the same run folder, which survives
being killed, or not at all where the cell has trained it. Its policy is written to
``agents/pretrained/<name>/``.
"""

import argparse
import dataclasses
from collections.abc import Callable
from functools import partial
from importlib.resources import as_file
from typing import NamedTuple

from driftwise.agents import TrainConfig, save_agent, train_agent
from driftwise.agents.agent_files import PRETRAINED
from driftwise.agents.recipes import island_transport, maze, recurring_bandit
from driftwise.benchmarks import barcode_recall, drifting_control, standard_bandit
from driftwise.benchmarks.agent_cells import RUNS


class Shipped(NamedTuple):
    """An agent that comes with the package."""

    run: str
    """Name of the run of its cell."""
    config: Callable[[], TrainConfig]


AGENTS = {
    "standard-bandit-sparse": Shipped(
        "standard_bandit-sparse", partial(standard_bandit.agent, "sparse")
    ),
    "recurring-bandit-sparse": Shipped("recurring_bandit-sparse-default", recurring_bandit),
    "barcode-bandit-sparse": Shipped(
        "barcode_recall-sparse-default", partial(barcode_recall.agent, "sparse", "default")
    ),
    "maze-sparse": Shipped("maze-sparse-default", maze),
    "island-transport-sparse": Shipped("island_transport-sparse", island_transport),
    "drifting-cartpole-sparse": Shipped(
        "drifting_control-sparse-default",
        partial(drifting_control.agent_config, "sparse", "default"),
    ),
    "drifting-pendulum-sparse": Shipped(
        "drifting_control-sparse-pendulum",
        partial(drifting_control.agent_config, "sparse", "pendulum"),
    ),
}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Make an agent that comes with the package.")
    parser.add_argument("name", choices=AGENTS)
    given = parser.parse_args()
    run, make_config = AGENTS[given.name]
    config = make_config()
    trained = train_agent(config, runs=RUNS, name=run)
    trained.run.close()
    command = f"python -m driftwise.benchmarks.pretrain {given.name}"
    with as_file(PRETRAINED) as folder:
        folder.mkdir(exist_ok=True)
        notes = {"command": command, "config": dataclasses.asdict(config)}
        save_agent(folder / given.name, trained.model, notes)
        print(f"wrote {folder / given.name}")


if __name__ == "__main__":
    main()
