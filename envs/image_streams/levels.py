"""How many classes there are at each level of a curriculum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..arguments import assign, check_count

Level = TypeVar("Level", int, NDArray[np.int64])


@dataclass(frozen=True)
class Levels:
    """A set of classes that grows block by block.

    Attributes:
        num_classes: Classes at the last level.
        start_classes: Classes at level 0.
        block_size: Classes that each further level adds; the last one may add fewer.

    Raises:
        TypeError, ValueError: One is not a positive integer, or there are too few classes to start.
    """

    num_classes: int
    start_classes: int
    block_size: int

    def __post_init__(self) -> None:
        """Checks the numbers."""
        for name in ("num_classes", "start_classes", "block_size"):
            assign(self, **{name: check_count(name, getattr(self, name), least=1)})
        if self.start_classes > self.num_classes:
            raise ValueError(
                f"start_classes must be at most num_classes={self.num_classes}, "
                f"got {self.start_classes}"
            )

    @property
    def count(self) -> int:
        """Number of levels."""
        return 1 + -(-(self.num_classes - self.start_classes) // self.block_size)

    def num_active(self, level: Level) -> Level:
        """Classes at a level, or at each of several; those after the last one have all."""
        active = self.start_classes + level * self.block_size
        if isinstance(active, int):
            return min(active, self.num_classes)
        return np.minimum(active, self.num_classes)
