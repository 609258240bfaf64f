"""The ordinary stream: all classes at any time."""

from __future__ import annotations

from typing_extensions import override

from ..images import ImageSet
from .class_stream import ClassStream
from .image_stream import Batch


class IIDStream(ClassStream):
    """Batches of all classes alike, independent and identically distributed: no change at all.

    Args:
        images: The images.
        seed: Where the order of the classes (which label is which) and the batches come from.
        num_classes: How many of the classes are used, by default all.
        rotations: Whether images rotated by 90, 180 and 270 degrees are classes of their own.
        train_drawings: Drawings of each class for training, the first ones.
        test_drawings: Drawings held out, the ones after those.
        batch_size: Images in a batch.
        num_batches: Length of the stream, or None for an endless one.

    Raises:
        TypeError, ValueError: An argument is not what it must be.
    """

    def __init__(
        self,
        images: ImageSet,
        *,
        seed: int = 0,
        num_classes: int | None = None,
        rotations: bool = False,
        train_drawings: int = 15,
        test_drawings: int = 5,
        batch_size: int = 32,
        num_batches: int | None = None,
    ) -> None:
        super().__init__(
            images,
            seed=seed,
            num_classes=num_classes,
            rotations=rotations,
            train_drawings=train_drawings,
            test_drawings=test_drawings,
            batch_size=batch_size,
            num_batches=num_batches,
        )

    @override
    def _draw(self) -> Batch:
        return self._draw_from(0, self.num_classes)
