"""Does sparse-MAML show, on Omniglot, what its paper shows on mini-ImageNet?

    driftwise results run sparse_maml_signatures --seeds 0 1 2     # about 2 core-hours a seed

Four signatures (von Oswald, Zhao et al. 2021): early layers freeze and the head stays plastic;
sparsity grows with the inner rate and with the number of steps, and shrinks with width; rates at
which MAML collapses still work; and what it learns carries over to other images (cross-domain
accuracy, beside MAML, ANIL and BOIL). Every setting changes one thing of the default one.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

from driftwise.agents.allocator import keep_freed_memory
from driftwise.agents.few_shot import FewShotConfig, train_few_shot
from driftwise.tracking import Result

RUNS = "runs/few_shot"
VERSION = 1  # also in the names of runs, so that those of earlier code are not gone on with
OTHER_IMAGES = ("glyphs", "mnist", "fashion_mnist")

BASE = FewShotConfig(width=32, updates=2_000, test_on=OTHER_IMAGES)
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "inner_lr_0.05": {"inner_lr": 0.05},
    "inner_lr_0.5": {"inner_lr": 0.5},
    "inner_steps_25": {"inner_steps": 25},
    "width_16": {"width": 16},
    "width_64": {"width": 64},
    # MNIST has too few classes for it.
    "ways_20": {"num_ways": 20, "num_queries": 5, "test_on": ("glyphs",)},
}
ROWS = (
    *("sparse_maml", "maml", "anil", "boil"),
    *("sparse_relu_maml", "sparse_maml_plus", "meta_sgd"),
)
EVERYWHERE = ("sparse_maml", "maml")
"""The rows that all settings have; the others have the default one only."""


def _config(row: str, setting: str) -> FewShotConfig:
    return dataclasses.replace(BASE, method=row, **SETTINGS[setting])


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Train one learner and test it; one that diverges has the accuracy of guessing."""
    torch.set_num_threads(1)
    keep_freed_memory()
    settings = dataclasses.replace(_config(row, setting), seed=seed)
    try:
        report = train_few_shot(
            settings,
            runs=RUNS,
            name=f"{row}-{setting}-v{VERSION}",
            progress=False,
            tensorboard=False,
        )
    except FloatingPointError as error:
        guessing = 1 / settings.num_ways
        others = {f"accuracy_{images}": guessing for images in settings.test_on}
        return {"accuracy": guessing, **others, "diverged": 1.0, "error": str(error)}
    tests = dict(report["tests"])
    own = tests.pop(settings.images)
    return {
        "accuracy": own["accuracy"],
        "diverged_tests": own["diverged"] / own["n"],
        **{f"accuracy_{images}": test["accuracy"] for images, test in tests.items()},
        **{f"sparsity_{layer}": share for layer, share in report["sparsity"].items()},
        "diverged": 0.0,
        "history": report["history"],
    }


def config(row: str, setting: str) -> Mapping[str, Any] | None:
    """What decides the numbers of a cell."""
    if setting != "default" and row not in EVERYWHERE:
        return None
    return {"run": dataclasses.asdict(_config(row, setting)), "version": VERSION}


RESULT = Result(
    name="sparse_maml_signatures",
    command="driftwise results run sparse_maml_signatures",
    protocol="Omniglot, 28 x 28, 900 classes to train, 659 to test, no rotations; 5-way 1-shot, "
    "15 queries a class; Conv4 of 32 channels with transductive batch norm; 5 inner steps of rate "
    "0.1, the same in tests; first order; Adam 1e-3, of masks 7.5e-3, initial sparsity 0.5 in "
    "every tensor; 4 episodes an update, 2,000 updates; the last learner, whatever it did on the "
    "64 classes to validate by. Accuracy: mean over 600 episodes of held-out classes, and of the "
    "images named; an episode in which the inner loop diverges counts as guessed, and so does all "
    "of a learner that diverges in training. Sparsity: share of the weights that the inner loop "
    "leaves as they are. Nothing was tuned for any row.",
    rows=list(ROWS),
    settings=list(SETTINGS),
    seeds=list(range(5)),
    run=run,
    config=config,
)
