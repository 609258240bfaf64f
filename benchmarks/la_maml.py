"""What do learners keep of 20 or 100 tasks of MNIST, one pass each, with a small memory?

    driftwise results run la_maml --settings default permutations    # half an hour a seed

La-MAML and its relatives (Gupta et al. 2020), and ours with learned masks. The published numbers,
means of five seeds on one data file, are in docs/results.md.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from driftwise.agents.continual import LA_MAML_METHODS, ContinualConfig
from driftwise.benchmarks.continual_cells import cell_config, played
from driftwise.tracking import Result

SETTINGS = {
    "default": "rotations",
    "permutations": "permutations",
    "many_permutations": "many-permutations",
}
BASE = ContinualConfig()


def _config(row: str, setting: str) -> ContinualConfig:
    return dataclasses.replace(BASE, stream=SETTINGS[setting], learner=row)  # type: ignore[arg-type]


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Compute one cell."""
    return played(_config(row, setting), seed, row)


def config(row: str, setting: str) -> Mapping[str, Any]:
    """What decides the numbers of a cell."""
    given = _config(row, setting)
    return cell_config(given, given.make_la_maml())


RESULT = Result(
    name="la_maml",
    command="driftwise results run la_maml",
    protocol="MNIST, its classes cut to equal size (5,421 and 892 a class); 20 tasks of 1,000 "
    "images rotated by angles that grow from 0 to 180 degrees, or permuted, or 100 permuted tasks "
    "of 200; angles, permutations and images by seed; one pass in batches of 10; "
    "784-100-100-10, one head; reservoir of 200 images (500), as many replayed as are new; 5 "
    "glances (10 of sync and la_maml on many permutations). Accuracy on 8,920 test images of each "
    "task (1,000 of many permutations) after every task. Settings as in the La-MAML release. "
    "Masks: twice the step size of La-MAML under one that holds in both loops, the same under one "
    "in the inner loop; half closed at first, Adam 5e-4 on logits from U(-0.1, 0.1); picked from "
    "a few short runs on rotations, seed 100.",
    rows=list(LA_MAML_METHODS),
    settings=list(SETTINGS),
    seeds=list(range(5)),
    run=run,
    config=config,
)
