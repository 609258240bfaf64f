"""What the results about classifiers on the curriculum share: learners, runs, what is measured."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from driftwise.agents.classifiers import LEARNERS, StreamConfig, run_stream, run_streams

RUNS = "runs/streams"
MAX_CLASSES = 900
CAP = 500
"""Steps after which a level counts as censored, and the run ends."""
RATES = ("learning_rate", "row_learning_rate")
GROUP = 5
"""Levels over which measures are averaged: one is resolved to no more than 10 steps."""

ROWS = (
    "softmax",
    "softmax_fast_rows",
    "hebbian",
    "cosine_imprinting",
    "lambda_only",
    "cosine",
    "nearest_class_mean",
    "replay",
    "fast_weights",
)


def curriculum(learner: str, **settings: Any) -> StreamConfig:
    """A learner, with its step sizes, tuned on another class order, on the curriculum."""
    defaults = vars(LEARNERS[learner]())
    rates = {name: defaults[name] for name in RATES if name in defaults}
    config = StreamConfig(
        learner=learner, learner_kwargs=rates, max_classes=MAX_CLASSES, max_level_steps=CAP
    )
    return dataclasses.replace(config, **settings)


EARLIER_STREAMS = 4


def earlier(config: StreamConfig) -> StreamConfig:
    """The streams of other images over which slow weights are trained before those of a run."""
    return dataclasses.replace(config, images="glyphs", max_classes=1200, max_steps=250)


def trained_before(config: StreamConfig, seed: int, name: str) -> StreamConfig:
    """The run of a learner whose slow weights were trained over earlier streams."""
    torch.set_num_threads(1)
    first = dataclasses.replace(earlier(config), seed=EARLIER_STREAMS * seed)
    options = {"runs": RUNS, "name": name, "progress": False, "tensorboard": False}
    folder = run_streams(first, EARLIER_STREAMS, **options)[-1]["folder"]
    return dataclasses.replace(config, slow_weights_from=str(Path(folder) / "learner"))


def played(config: StreamConfig, seed: int, name: str) -> dict[str, Any]:
    """The report of a run, in a folder: a killed cell goes on, and results can share a run."""
    torch.set_num_threads(1)
    seeded = dataclasses.replace(config, seed=seed)
    return run_stream(seeded, runs=RUNS, name=name, progress=False, tensorboard=False)


def described(config: StreamConfig) -> dict[str, Any]:
    """What decides the numbers of a run: also those settings of the learner that it leaves open.

    Not the folder of earlier slow weights: what decides these numbers is how they were trained.
    """
    run = dataclasses.asdict(config)
    del run["slow_weights_from"]
    return {"run": run, "learner": vars(LEARNERS[config.learner](**config.learner_kwargs))}


def measure_levels(report: Mapping[str, Any]) -> dict[str, Any]:
    """Steps and sightings that levels took; those that were not completed count with the cap.

    Metrics named ``..._<n>`` are means over the five levels that end at n classes.
    """
    config, done = report["config"], report["steps_per_level"]
    first, cap = config["block_size"], config["max_level_steps"]
    classes = np.minimum(first * np.arange(1, config["max_classes"] // first + 1), MAX_CLASSES)
    steps = np.full(len(classes), cap, dtype=np.float64)
    steps[: len(done)] = done
    sightings = np.array(report["sightings_to_criterion"], dtype=np.float64).reshape(-1, first)
    sightings[len(done) :] = (cap * config["batch_size"] / classes[len(done) :])[:, None]
    metrics: dict[str, Any] = {
        "classes": float(first * len(done)),
        "steps_to_300": float(steps[classes <= 300].sum()),
        "steps_to_all": float(steps.sum()),
    }
    for end in range(GROUP, len(classes) + 1, GROUP):
        levels = slice(end - GROUP, end)
        metrics[f"steps_per_level_{classes[end - 1]}"] = float(steps[levels].mean())
        metrics[f"sightings_to_criterion_{classes[end - 1]}"] = float(sightings[levels].mean())
    return {
        **metrics,
        "steps_per_level": done,
        "sightings_to_criterion": report["sightings_to_criterion"],
        "stages": report["stages"],
    }
