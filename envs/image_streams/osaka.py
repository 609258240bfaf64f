"""The OSAKA stream: few-shot tasks that stay for a while and then give way to others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from ..arguments import (
    check_count,
    check_count_or_none,
    check_flag,
    check_probability,
    in_short,
)
from ..images import ImageSet
from .few_shot_episodes import FewShotEpisode
from .image_stream import ImageStream, to_float

PROBABILITIES = (0.5, 0.25, 0.25)
PRETRAINING_CLASSES = 900
"""Classes of Omniglot that the protocol pre-trains on, the first ones."""


class OsakaTask(NamedTuple):
    """What is asked at a time.

    Attributes:
        mode: Number of the set of images: 0 is that of the pre-training.
        classes: (N,) numbers of its classes; the label of each is its position.
    """

    mode: int
    classes: NDArray[np.int64]


class OsakaBatch(NamedTuple):
    """A step of the stream.

    Attributes:
        images: (N * K, 28, 28) of float32.
        labels: (N * K,) from 0 to N - 1, way by way.
        mode: Number of the set of images that they are from.
        changed: Whether the task is another one than at the step before.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    mode: int
    changed: bool


class Osaka(ImageStream):
    """Online fast adaptation and knowledge accumulation (Caccia et al. 2020, NeurIPS).

    At each step the task stays with a certain probability; otherwise a set of images is drawn, and
    N of its classes, whose labels are their positions in the draw. Each step has K images of each
    class, drawn with replacement. In the paper: Omniglot (all 1,623 classes), MNIST and
    Fashion-MNIST (60,000 images each, less what makes classes equal), 10 ways, 5 shots,
    10,000 steps, and 0.98 or 0.90 for the probability to stay. Nobody is told of a change.

    Args:
        images: The set of mode 0, ``Omniglot()`` in the paper.
        others: The sets of modes 1, 2, ...: ``[MNIST(), FashionMNIST()]``.
        seed: Where all randomness comes from.
        stay_probability: Probability that the task stays, at each step.
        probabilities: Of the modes, at each change.
        num_ways: N.
        num_shots: K.
        raw_others: Whether pixels of the other sets go from 0 to 255, as in the authors' release,
            and not from 0 to 1 as those of ``images``. (Its batch norms hide the difference.)
        num_steps: Length of the stream, or None for an endless one.

    Attributes:
        task: The task of the latest batch, None before the first one.
        num_changes: Tasks so far.

    Raises:
        TypeError, ValueError: An argument is not what it must be.
    """

    signed = ("mode",)

    def __init__(
        self,
        images: ImageSet,
        others: Sequence[ImageSet],
        *,
        seed: int = 0,
        stay_probability: float = 0.98,
        probabilities: Sequence[float] = PROBABILITIES,
        num_ways: int = 10,
        num_shots: int = 5,
        raw_others: bool = False,
        num_steps: int | None = 10_000,
    ) -> None:
        self.image_sets = (images, *others)
        for other in others:
            if not isinstance(other, ImageSet):
                raise TypeError(f"others must be ImageSets, such as MNIST(), got {in_short(other)}")
        shares = [check_probability("probabilities", share) for share in probabilities]
        if len(shares) != len(self.image_sets) or abs(sum(shares) - 1) > 1e-9:
            raise ValueError(
                f"probabilities must be {len(self.image_sets)} numbers, one for each set of "
                f"images, that add up to 1, got {list(probabilities)}"
            )
        super().__init__(
            images,
            seed=seed,
            rotations=False,
            num_batches=check_count_or_none("num_steps", num_steps, least=1),
            others=[repr(other) for other in others],
            stay_probability=check_probability("stay_probability", stay_probability),
            probabilities=shares,
            num_ways=check_count("num_ways", num_ways, least=1),
            num_shots=check_count("num_shots", num_shots, least=1),
            raw_others=check_flag("raw_others", raw_others),
        )
        for part in self.image_sets:
            if num_ways > part.num_classes:
                raise ValueError(
                    f"num_ways must be at most {part.num_classes}, all of {part.name}, "
                    f"got {num_ways}"
                )
        self.num_ways, self.num_shots, self.raw_others = num_ways, num_shots, bool(raw_others)
        self.num_classes = num_ways
        self.stay_probability = float(stay_probability)
        self.task: OsakaTask | None = None
        self.num_changes = 0
        self._bounds = np.cumsum(shares)[:-1]

    @override
    def _draw(self) -> OsakaBatch:
        # The same number of draws at every step, whatever they decide.
        stay, kind = self._rng.random(2)
        changed = self.task is None or stay >= self.stay_probability
        if changed:
            self.task = self._draw_task(float(kind))
            self.num_changes += 1
        assert self.task is not None
        images = self.image_sets[self.task.mode]
        drawings = (self._rng.random((self.num_ways, self.num_shots)) * images.num_drawings).astype(
            np.int64
        )
        return OsakaBatch(
            self._pixels_of(self.task, drawings),
            np.arange(self.num_ways).repeat(self.num_shots),
            self.task.mode,
            changed,
        )

    def _draw_task(self, kind: float) -> OsakaTask:
        mode = int(np.searchsorted(self._bounds, kind, side="right"))
        order = self._rng.random(self.image_sets[mode].num_classes).argsort(kind="stable")
        return OsakaTask(mode, order[: self.num_ways])

    def _pixels_of(self, task: OsakaTask, drawings: NDArray[np.int64]) -> NDArray[np.float32]:
        """Images (N * k, 28, 28) of drawings (N, k) of the classes of a task."""
        pixels = self.image_sets[task.mode].images[task.classes[:, None], drawings]
        pixels = pixels.reshape(-1, *pixels.shape[2:])
        raw = self.raw_others and task.mode > 0
        return pixels.astype(np.float32) if raw else to_float(pixels)

    def episode(self, task: OsakaTask, seed: int, num_queries: int = 15) -> FewShotEpisode:
        """A few-shot episode of a task: has the learner kept what it takes to learn it?

        The drawings, K to learn from and others to be tested on, come from the seed alone, and
        leave the stream as it is.

        Raises:
            ValueError: There are too few drawings of a class.
        """
        drawings = self.image_sets[task.mode].num_drawings
        if self.num_shots + num_queries > drawings:
            raise ValueError(
                f"num_queries must be at most {drawings - self.num_shots}, all drawings of a "
                f"class less those to learn from, got {num_queries}"
            )
        rng = np.random.default_rng([seed, 2])
        chosen = rng.random((self.num_ways, drawings)).argsort(axis=1, kind="stable")
        ways = np.arange(self.num_ways)
        shots, queries = np.split(chosen[:, : self.num_shots + num_queries], [self.num_shots], 1)
        return FewShotEpisode(
            self._pixels_of(task, shots),
            ways.repeat(self.num_shots),
            self._pixels_of(task, queries),
            ways.repeat(num_queries),
        )

    @override
    def _arrays(self) -> dict[str, NDArray[Any]]:
        none = np.zeros(self.num_ways, dtype=np.int64)
        return {
            "mode": np.array(-1 if self.task is None else self.task.mode),
            "classes": none if self.task is None else self.task.classes,
            "num_changes": np.array(self.num_changes),
        }

    @override
    def _set_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        mode = int(arrays["mode"])
        if not -1 <= mode < len(self.image_sets):
            raise ValueError(
                f"state['mode'] must be from -1 to {len(self.image_sets) - 1}, got {mode}"
            )
        there = self.image_sets[max(mode, 0)].num_classes
        if (arrays["classes"] >= there).any():
            raise ValueError(f"state['classes'] must be in [0, {there})")
        self.task = None if mode < 0 else OsakaTask(mode, arrays["classes"])
        self.num_changes = int(arrays["num_changes"])


class OsakaEpisodes(ImageStream):
    """The episodes that OSAKA's learners are pre-trained on.

    Drawings to learn from are of the first half of each class, those to be tested on of the second
    half, both drawn with replacement. In the paper the classes are the first 900 of Omniglot,
    ``Omniglot().select(range(900))``, whose order there is that of a file system; here it is that
    of their names.

    Args:
        images: The images.
        seed: Where the episodes come from.
        num_ways: N, classes of an episode.
        num_shots: K, images of each to learn from.
        num_queries: Images of each to be tested on.

    Raises:
        TypeError, ValueError: An argument is not what it must be.
    """

    def __init__(
        self,
        images: ImageSet,
        *,
        seed: int = 0,
        num_ways: int = 10,
        num_shots: int = 5,
        num_queries: int = 15,
    ) -> None:
        super().__init__(
            images,
            seed=seed,
            rotations=False,
            num_ways=check_count("num_ways", num_ways, least=1),
            num_shots=check_count("num_shots", num_shots, least=1),
            num_queries=check_count("num_queries", num_queries, least=1),
        )
        classes, drawings = images.num_classes, images.num_drawings
        if num_ways > classes:
            raise ValueError(
                f"num_ways must be at most {classes}, all of {images.name}, got {num_ways}"
            )
        if drawings < 2:
            raise ValueError(f"images must have at least 2 drawings of a class, got {drawings}")
        self.num_ways, self.num_shots, self.num_queries = num_ways, num_shots, num_queries
        self.num_classes = num_ways

    @override
    def _draw(self) -> FewShotEpisode:
        drawings = self._images.num_drawings
        half = drawings // 2
        ways = np.arange(self.num_ways)
        classes = self._rng.random(self._images.num_classes).argsort(kind="stable")[: len(ways)]

        def drawn(first: int, stop: int, count: int) -> NDArray[np.float32]:
            chosen = (self._rng.random((len(ways), count)) * (stop - first)).astype(np.int64)
            pixels = self._images.images[classes[:, None], first + chosen]
            return to_float(pixels.reshape(-1, *pixels.shape[2:]))

        return FewShotEpisode(
            drawn(0, half, self.num_shots),
            ways.repeat(self.num_shots),
            drawn(half, drawings, self.num_queries),
            ways.repeat(self.num_queries),
        )
