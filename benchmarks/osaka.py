"""How well are tasks of Omniglot, MNIST and Fashion-MNIST told apart that change at any time?

    driftwise results run osaka --settings default stay_90 --seeds 0 1 2

The OSAKA stream (Caccia et al. 2020): continual MAML, its masked forms, and what it is made of.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from driftwise.agents.continual import ONLINE_METHODS, ContinualConfig
from driftwise.agents.continual.settings import PROLONGED_RELEASE, SPARSE_RELU_RELEASE
from driftwise.benchmarks.continual_cells import cell_config, played
from driftwise.tracking import Result

WIDTH = 32
BASE = ContinualConfig(stream="osaka", steps=2_000)
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "stay_90": {"stay_probability": 0.9},
    "unit_pixels": {"raw_pixels": False},
    "steps_10000": {"steps": 10_000},
}
RELEASED = {
    "c_maml_prolonged": ("c_maml", PROLONGED_RELEASE),
    "sparse_relu_c_maml_prolonged": ("sparse_relu_c_maml", SPARSE_RELU_RELEASE),
}
"""Prolonged adaptation, dense and sparse, by the settings that the OSAKA release has for each."""
IN_ALL_SETTINGS = ("c_maml", "sparse_c_maml", "sparse_relu_c_maml")


def _config(row: str, setting: str) -> ContinualConfig:
    config = dataclasses.replace(BASE, **SETTINGS[setting])
    settings: dict[str, Any] = {"width": WIDTH}
    if row in RELEASED:
        row, released = RELEASED[row]
        settings |= released[config.stay_probability]
    return dataclasses.replace(config, learner=row, learner_kwargs=settings)


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Compute one cell."""
    return played(_config(row, setting), seed, f"{row}-{setting}")


def config(row: str, setting: str) -> Mapping[str, Any] | None:
    """What decides the numbers of a cell."""
    if setting in ("unit_pixels", "steps_10000") and row not in IN_ALL_SETTINGS:
        return None
    given = _config(row, setting)
    return cell_config(given, given.make_online())


RESULT = Result(
    name="osaka",
    command="driftwise results run osaka",
    protocol="OSAKA (Caccia et al. 2020): tasks of 10 classes of Omniglot (0.5), MNIST or "
    "Fashion-MNIST (0.25 each) that stay with probability 0.98 (0.90) at each step of 5 images a "
    "class; 2,000 steps (10,000 in the paper, 20 runs); Conv4 of 32 channels (64) with batch "
    "statistics; pixels of MNIST and Fashion-MNIST to 255, as released. Accuracy on each batch "
    "before it is learned. C-MAML (task boundaries seen, update modulation at 0.90) and Online "
    "Adam by the release's settings, ReLU by those of C-MAML, masks likewise, a tenth closed at "
    "first, Adam 2.5e-4 on logits over a range of 0.2; prolonged: as released for each; MAML and "
    "its masked forms: 500 updates of 4 episodes of 900 Omniglot classes before, 4 steps of 0.1, "
    "first order. Forgetting and "
    "transfer: accuracy on other drawings of the tasks that begin five equal parts of the stream, "
    "after one batch of them, tested after each part. Nothing was tuned.",
    rows=[*ONLINE_METHODS, *RELEASED],
    settings=list(SETTINGS),
    seeds=list(range(5)),
    run=run,
    config=config,
)
