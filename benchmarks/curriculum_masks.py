"""Does a learned mask protect old classes, while new ones of Omniglot are learned?

    driftwise results run curriculum_masks --seeds 0 1 2      # an hour a seed

On the curriculum, whose batches are of all present classes, and on blocks of classes one after
another, where old ones are never seen again but in a learner's own replay.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from driftwise.agents.classifiers import StreamConfig
from driftwise.benchmarks.stream_cells import described, played
from driftwise.tracking import Result

NUM_CLASSES = 150
STREAMS = {
    "default": StreamConfig(max_classes=NUM_CLASSES, max_level_steps=500),
    "incremental": StreamConfig(stream="incremental", max_classes=NUM_CLASSES, steps_per_task=100),
}
PLAIN = ("softmax", "replay")
MASKED = (
    "c_maml",
    "sync",
    "la_maml",
    "sparse_la_maml",
    "sparse_la_maml_inner",
    "sparse_relu_la_maml",
)
METRICS = ("retained_accuracy", "backward_transfer", "forgetting")


def _config(row: str, setting: str) -> StreamConfig:
    return dataclasses.replace(STREAMS[setting], learner=row)


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Compute one cell."""
    report = played(_config(row, setting), seed, f"{row}-masks")
    old = [stage["old"] for stage in report["stages"] if stage["old"] is not None]
    return {
        **{name: report[name] for name in METRICS if report.get(name) is not None},
        "classes": float(report["stages"][-1]["classes"]),
        "steps": float(report["steps"]),
        "old": sum(old) / len(old),
        **{f"sparsity_{name}": share for name, share in report.get("sparsity", {}).items()},
        "stages": report["stages"],
    }


def config(row: str, setting: str) -> Mapping[str, Any]:
    """What decides the numbers of a cell."""
    return {**described(_config(row, setting)), "version": 1}


RESULT = Result(
    name="curriculum_masks",
    command="driftwise results run curriculum_masks",
    protocol="Omniglot, 28 x 28, blocks of 30 classes in a random order, 150 in all, batches of "
    "32. default: the next block comes once 70 % of the held-out drawings of all present classes "
    "are told right, and batches are of all of them; a level is cut off at 500 steps, which ends "
    "the run. incremental: 100 steps of each block, and no more of it later. Accuracy on held-out "
    "drawings of each block after every block; old: the mean, over the ends of all blocks but the "
    "first, of that on the blocks before.",
    rows=[*PLAIN, *MASKED],
    settings=list(STREAMS),
    seeds=list(range(5)),
    run=run,
    config=config,
)
