"""A stream of tasks, each with classes of its own."""

from __future__ import annotations

from typing_extensions import override

from ..arguments import check_count
from ..images import ImageSet
from .class_stream import ClassStream
from .image_stream import Batch


class ClassIncremental(ClassStream):
    """Block after block of new classes, for a fixed number of steps each, whatever is learned.

    Unlike in a :class:`ClassCurriculum`, the classes of earlier tasks do not come again, so that
    this is the stream on which to see what a learner forgets. Nothing tells it when a task ends,
    apart from the labels.

    Args:
        images: The images.
        seed: Where the order of the classes and the batches come from.
        classes_per_task: Classes of each task (the last one may have fewer).
        steps_per_task: Batches of each task.
        num_classes: Classes of all tasks together; by default all there are.
        rotations: Whether images rotated by 90, 180 and 270 degrees are classes of their own.
        train_drawings: Drawings of each class for training, the first ones.
        test_drawings: Drawings held out, the ones after those.
        batch_size: Images in a batch.

    Raises:
        TypeError, ValueError: An argument is not what it must be.
    """

    def __init__(
        self,
        images: ImageSet,
        *,
        seed: int = 0,
        classes_per_task: int = 30,
        steps_per_task: int = 200,
        num_classes: int | None = None,
        rotations: bool = False,
        train_drawings: int = 15,
        test_drawings: int = 5,
        batch_size: int = 32,
    ) -> None:
        super().__init__(
            images,
            seed=seed,
            num_classes=num_classes,
            rotations=rotations,
            train_drawings=train_drawings,
            test_drawings=test_drawings,
            batch_size=batch_size,
            classes_per_task=check_count("classes_per_task", classes_per_task, least=1),
            steps_per_task=check_count("steps_per_task", steps_per_task, least=1),
        )
        self.classes_per_task, self.steps_per_task = classes_per_task, steps_per_task
        self.num_tasks = -(-self.num_classes // classes_per_task)
        self.num_batches = self.num_tasks * steps_per_task

    @property
    def task(self) -> int:
        """The task of the latest batch (0 before the first one)."""
        return max(self.step - 1, 0) // self.steps_per_task

    def labels_of(self, task: int) -> tuple[int, int]:
        """First label of a task, and the first one after it, as :meth:`held_out` takes them.

        Raises:
            ValueError: There is no such task.
        """
        if not 0 <= task < self.num_tasks:
            raise ValueError(f"task must be in [0, {self.num_tasks}), got {task}")
        first = task * self.classes_per_task
        return first, min(first + self.classes_per_task, self.num_classes)

    @override
    def _draw(self) -> Batch:
        return self._draw_from(*self.labels_of(self.step // self.steps_per_task))
