"""What the results about continual learners share: runs, and what is measured."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

from driftwise.agents.allocator import keep_freed_memory
from driftwise.agents.continual import ContinualConfig, run_continual

RUNS = "runs/continual"
VERSION = 1  # also in the names of runs, so that those of earlier code are not gone on with
METRICS = (
    "online_accuracy",
    "online_accuracy_omniglot",
    "online_accuracy_mnist",
    "online_accuracy_fashion_mnist",
    "retained_accuracy",
    "backward_transfer_and_interference",
    "backward_transfer",
    "forgetting",
    "forward_transfer",
)


def played(config: ContinualConfig, seed: int, name: str) -> dict[str, Any]:
    """The metrics of a run, in a folder: a killed cell goes on where it was."""
    torch.set_num_threads(1)
    keep_freed_memory()
    seeded = dataclasses.replace(config, seed=seed)
    name = f"{name}-v{VERSION}"
    report = run_continual(seeded, runs=RUNS, name=name, progress=False, tensorboard=False)
    return {
        **{name: report[name] for name in METRICS if report.get(name) is not None},
        **{f"sparsity_{layer}": share for layer, share in report["sparsity"].items()},
        "accuracy": report["accuracy"],
    }


def cell_config(config: ContinualConfig, learner: Any) -> Mapping[str, Any]:
    """What decides the numbers of a cell: the run, and the learner's settings in full."""
    return {"run": dataclasses.asdict(config), "learner": learner.kind, "version": VERSION}
