"""Few-shot tasks: some classes, a few drawings of each, and questions about others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from ..arguments import check_count, check_count_or_none
from ..images import ImageSet
from .image_stream import ImageStream, to_float


class FewShotEpisode(NamedTuple):
    """A task of N ways, K shots and Q queries of each way.

    Attributes:
        images: Those to learn from, (N * K, 28, 28) of float32 from 0 to 1 (of another size, or in
            colour (N * K, H, H, 3), where the set's images are).
        labels: Theirs, (N * K,) from 0 to N - 1, way by way.
        query_images: Those to be tested on, (N * Q, ...) alike.
        query_labels: Theirs, (N * Q,).
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    query_images: NDArray[np.float32]
    query_labels: NDArray[np.int64]


class FewShotEpisodes(ImageStream):
    """Episodes of N ways and K shots (Vinyals et al., 2016), a task of its own in each batch.

    Classes and drawings are drawn without replacement, and all drawings of a class may come. To
    train and to test on other classes, give each stream its own: ``images.split("background")`` and
    ``images.split("evaluation")``.

    Args:
        images: The images.
        seed: Where the episodes come from.
        num_ways: N, classes of an episode.
        num_shots: K, drawings of each to learn from.
        num_queries: Q, further drawings of each to be tested on.
        rotations: Whether images rotated by 90, 180 and 270 degrees are classes of their own.
        num_episodes: Length of the stream, or None for an endless one.

    Raises:
        TypeError, ValueError: An argument is not what it must be.
    """

    def __init__(
        self,
        images: ImageSet,
        *,
        seed: int = 0,
        num_ways: int = 5,
        num_shots: int = 1,
        num_queries: int = 15,
        rotations: bool = False,
        num_episodes: int | None = None,
    ) -> None:
        super().__init__(
            images,
            seed=seed,
            rotations=rotations,
            num_batches=check_count_or_none("num_episodes", num_episodes, least=1),
            num_ways=check_count("num_ways", num_ways, least=1),
            num_shots=check_count("num_shots", num_shots, least=1),
            num_queries=check_count("num_queries", num_queries, least=0),
        )
        classes, drawings = self._images.num_classes, self._images.num_drawings
        if num_ways > classes:
            raise ValueError(
                f"num_ways must be at most {classes}, all of {self._images.name}, got {num_ways}"
            )
        if num_shots + num_queries > drawings:
            raise ValueError(
                f"num_shots + num_queries must be at most {drawings}, all drawings of a class, "
                f"got {num_shots} + {num_queries}"
            )
        self.num_ways, self.num_shots, self.num_queries = num_ways, num_shots, num_queries
        self.num_classes = num_ways

    @override
    def _draw(self) -> FewShotEpisode:
        drawings, ways = self._images.num_drawings, np.arange(self.num_ways)
        classes = self._rng.random(self._images.num_classes).argsort(kind="stable")[: len(ways)]
        chosen = self._rng.random((len(ways), drawings)).argsort(axis=1, kind="stable")
        pixels = self._pixels[classes[:, None] * drawings + chosen]
        shots, queries = np.split(
            pixels[:, : self.num_shots + self.num_queries], [self.num_shots], 1
        )
        side = pixels.shape[2:]
        return FewShotEpisode(
            to_float(shots.reshape(-1, *side)),
            ways.repeat(self.num_shots),
            to_float(queries.reshape(-1, *side)),
            ways.repeat(self.num_queries),
        )
