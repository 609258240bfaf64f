"""Tasks that differ in how the pixels are moved: rotated by an angle, or permuted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from ..arguments import check_count, check_count_or_none, check_positive, in_short
from ..images import ImageSet
from .image_stream import Batch, ImageStream, to_float

KINDS = ("rotations", "permutations")
NOWHERE = -1


def rotation_sources(angle: float, size: int) -> NDArray[np.int64]:
    """Where each pixel of a rotated image comes from.

    As ``Image.rotate`` of Pillow does it: about the centre, counterclockwise, to the nearest pixel.

    Args:
        angle: In degrees.
        size: Pixels of a side.

    Returns:
        (size * size,) numbers of pixels, row by row, or -1 for those from outside the image.
    """
    turn = np.deg2rad(angle)
    rows, columns = np.divmod(np.arange(size * size), size)
    y, x = rows + 0.5 - size / 2, columns + 0.5 - size / 2  # of the centres, about the middle
    from_x = np.floor(np.cos(turn) * x - np.sin(turn) * y + size / 2).astype(np.int64)
    from_y = np.floor(np.sin(turn) * x + np.cos(turn) * y + size / 2).astype(np.int64)
    inside = (from_x >= 0) & (from_x < size) & (from_y >= 0) & (from_y < size)
    return np.where(inside, from_y * size + from_x, NOWHERE)


class PixelTasks(ImageStream):
    """One task after another, each with the same classes and its pixels moved in its own way.

    The streams of Gradient Episodic Memory (Lopez-Paz & Ranzato 2017) in the sizes of
    Meta-Experience Replay (Riemer et al. 2019) and La-MAML (Gupta et al. 2020):

    ==================  =========================================================
    MNIST rotations     20 tasks of 1,000 images, the angles between 0 and 180
    MNIST permutations  20 tasks of 1,000 images
    many permutations   100 tasks of 200 images
    ==================  =========================================================

    Angles grow from task to task: that of task t is drawn from the t-th of equal parts of the
    range. Every task has images of its own draw, each of which comes once. Labels are the classes,
    in all tasks. Nothing tells a learner when a task ends.

    Args:
        images: Images to train on, ``MNIST()``.
        test_images: Images to test on, ``MNIST(train=False)``; the same classes.
        kind: ``"rotations"`` or ``"permutations"``.
        seed: Where the angles or permutations and the images come from.
        num_tasks: T.
        samples_per_task: Images of each task.
        batch_size: Images in a batch.
        max_angle: Of rotations, in degrees.
        test_samples: Images of each test set, the same in all tasks; by default all there are.

    Attributes:
        sources: (T, pixels) where each pixel of a task's images comes from; -1 is paper.
        angles: (T,) of rotations, in degrees.

    Raises:
        TypeError, ValueError: An argument is not what it must be.
    """

    def __init__(
        self,
        images: ImageSet,
        test_images: ImageSet,
        kind: str = "rotations",
        *,
        seed: int = 0,
        num_tasks: int = 20,
        samples_per_task: int = 1_000,
        batch_size: int = 10,
        max_angle: float = 180.0,
        test_samples: int | None = None,
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        if not isinstance(test_images, ImageSet):
            raise TypeError(
                f"test_images must be an ImageSet, such as MNIST(train=False), "
                f"got {in_short(test_images)}"
            )
        per_task = -(-check_count("samples_per_task", samples_per_task, least=1)
                     // check_count("batch_size", batch_size, least=1))  # fmt: skip
        super().__init__(
            images,
            seed=seed,
            rotations=False,
            num_batches=check_count("num_tasks", num_tasks, least=1) * per_task,
            test_images=repr(test_images),
            kind=kind,
            num_tasks=num_tasks,
            samples_per_task=samples_per_task,
            batch_size=batch_size,
            max_angle=check_positive("max_angle", max_angle),
        )
        if test_images.class_names != images.class_names:
            raise ValueError("test_images must have the same classes as images")
        if samples_per_task > len(self._pixels):
            raise ValueError(
                f"samples_per_task must be at most {len(self._pixels):,}, all of {images.name}, "
                f"got {samples_per_task:,}"
            )
        self.num_tasks, self.num_classes = num_tasks, images.num_classes
        self.samples_per_task, self.batch_size = samples_per_task, batch_size
        self.steps_per_task = per_task
        self._drawings = images.num_drawings

        size = self.image_shape[0]
        rng = np.random.default_rng([seed, 0])
        self.angles = (np.arange(num_tasks) + rng.random(num_tasks)) * (max_angle / num_tasks)
        if kind == "rotations":
            self.sources = np.stack([rotation_sources(a, size) for a in self.angles.tolist()])
        else:
            self.sources = rng.random((num_tasks, size * size)).argsort(axis=1, kind="stable")

        tests = test_images.images.reshape(-1, size, size)
        labels = np.arange(self.num_classes).repeat(test_images.num_drawings)
        wanted = check_count_or_none("test_samples", test_samples, least=1)
        if wanted is not None and wanted > len(tests):
            raise ValueError(
                f"test_samples must be at most {len(tests):,}, all of {test_images.name}, "
                f"got {wanted:,}"
            )
        chosen = np.random.default_rng([seed, 3]).random(len(tests)).argsort(kind="stable")
        chosen = np.sort(chosen[:wanted])
        self._tests, self._test_labels = tests[chosen], labels[chosen]
        self._of_task = -1  # whose images are in _order
        self._order = np.empty(0, dtype=np.int64)

    @property
    def task(self) -> int:
        """The task of the latest batch (0 before the first one)."""
        return max(self.step - 1, 0) // self.steps_per_task

    def test_set(self, task: int) -> Batch:
        """The images to test on, moved as in a task; of another draw than those to train on.

        Raises:
            ValueError: There is no such task.
        """
        if not 0 <= task < self.num_tasks:
            raise ValueError(f"task must be in [0, {self.num_tasks}), got {task}")
        return Batch(self._moved(self._tests, task), self._test_labels.copy())

    @override
    def _draw(self) -> Batch:
        task, batch = divmod(self.step, self.steps_per_task)
        if task != self._of_task:
            rng = np.random.default_rng([self.settings["seed"], 1, task])
            order = rng.random(len(self._pixels)).argsort(kind="stable")
            self._of_task, self._order = task, order[: self.samples_per_task]
        rows = self._order[batch * self.batch_size : (batch + 1) * self.batch_size]
        return Batch(self._moved(self._pixels[rows], task), rows // self._drawings)

    def _moved(self, pixels: NDArray[np.uint8], task: int) -> NDArray[np.float32]:
        flat = pixels.reshape(len(pixels), -1)
        padded = np.concatenate((flat, np.zeros((len(flat), 1), dtype=np.uint8)), axis=1)
        return to_float(padded[:, self.sources[task]].reshape(pixels.shape))
