"""How far does the curriculum go in an hour of one core, and how fast are its images?

    driftwise results run omniglot_scale --jobs 1

Beside it, online streams of the same tasks by Avalanche (avalanche-lib), which is not among the
`peers`: it brings much with it. Without it, its cells are skipped.
"""

import dataclasses
import itertools
import time
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import torch
from torch import nn

from driftwise.agents.classifiers import ConvNet, StreamConfig, make_learner
from driftwise.benchmarks.stream_cells import curriculum, described
from driftwise.envs import ClassIncremental, Omniglot
from driftwise.tracking import Result, SkipCell

BUDGET_S = 3600.0
"""Seconds of processor time for a curriculum."""
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {"max_classes": None},
    "rotations": {"max_classes": None, "rotations": True},
}
LEARNERS = ("hebbian", "softmax")
TASKS = 20
"""Tasks of 30 classes of which the streams of batches of 10 consist."""


def _config(row: str, setting: str) -> StreamConfig:
    return curriculum(row, max_level_steps=None, **SETTINGS[setting])


def _longest(config: StreamConfig, seed: int) -> dict[str, float]:
    """How many classes are learned until the time is over, and how long that takes."""
    config = dataclasses.replace(config, seed=seed)
    stream = config.make_stream()
    learner = config.make_learner(stream)
    begun, start = time.perf_counter(), time.process_time()
    levels: list[float] = []  # when each was complete
    while not stream.finished and time.process_time() - start < BUDGET_S:
        batch = stream.next_batch()
        learner.update(batch.images[:, None], batch.labels)
        stream.observe(lambda images: learner.predict(images[:, None]).argmax(1).numpy())
        if len(levels) < stream.level:  # type: ignore[attr-defined]
            levels.append(time.process_time() - start)
    classes = min(len(levels) * config.block_size, stream.num_classes)
    return {
        "classes": float(classes),
        "seconds": levels[-1] if levels else BUDGET_S,
        "wall_s": time.perf_counter() - begun,
        "steps": float(stream.step),
        "images_per_s": stream.step * stream.batch_size / (time.process_time() - start),
    }


def _rate(work: Iterator[Any], batches: int) -> float:
    """Images a second of batches of 10."""
    start = time.process_time()
    count = sum(1 for _ in itertools.islice(work, batches))
    return 10 * count / (time.process_time() - start)


def _ours(seed: int) -> dict[str, float]:
    """Batches of 10 of one task after another, and a plain softmax that learns them."""
    learner = make_learner("softmax", 30 * TASKS, mask_unseen=False)

    def stream() -> ClassIncremental:
        return ClassIncremental(
            Omniglot(), seed=seed, num_classes=30 * TASKS, steps_per_task=45, batch_size=10
        )

    updates = (learner.update(images[:, None], labels) for images, labels in stream())
    return {
        "stream_images_per_s": _rate(iter(stream()), 45 * TASKS),
        "training_images_per_s": _rate(updates, 300),
    }


def _avalanche(seed: int) -> dict[str, float]:
    """The way of Avalanche's own examples: a data set for each batch, `Naive` to train on it."""
    try:
        benchmarks = import_module("avalanche.benchmarks")
        training = import_module("avalanche.training")
    except ImportError as error:
        raise SkipCell(f"avalanche-lib cannot be imported ({error})") from None
    from torch.utils.data import DataLoader, TensorDataset

    omniglot, tasks = Omniglot(), []
    order = ClassIncremental(omniglot, seed=seed).class_order
    for first in range(0, 30 * TASKS, 30):
        images = omniglot.images[order[first : first + 30], :15].reshape(-1, 1, 28, 28)
        labels = torch.arange(first, first + 30).repeat_interleave(15)
        task = TensorDataset(torch.tensor(images).float() / 255, labels)
        task.targets = labels.tolist()  # type: ignore[attr-defined]
        tasks.append(benchmarks.utils.as_classification_dataset(task))
    scenario = benchmarks.benchmark_from_datasets(train=tasks)
    network = nn.Sequential(ConvNet(64), nn.Linear(64, 30 * TASKS))
    strategy = training.Naive(
        model=network,
        optimizer=torch.optim.Adam(network.parameters(), fused=True),
        train_mb_size=10,
        evaluator=training.plugins.EvaluationPlugin(),
    )

    def experiences() -> Iterator[Any]:
        return iter(
            benchmarks.split_online_stream(scenario.train_stream, experience_size=10, seed=seed)
        )

    def batches() -> Iterator[Any]:
        for experience in experiences():
            yield from DataLoader(experience.dataset, batch_size=10)

    updates = (strategy.train(experience) for experience in experiences())
    return {
        "stream_images_per_s": _rate(batches(), 45 * TASKS),
        "training_images_per_s": _rate(updates, 300),
    }


def run(row: str, setting: str, seed: int) -> Mapping[str, Any]:
    """Compute one cell."""
    torch.set_num_threads(1)
    if setting == "batch_10":
        return {"ours": _ours, "avalanche": _avalanche}[row](seed)
    return _longest(_config(row, setting), seed)


def config(row: str, setting: str) -> Mapping[str, Any] | None:
    """What decides the numbers of a cell."""
    if setting == "batch_10":
        return {"tasks": TASKS, "version": 1} if row not in LEARNERS else None
    if row not in LEARNERS:
        return None
    return {**described(_config(row, setting)), "budget_s": BUDGET_S, "version": 1}


RESULT = Result(
    name="omniglot_scale",
    command="driftwise results run omniglot_scale --jobs 1",
    protocol="classes: those of completed levels of the curriculum at 70 % after at most an "
    "hour of one core, with all 1,623 classes of Omniglot and with all 6,492 of its rotations; "
    "seconds: until then, checks included. batch_10: images a second of one core, 20 tasks of 30 "
    "classes in batches of 10, the batches alone and with a plain softmax on the same network.",
    rows=[*LEARNERS, "ours", "avalanche"],
    settings=[*SETTINGS, "batch_10"],
    seeds=list(range(3)),
    run=run,
    config=config,
    packages=("avalanche-lib",),
)
