"""Streams whose labels are the classes in the order in which they appear."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arguments import check_count, check_count_or_none
from ..images import ImageSet
from .image_stream import Batch, ImageStream, to_float


def class_order(uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
    """A random order of the classes (..., C), by a uniform random number for each."""
    return np.argsort(uniforms, axis=-1, kind="stable")


class ClassStream(ImageStream):
    """A stream over classes in a random order, of which some drawings are held out.

    Label k is the class that appears k-th, ``class_names[k]``. The seed says which that is; the
    other arguments do not change it. A batch is drawn with replacement, each drawing for training
    of each class in question being equally likely.

    Args:
        images: The images.
        seed: Where the order of the classes and all other randomness comes from.
        num_classes: How many of the classes are used, by default all.
        rotations: Whether images rotated by 90, 180 and 270 degrees are classes of their own.
        train_drawings: Drawings of each class for training, the first ones.
        test_drawings: Drawings that are held out, the ones after those.
        batch_size: Images in a batch.
        num_batches: Length of the stream, or None where it has no fixed one.
        settings: Further arguments, as plain values.

    Attributes:
        num_classes: Labels are below this.
        class_order: Number of each label's class in the set of images, (num_classes,).
        class_names: Name of each label's class.
        sightings: How often each label has been in a batch, (num_classes,).
    """

    def __init__(
        self,
        images: ImageSet,
        *,
        seed: int,
        num_classes: int | None,
        rotations: bool,
        train_drawings: int,
        test_drawings: int,
        batch_size: int,
        num_batches: int | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(
            images,
            seed=seed,
            rotations=rotations,
            num_batches=num_batches,
            num_classes=None,  # below: equal streams have equal settings
            train_drawings=check_count("train_drawings", train_drawings, least=1),
            test_drawings=check_count("test_drawings", test_drawings, least=1),
            batch_size=check_count("batch_size", batch_size, least=1),
            **settings,
        )
        there, drawings = self._images.num_classes, self._images.num_drawings
        wanted = check_count_or_none("num_classes", num_classes, least=1)
        num_classes = there if wanted is None else wanted
        if num_classes > there:
            raise ValueError(
                f"num_classes must be at most {there}, all of {self._images.name}, "
                f"got {num_classes}"
            )
        self.settings["num_classes"] = num_classes
        if train_drawings + test_drawings > drawings:
            raise ValueError(
                f"train_drawings + test_drawings must be at most {drawings}, all drawings of a "
                f"class, got {train_drawings} + {test_drawings}"
            )
        self.num_classes = num_classes
        self.batch_size = batch_size
        self.train_drawings, self.test_drawings = train_drawings, test_drawings
        self.class_order = class_order(np.random.default_rng(seed).random(there))[:num_classes]
        self.class_names = tuple(self._images.class_names[k] for k in self.class_order.tolist())
        self.sightings = np.zeros(num_classes, dtype=np.int64)
        rows = self.class_order[:, None] * drawings + np.arange(drawings)
        self._train_rows = rows[:, :train_drawings].copy()
        self._test_rows = rows[:, train_drawings : train_drawings + test_drawings].copy()

    def _draw_from(self, first: int, stop: int) -> Batch:
        """A batch of the labels from ``first`` to ``stop`` - 1."""
        per_class = self.train_drawings
        count = (stop - first) * per_class
        chosen = (self._rng.random(self.batch_size) * count).astype(np.int64) + first * per_class
        labels = chosen // per_class
        np.add.at(self.sightings, labels, 1)
        return self._batch(self._train_rows.take(chosen), labels)

    def _batch(self, rows: NDArray[np.int64], labels: NDArray[np.int64]) -> Batch:
        return Batch(to_float(self._pixels.take(rows, axis=0)), labels)

    def held_out(self, first: int = 0, stop: int | None = None) -> Batch:
        """All drawings that are held out, of the labels from ``first`` to ``stop`` - 1.

        Raises:
            ValueError: There are no such labels.
        """
        stop = self.num_classes if stop is None else stop
        if not 0 <= first < stop <= self.num_classes:
            raise ValueError(
                f"first and stop must be labels with 0 <= first < stop <= {self.num_classes}, "
                f"got {first} and {stop}"
            )
        labels = np.repeat(np.arange(first, stop), self.test_drawings)
        return self._batch(self._test_rows[first:stop].ravel(), labels)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"class_order": self.class_order, "sightings": self.sightings}

    def _set_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        if not np.array_equal(arrays["class_order"], self.class_order):
            raise ValueError("state['class_order'] must be the class order of this stream")
        seen, shown = arrays["sightings"].sum(), arrays["step"] * self.batch_size
        if seen != shown:
            raise ValueError(
                f"state['sightings'] must add up to {shown}, all images so far, got {seen}"
            )
        self.sightings = arrays["sightings"]
