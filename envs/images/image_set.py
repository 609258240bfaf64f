"""Images of characters by class, as one array."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import assign

SIZE = 28  # pixels, as in MNIST
SPLITS = ("background", "evaluation")


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Several drawings of each of many characters.

    Attributes:
        name: What messages call it.
        images: Array (C, D, 28, 28) of uint8, read-only: C classes, D drawings of each. Ink is 255,
            paper 0. Other squares will do for few-shot episodes, and colours, (C, D, H, H, 3).
        class_names: A name for each of the C classes.
        background: Which classes are for training (C,) where a protocol trains on some classes and
            tests on others; the rest is for evaluation.

    Raises:
        TypeError, ValueError: The arrays are not of these kinds and shapes.
    """

    name: str
    images: NDArray[np.uint8]
    class_names: tuple[str, ...]
    background: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Checks that the parts fit together."""
        images, background = self.images, np.asarray(self.background)
        assign(self, class_names=tuple(self.class_names), background=background)
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
            kind = images.dtype if isinstance(images, np.ndarray) else type(images).__name__
            raise TypeError(f"images must be a numpy array of uint8, got {kind}")
        square = images.ndim >= 4 and images.shape[2] == images.shape[3]
        if not square or images.shape[4:] not in ((), (3,)) or not images.size:
            raise ValueError(
                f"images must have shape (classes, drawings, {SIZE}, {SIZE}), or any other square, "
                f"in colour with a last dimension of 3, got {images.shape}"
            )
        if background.dtype != bool or background.ndim != 1:
            raise TypeError(
                "background must be True or False by class, "
                f"got {background.dtype} {background.shape}"
            )
        for name, part in (("class_names", self.class_names), ("background", background)):
            if len(part) != len(images):
                raise ValueError(f"{name} must have length {len(images)}, got {len(part)}")
        images = images.view()
        images.setflags(write=False)
        assign(self, images=images)

    @property
    def num_classes(self) -> int:
        """C, the number of classes."""
        return len(self.images)

    @property
    def num_drawings(self) -> int:
        """D, the drawings of each class."""
        return self.images.shape[1]

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that differ between sets with other images."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        return digest.hexdigest()[:12]

    def __repr__(self) -> str:
        shape = f"num_classes={self.num_classes}, num_drawings={self.num_drawings}"
        return f"{type(self).__name__}({self.name!r}, {shape}, fingerprint={self.fingerprint!r})"

    def select(self, classes: ArrayLike) -> ImageSet:
        """The set of these classes (numbers, or a mask), in this order.

        Raises:
            TypeError, ValueError: ``classes`` is not an array of such numbers.
        """
        chosen = np.asarray(classes)
        if chosen.dtype == bool and chosen.shape == (self.num_classes,):
            chosen = np.flatnonzero(chosen)
        if chosen.dtype.kind not in "iu" or chosen.ndim != 1:
            raise TypeError("classes must be a list of class numbers, or a mask over all classes")
        if not len(chosen):
            raise ValueError("classes must be at least one class, got none")
        if chosen.min() < 0 or chosen.max() >= self.num_classes:
            wrong = chosen[(chosen < 0) | (chosen >= self.num_classes)][0]
            raise ValueError(f"classes must be in [0, {self.num_classes}), got {wrong}")
        return ImageSet(
            self.name,
            self.images[chosen],
            tuple(self.class_names[index] for index in chosen.tolist()),
            self.background[chosen],
        )

    def split(self, name: str) -> ImageSet:
        """The classes of the ``"background"`` or of the ``"evaluation"`` split.

        Raises:
            ValueError: There is no such split, or this set has no class of it.
        """
        if name not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {name!r}")
        chosen = self.background == (name == "background")
        if not chosen.any():
            raise ValueError(f"split must be one of which {self.name} has classes, got {name!r}")
        return self.select(chosen)

    def with_rotations(self) -> ImageSet:
        """Four times the classes: each rotated by 0, 90, 180 and 270 degrees, counterclockwise.

        The C classes come first as they are, then all of them rotated by 90 degrees, and so on.
        Some are symmetric, such as a ring; rotated, they become classes that look alike.
        """
        return self._rotated

    @cached_property
    def _rotated(self) -> ImageSet:
        """Made once, as it is large: all streams of a set share it."""
        turns = [np.rot90(self.images, turn, axes=(2, 3)) for turn in range(4)]
        return ImageSet(
            f"{self.name}, rotated",
            np.concatenate(turns),
            tuple(
                name + suffix for suffix in ("", " 90", " 180", " 270") for name in self.class_names
            ),
            np.tile(self.background, 4),
        )
