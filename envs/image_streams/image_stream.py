"""What streams of images have in common."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arguments import check_count, check_count_or_none, check_flag, in_short
from ..generators import pack_generator, unpack_generator
from ..images import ImageSet
from ..saving import SETTINGS, check_state, pack_text

Predict = Callable[[NDArray[np.float32]], Any]


class Batch(NamedTuple):
    """Images to learn from, or to be tested on.

    Attributes:
        images: (B, 28, 28) of float32 from 0 (paper) to 1 (ink).
        labels: (B,) of int64.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


def to_float(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pixels divided by 255, as float32."""
    numbers = pixels.astype(np.float32)
    numbers /= np.float32(255.0)
    return numbers


class ImageStream(ABC):
    """Batches of labelled images, one after another; a kind of stream writes :meth:`_draw`.

    ::

        for batch in stream:
            predictions = learner.predict(batch.images)  # scored before the update, if wanted
            learner.update(batch.images, batch.labels)
            stream.observe(learner.predict)

    Args:
        images: The images.
        seed: Where all randomness comes from.
        rotations: Whether images rotated by 90, 180 and 270 degrees are classes of their own.
        num_batches: Length of the stream, or None where it has no fixed one. A saved state fits
            streams of any length.
        settings: The other arguments, as plain values.

    Attributes:
        settings: All arguments but for limits of length, as plain values, with a fingerprint of the
            images.
        step: Batches so far.
    """

    # Whole numbers of the state that may be below 0.
    signed: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        images: ImageSet,
        *,
        seed: int,
        rotations: bool,
        num_batches: int | None = None,
        **settings: Any,
    ) -> None:
        if not isinstance(images, ImageSet):
            raise TypeError(
                "images must be an ImageSet, such as Omniglot() or Glyphs(), "
                f"got {in_short(images)}"
            )
        self.settings: dict[str, Any] = {
            "stream": type(self).__name__,
            "images": repr(images),
            "seed": check_count("seed", seed, least=0),
            "rotations": check_flag("rotations", rotations),
            **settings,
        }
        self.num_batches = check_count_or_none("num_batches", num_batches, least=1)
        self.step = 0
        self._images = images.with_rotations() if rotations else images
        self._pixels = self._images.images.reshape(-1, *self._images.images.shape[2:])
        self._rng = np.random.default_rng([seed, 1])

    # ------------------------------------------------------------------ what a kind writes

    @abstractmethod
    def _draw(self) -> Any:
        """The next batch."""

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """What the future depends on, beside the step and the random state."""
        return {}

    def _set_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> None:  # noqa: B027
        """Restores what :meth:`_arrays` returned."""

    # ------------------------------------------------------------------ the stream

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of an image: (28, 28), another square, or (H, H, 3) in colour."""
        return self._images.images.shape[2:]

    @property
    def finished(self) -> bool:
        """Whether there is no further batch."""
        return self.num_batches is not None and self.step >= self.num_batches

    def next_batch(self) -> Any:
        """The next batch.

        Raises:
            RuntimeError: The stream is finished.
        """
        if self.finished:
            raise RuntimeError("the stream is finished: it has no further batch")
        batch = self._draw()
        self.step += 1
        return batch

    def __iter__(self) -> Iterator[Any]:
        """All batches from here on."""
        while not self.finished:
            yield self.next_batch()

    def observe(self, predict: Predict) -> None:  # noqa: B027
        """Lets the stream test the learner, after its update; most streams have no need to.

        Args:
            predict: Returns labels (n,) for images (n, 28, 28), or scores (n, num_classes).
        """

    # ------------------------------------------------------------------ saving

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Position and random state, as a flat dict of numpy arrays (copies)."""
        return {
            "step": np.array(self.step),
            "generator": np.array(pack_generator(self._rng), dtype=np.uint64),
            **{key: np.array(value) for key, value in self._arrays().items()},
            SETTINGS: pack_text(json.dumps(self.settings)),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores what :meth:`state_dict` returned; the stream then goes on bit for bit.

        Lists, as JSON has them, will do instead of arrays.

        Raises:
            ValueError: The state is of a stream with other ``settings``, another class order for
                one, incomplete, or broken; nothing has changed then.
        """
        arrays = check_state(self.state_dict(), state, what="a stream", method="state_dict")
        for key, array in arrays.items():
            if array.dtype == np.int64 and key not in self.signed and (array < 0).any():
                raise ValueError(f"state[{key!r}] must be at least 0, got {array.min()}")
        if not arrays["generator"][3] % 2:  # low word of the increment; an even one repeats itself
            raise ValueError("state['generator'] must be one of PCG64, with an odd increment")
        generator = unpack_generator(arrays["generator"])
        self._set_arrays(arrays)
        self.step = int(arrays["step"])
        self._rng = generator
