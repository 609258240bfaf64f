"""What is measured while a learner is on a stream; plain data, part of every checkpoint."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...envs import ClassCurriculum, ClassIncremental
from ...envs.image_streams import ClassStream
from ...evaluation import summarize_continual
from .learner import Learner

SIGHTINGS = (1, 5, 20)
"""How often the classes of a block have been seen, on average, when its binding is measured."""
OLD_LABELS = 60
"""How many of the labels before a block are asked about then."""


class Stage(NamedTuple):
    """A level of a curriculum, a task, or so many steps of an i.i.d. stream.

    Attributes:
        number: stages before it.
        first, stop: its new labels are those from ``first`` to ``stop`` - 1.
    """

    number: int
    first: int
    stop: int


def current_stage(stream: ClassStream, iid_steps: int) -> Stage:
    """The stage that the next batch of a stream belongs to."""
    if isinstance(stream, ClassCurriculum):
        return Stage(stream.level, stream.num_old, stream.num_active)
    if isinstance(stream, ClassIncremental):
        task = stream.step // stream.steps_per_task
        if task == stream.num_tasks:  # behind the last batch
            return Stage(task, stream.num_classes, stream.num_classes)
        return Stage(task, *stream.labels_of(task))
    return Stage(stream.step // iid_steps, 0, stream.num_classes)


def answers(learner: Learner, images: NDArray[np.float32]) -> NDArray[np.int64]:
    """The labels (n,) that a learner gives to images (n, 28, 28)."""
    predicted: NDArray[np.int64] = learner.predict(images[:, None]).argmax(1).cpu().numpy()
    return predicted


class StreamRecord:
    """The measurements of a run.

    Attributes:
        stages: of each stage its ``number``, the ``classes`` so far, the ``step`` at its end, how
            many ``steps`` it took, whether it is ``complete``, and the ``accuracy`` at its end on
            the held-out drawings of all classes so far, of the ``new`` ones and of the ``old``
            ones (None in the first stage).
        blocks: at the end of each stage, the accuracy on the held-out drawings of each block of
            labels that a stage has added so far.
        binding: for each block of new classes and each k of :data:`SIGHTINGS`, at the first step
            by which its classes have been seen k times on average: the ``step`` and the accuracies
            on the held-out drawings of ``new``, the block, and ``old``, 60 of the labels before it.
            A block whose level is complete earlier is measured all the same, so that no learner is
            spared a block that it was quick with.
    """

    def __init__(self) -> None:
        self.stages: list[dict[str, Any]] = []
        self.blocks: list[list[float]] = []
        self.binding: list[dict[str, Any]] = []
        self._begun = 0  # step at which the current stage began
        self._known = 0  # labels whose binding is measured, or going to be
        self._waiting: list[list[int]] = []  # first label, label after the last one, sightings

    def observe(self, learner: Learner, stream: ClassStream, stage: Stage) -> None:
        """Measure the binding that is due after the learner's update with a batch of ``stage``."""
        if stage.stop > self._known:
            self._waiting += [[self._known, stage.stop, k] for k in SIGHTINGS]
            self._known = stage.stop
        for item in list(self._waiting):
            first, stop, sightings = item
            if stream.sightings[first:stop].mean() >= sightings:
                held_out, labels = stream.held_out(0, stop), _asked(first, stop)
                drawings = len(held_out.labels) // stop
                rows = (labels[:, None] * drawings + np.arange(drawings)).ravel()
                right = answers(learner, held_out.images[rows]) == held_out.labels[rows]
                right = right.reshape(len(labels), drawings)
                self.binding.append(
                    {
                        "classes": stop,
                        "sightings": sightings,
                        "step": stream.step,
                        "new": _share(right[labels >= first]),
                        "old": _share(right[labels < first]),
                    }
                )
                self._waiting.remove(item)

    def close_stage(
        self, stage: Stage, step: int, right: NDArray[np.bool_], complete: bool
    ) -> dict[str, Any]:
        """Take down the end of a stage.

        Args:
            stage: which.
            step: steps of the stream so far.
            right: which held-out drawings of the labels below ``stage.stop`` are told right, label
                by label.
            complete: whether the stage is complete.

        Returns:
            The new entry of ``stages``.
        """
        right = right.reshape(stage.stop, -1)
        if self.stages and not self.stages[-1]["complete"]:  # ended in it, and gone on since
            self._begun -= self.stages.pop()["steps"]
            self.blocks.pop()
        self.stages.append(
            {
                "number": stage.number,
                "classes": stage.stop,
                "step": step,
                "steps": step - self._begun,
                "complete": complete,
                "accuracy": _share(right),
                "new": _share(right[stage.first :]),
                "old": _share(right[: stage.first]),
            }
        )
        stops = [entry["classes"] for entry in self.stages]
        blocks = [(a, b) for a, b in zip([0, *stops], stops, strict=False) if a < b]
        self.blocks.append([float(right[begin:end].mean()) for begin, end in blocks])
        self._begun = step
        return self.stages[-1]

    def forgetting(self) -> dict[str, float | None]:
        """The metrics of :func:`~driftwise.evaluation.summarize_continual`, by blocks of classes.

        Block j is what stage j added. Of a stream that adds none, there is one block.
        """
        if not self.blocks:
            return {}
        count = len(self.blocks[-1])
        accuracy = np.full((count, count), np.nan)
        for blocks in self.blocks:
            accuracy[len(blocks) - 1, : len(blocks)] = blocks
        return {
            name: None if np.isnan(value) else value.item()
            for name, value in summarize_continual(accuracy).items()
        }

    def state_dict(self) -> dict[str, Any]:
        """All of it, a copy."""
        return copy.deepcopy(self.__dict__)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of :meth:`state_dict`."""
        self.__dict__.update(copy.deepcopy(state))


def _asked(first: int, stop: int) -> NDArray[np.int64]:
    """The labels of a block and, of those before it, 60 at equal distances, or all there are."""
    old = np.linspace(0, first, min(first, OLD_LABELS), endpoint=False).astype(np.int64)
    return np.concatenate((old, np.arange(first, stop)))


def _share(right: NDArray[np.bool_]) -> float | None:
    """The share of right answers, or None of no questions."""
    return float(right.mean()) if right.size else None


class Recent:
    """Means of the metrics that have come since they were last taken."""

    def __init__(self) -> None:
        self._sums: dict[str, list[float]] = {}  # by name, the sum and the number of steps

    def add(self, metrics: Mapping[str, float]) -> None:
        """One more step."""
        for name, value in metrics.items():
            total, count = self._sums.get(name, (0.0, 0.0))
            self._sums[name] = [total + value, count + 1.0]

    def take(self) -> dict[str, float]:
        """The means, to begin anew."""
        sums, self._sums = self._sums, {}
        return {name: total / count for name, (total, count) in sums.items()}

    def state_dict(self) -> dict[str, Any]:
        """All of it, a copy."""
        return {"sums": copy.deepcopy(self._sums)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of :meth:`state_dict`."""
        self._sums = copy.deepcopy(state["sums"])
