"""What a classifier on a stream must be able to do."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Images = Tensor | npt.NDArray[np.float32]
Labels = Tensor | npt.NDArray[np.integer[Any]]


class Learner(Protocol):
    """A classifier that learns online: it predicts a batch, and is then shown the labels.

    A label is a position in the stream's order of classes, so that the classes met so far are
    0, 1, 2, ... whatever the order. Everything random comes from a seed given at construction.
    :func:`~driftwise.agents.classifiers.check_learner` tests all that is promised here.

    Attributes:
        num_classes: how many classes there can be, m.
    """

    num_classes: int

    def predict(self, x: Images) -> Tensor:
        """Log-probabilities (n, m) for float32 images (n, 1, 28, 28) in [0, 1], ink 1.

        As streams yield them, (n, 28, 28), they will do as well.

        Changes nothing: not the weights, not the statistics of a norm, not a random state.
        """
        ...

    def update(self, x: Images, y: Labels) -> dict[str, float]:
        """Learn from images and their integer labels (n,); returns metrics such as the ``loss``.

        Raises:
            TypeError: the labels are no integers, or the images not float32.
            ValueError: a shape does not fit, a label is out of range, or a pixel is NaN or
                infinite. Nothing was learned.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that the learner has become, for ``driftwise.tracking.save_checkpoint``."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become what :meth:`state_dict` was taken from, to the bit.

        Raises:
            ValueError: the state is that of another learner; this one stays as it is.
        """
        ...


def as_images(x: Images, largest: float = 1.0) -> Tensor:
    """Images (n, 1, 28, 28) or (n, 28, 28) as a tensor (n, 1, 28, 28).

    Raises:
        TypeError: they are not float32.
        ValueError: another shape, or pixels that are not from 0 to ``largest``.
    """
    images = x if isinstance(x, Tensor) else np.array(x)
    if str(images.dtype) not in ("float32", "torch.float32"):
        raise TypeError(f"x must be float32 images with ink 1, got {images.dtype}")
    if images.shape[1:] not in ((1, 28, 28), (28, 28)):
        raise ValueError(f"x must have shape (n, 1, 28, 28), got {tuple(images.shape)}")
    images = torch.as_tensor(images).reshape(-1, 1, 28, 28)
    if not images.isfinite().all():
        raise ValueError("x must be finite, got NaN or infinite pixels")
    if len(images) and not 0 <= images.min() <= images.max() <= largest:
        raise ValueError(
            f"x must be from 0 (paper) to {largest:g} (ink), "
            f"got {images.min():g} to {images.max():g}"
        )
    return images


def as_labels(y: Labels, count: int, num_classes: int) -> Tensor:
    """Labels as an int64 tensor (n,).

    Raises:
        TypeError: they are no integers.
        ValueError: there are not ``count`` of them, or one is not below ``num_classes``.
    """
    labels = y.detach().cpu().numpy() if isinstance(y, Tensor) else np.asarray(y)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"y must be integer labels, got {labels.dtype}")
    if labels.shape != (count,):
        raise ValueError(f"y must have shape ({count},), one label an image, got {labels.shape}")
    if count and not 0 <= labels.min() <= labels.max() < num_classes:
        raise ValueError(
            f"y must be from 0 to {num_classes - 1}, got {labels.min()} to {labels.max()}"
        )
    return torch.tensor(labels.astype(np.int64))
