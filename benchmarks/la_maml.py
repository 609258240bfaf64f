"""What do learners keep of 20 or 100 tasks of MNIST, one pass each, with a small memory?

    driftwise results run la_maml --settings default permutations    # half an hour a seed

La-MAML and its relatives (Gupta et al. 2020), and ours with learned masks. The authors' published
numbers, means of five seeds on one data file, are in docs/results.md.
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

PUBLISHED = {
    # Retained accuracy and BTI in percent, Gupta et al. 2020; the first two after Riemer et al.
    "rotations": {
        "online": (53.38, -5.44),
        "mer": (77.42, -5.60),
        "c_maml": (77.33, -7.88),
        "sync": (74.07, -6.66),
        "la_maml": (77.42, -8.64),
    },
    "permutations": {
        "online": (55.42, -13.76),
        "mer": (73.46, -9.96),
        "c_maml": (74.54, -10.36),
        "sync": (70.54, -14.02),
        "la_maml": (74.34, -7.60),
    },
    "many-permutations": {
        "online": (32.62, -19.06),
        "mer": (47.40, -17.78),
        "c_maml": (47.29, -20.86),
        "sync": (44.48, -24.18),
        "la_maml": (48.46, -12.96),
    },
}


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
    "images rotated by angles that grow from 0 to 180 degrees, or permuted, or 100 permuted tasks of "
    "200; angles, permutations and images by seed; one pass in batches of 10; 784-100-100-10, one "
    "head; reservoir of 200 images (500), as many replayed as are new; 5 glances (10 of sync and "
    "la_maml on many permutations). Accuracy on 8,920 test images of each task (1,000 of many "
    "permutations) after every task. Settings as in the La-MAML release; masks: alpha of La-MAML, "
    "half closed at first, Adam 5e-3 on logits from U(-0.1, 0.1), not tuned.",
    rows=list(LA_MAML_METHODS),
    settings=list(SETTINGS),
    seeds=list(range(5)),
    run=run,
    config=config,
)
