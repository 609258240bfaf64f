"""What do learners keep of 20 or 100 tasks of MNIST, one pass each, with a small memory?

    driftwise results run la_maml --settings default permutations    # half an hour a seed

La-MAML and its relatives (Gupta et al. 2020), and ours with learned masks. The published numbers,
means of five seeds on one data file, are in docs/results.md.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from driftwise.agents.continual import LA_MAML_METHODS, ContinualConfig
from driftwise.agents.continual.settings import LA_MAML
from driftwise.benchmarks.continual_cells import cell_config, played
from driftwise.tracking import Result

SETTINGS = {
    "default": "rotations",
    "permutations": "permutations",
    "many_permutations": "many-permutations",
}
BASE = ContinualConfig()
SAME_STEPS = "c_maml_same_steps"
"""C-MAML with the step size of sparse-La-MAML in both loops: the same with nothing closed."""


def _config(row: str, setting: str) -> ContinualConfig:
    config = dataclasses.replace(BASE, stream=SETTINGS[setting])  # type: ignore[arg-type]
    if row != SAME_STEPS:
        return dataclasses.replace(config, learner=row)
    rate = LA_MAML[config.stream]["sparse_la_maml"]["inner_lr"]
    rates = {"inner_lr": rate, "learning_rate": rate}
    return dataclasses.replace(config, learner="c_maml", learner_kwargs=rates)


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
    "Masks: step size 0.15 (0.05 on permutations) where they are open, a tenth closed at first, "
    "Adam 5e-5 on logits over a range of 0.2; picked from ten runs on rotations and three on "
    "permutations, seed 100. c_maml_same_steps: "
    "the same without a mask, which is C-MAML.",
    rows=[*LA_MAML_METHODS, SAME_STEPS],
    settings=list(SETTINGS),
    seeds=list(range(5)),
    run=run,
    config=config,
)
