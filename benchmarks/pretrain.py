"""Makes the agents that come with the package.

    python -m driftwise.benchmarks.pretrain standard-bandit-sparse

An agent is trained as its row of a result with seed 0, in a run folder that survives being killed,
and its policy is written to ``agents/pretrained/<name>/``.
"""

import argparse
import dataclasses
from collections.abc import Callable
from functools import partial
from importlib.resources import as_file

from driftwise.agents import TrainConfig, save_agent, train_agent
from driftwise.agents.agent_files import PRETRAINED
from driftwise.benchmarks import standard_bandit
from driftwise.benchmarks.agent_cells import RUNS

AGENTS: dict[str, Callable[[], TrainConfig]] = {
    "standard-bandit-sparse": partial(standard_bandit.agent, "sparse"),
}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Make an agent that comes with the package.")
    parser.add_argument("name", choices=AGENTS)
    given = parser.parse_args()
    config = AGENTS[given.name]()
    # The run of the result's cell with seed 0, which is not trained again where it is there.
    trained = train_agent(config, runs=RUNS, name="standard_bandit-sparse")
    trained.run.close()
    command = f"python -m driftwise.benchmarks.pretrain {given.name}"
    with as_file(PRETRAINED) as folder:
        folder.mkdir(exist_ok=True)
        notes = {"command": command, "config": dataclasses.asdict(config)}
        save_agent(folder / given.name, trained.model, notes)
        print(f"wrote {folder / given.name}")


if __name__ == "__main__":
    main()
