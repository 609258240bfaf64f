"""A stream, a learner, and what the learner is tested on: the two kinds of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...envs import Osaka
from ...envs.image_streams import OsakaTask
from ..classifiers.stream_record import answers
from .config import ContinualConfig

QUERIES = 15
"""Images of each class that tasks of the OSAKA stream are tested on."""


class TaskWorld:
    """A stream of moved pixels, its learner, and what it is tested on."""

    pretrain_updates = pretrained = 0

    def __init__(self, config: ContinualConfig) -> None:
        self.stream = config.make_tasks()
        self.learner = config.make_la_maml(self.stream.num_classes)
        self.ends = [
            (task + 1) * self.stream.steps_per_task for task in range(self.stream.num_tasks)
        ]

    @property
    def parts(self) -> list[Any]:
        """All that has a state."""
        return [self.learner, self.stream]

    def learn(self, batch: Any) -> tuple[float, float]:
        """The accuracy before the update, and the loss."""
        right = answers(self.learner, batch.images) == batch.labels
        metrics = self.learner.update(batch.images[:, None], batch.labels)
        return float(right.mean()), metrics["loss"]

    def test(self, task: int) -> float:
        """The accuracy on a task as it is."""
        images, labels = self.stream.test_set(task)
        return float((answers(self.learner, images) == labels).mean())


class OsakaWorld:
    """The OSAKA stream, its learner, and the tasks that it is tested on."""

    def __init__(self, config: ContinualConfig) -> None:
        self.stream = config.make_osaka()
        drawings = min(images.num_drawings for images in self.stream.image_sets)
        if config.num_shots + QUERIES > drawings:
            raise ValueError(
                f"num_shots must be at most {drawings - QUERIES}, as tasks are tested on {QUERIES} "
                f"of the {drawings} images that each class has at least, got {config.num_shots}"
            )
        self.learner = config.make_online()
        self.pretrain_updates = self.learner.config.pretrain_updates
        self.pretraining = config.make_pretraining(self.stream)
        bounds = np.linspace(0, config.steps, config.pieces + 1).astype(np.int64)
        self.ends = bounds[1:].tolist()
        self.probes = _tasks_at(self.stream, bounds[:-1])

    @property
    def parts(self) -> list[Any]:
        """All that has a state."""
        return [self.learner, self.stream, self.pretraining]

    @property
    def pretrained(self) -> int:
        """Updates before the stream, so far."""
        return self.pretraining.step // self.learner.config.pretrain_tasks

    def pretrain(self) -> float:
        """One update before the stream; returns its loss."""
        tasks = self.learner.config.pretrain_tasks
        return self.learner.pretrain([self.pretraining.next_batch() for _ in range(tasks)])["loss"]

    def learn(self, batch: Any) -> tuple[float, float]:
        """The accuracy before the update, and the loss."""
        metrics = self.learner.update(batch.images[:, None], batch.labels)
        return metrics["accuracy"], metrics["loss"]

    def test(self, task: int) -> float:
        """The accuracy on a task after one batch of it, from which the learner then recovers."""
        episode = self.stream.episode(self.probes[task], seed=task, num_queries=QUERIES)
        before = self.learner.state_dict()
        self.learner.update(episode.images[:, None], episode.labels)
        right = answers(self.learner, episode.query_images) == episode.query_labels
        self.learner.load_state_dict(before)
        return float(right.mean())


def _tasks_at(stream: Osaka, steps: NDArray[np.int64]) -> list[OsakaTask]:
    """The tasks at certain steps of a stream, which is played for that and then put back."""
    found, begin = [], stream.state_dict()
    for step in range(int(steps[-1]) + 1):
        stream.next_batch()
        if step in steps:
            assert stream.task is not None
            found.append(stream.task)
    stream.load_state_dict(begin)
    return found
