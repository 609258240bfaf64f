"""How well are new classes known after 1, 5 and 20 sightings, and what becomes of the old ones?

    driftwise results run omniglot_binding --seeds 0 1 2

Measured in the runs of omniglot_curriculum, on held-out drawings.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from driftwise.agents.classifiers.stream_record import SIGHTINGS
from driftwise.benchmarks import omniglot_curriculum
from driftwise.benchmarks.stream_cells import GROUP, MAX_CLASSES, ROWS
from driftwise.tracking import Result


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Compute one cell."""
    return measure_binding(omniglot_curriculum.report(row, setting, seed))


def measure_binding(report: Mapping[str, Any]) -> dict[str, Any]:
    """Accuracy on new and old classes, by the sightings of the new ones and by level.

    ``new_after_5_300`` is the mean over the five blocks that end at 300 classes, where all of them
    have been seen 5 times on average; ``old_after_5_300`` that of the classes before each of them.
    ``old_300`` is the accuracy on the old classes when these levels were complete.
    """
    size = report["config"]["block_size"]
    metrics: dict[str, Any] = {}
    for end in range(GROUP * size, MAX_CLASSES + 1, GROUP * size):
        group = range(end - (GROUP - 1) * size, end + 1, size)
        for sightings in SIGHTINGS:
            blocks = [
                entry
                for entry in report["binding"]
                if entry["sightings"] == sightings and entry["classes"] in group
            ]
            if len(blocks) == GROUP:
                metrics[f"new_after_{sightings}_{end}"] = _mean(blocks, "new")
                metrics[f"old_after_{sightings}_{end}"] = _mean(blocks, "old")
        levels = [s for s in report["stages"] if s["complete"] and s["classes"] in group]
        if len(levels) == GROUP:
            metrics[f"new_{end}"], metrics[f"old_{end}"] = (
                _mean(levels, "new"),
                _mean(levels, "old"),
            )
    return {**metrics, "binding": report["binding"]}


def _mean(entries: list[dict[str, Any]], what: str) -> float:
    """The mean over those that have it: nothing is older than the first block."""
    return float(np.mean([entry[what] for entry in entries if entry[what] is not None]))


RESULT = Result(
    name="omniglot_binding",
    command="driftwise results run omniglot_binding",
    protocol="The runs of omniglot_curriculum.json. Accuracy on the held-out drawings of a block "
    "of 30 new classes at the first step by which they have been seen 1, 5 and 20 times on "
    "average, and on those of 60 of the classes before it; means over the five blocks that end at "
    "so many classes, where all five have been seen as often. Without _after_: when their levels "
    "were complete.",
    rows=list(ROWS),
    settings=["default", "after_glyphs"],
    seeds=list(range(10)),
    run=run,
    config=omniglot_curriculum.config,
)
