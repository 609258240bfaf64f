"""What each part of the Hebbian softmax is worth, on the curriculum of Omniglot up to 600 classes.

driftwise results run hebbian_ablation --seeds 0 1 2
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from driftwise.agents.classifiers import StreamConfig
from driftwise.benchmarks.stream_cells import curriculum, described, measure_levels, played
from driftwise.tracking import Result

# Each row changes one thing of "hebbian": gamma 0.01, T 500, rows' lengths kept, n/c, cosines of
# centred activations. "once" writes the first activations of a class and nothing later. (T = 2
# would not do: classes that a first batch has twice are never rare for it.)
ROWS: dict[str, dict[str, Any]] = {
    "hebbian": {},
    "gamma_0": {"gamma": 0.0},
    "gamma_0.1": {"gamma": 0.1},
    "gamma_1": {"gamma": 1.0},
    "T_1": {"T": 1.0},
    "once": {},
    "T_10": {"T": 10.0},
    "T_100": {"T": 100.0},
    "T_inf": {"T": math.inf},
    "rate_1_over_c": {"batch_rate": "1/c"},
    "norm_activation": {"norm_matching": "activation"},
    "norm_none": {"norm_matching": None},
    "no_centring": {"centring": False},
    "no_cosine": {"cosine": False},
    "neither": {"cosine": False, "centring": False},
}


def _config(row: str) -> StreamConfig:
    base = curriculum("hebbian", max_classes=600)
    if row == "once":
        same = {**base.learner_kwargs, "bias": True}
        return dataclasses.replace(base, learner="cosine_imprinting", learner_kwargs=same)
    return dataclasses.replace(base, learner_kwargs={**base.learner_kwargs, **ROWS[row]})


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Compute one cell."""
    return measure_levels(played(_config(row), seed, f"ablation-{row}"))


def config(row: str, setting: str) -> Mapping[str, Any]:
    """What decides the numbers of a cell."""
    return {**described(_config(row)), "version": 1}


RESULT = Result(
    name="hebbian_ablation",
    command="driftwise results run hebbian_ablation",
    protocol="As omniglot_curriculum.json at 70 %, up to 600 classes, all rows with the step size "
    "of hebbian. T_1 never writes, once a class at its first sight only.",
    rows=list(ROWS),
    settings=["default"],
    seeds=list(range(5)),
    run=run,
    config=config,
)
