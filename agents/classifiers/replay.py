"""A small memory of past images, drawn fairly from a stream of any length."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...memory.contract import check_sizes

IMAGE_SHAPE = (1, 28, 28)
ITEM_BYTES = 28 * 28 + 8
"""Bytes of an image in eight bits and its label."""


class ReplayBuffer:
    """Keeps a uniform sample of all images so far (reservoir sampling; Vitter 1985, algorithm R).

    Args:
        capacity: images that are kept, in eight bits a pixel.
        seed: of what is kept and of what is drawn.

    Raises:
        TypeError: ``capacity`` is no integer.
        ValueError: ``capacity`` is below 1.
    """

    def __init__(self, capacity: int, seed: int) -> None:
        check_sizes(capacity=capacity)
        self.images = torch.zeros(capacity, *IMAGE_SHAPE, dtype=torch.uint8)
        self.labels = torch.zeros(capacity, dtype=torch.int64)
        self.num_seen = 0
        self.random = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return min(self.num_seen, len(self.labels))

    def sample(self, count: int) -> tuple[Tensor, Tensor]:
        """Draw images and labels with replacement; none while the buffer is empty."""
        if not len(self):
            count = 0
        rows = torch.randint(max(len(self), 1), (count,), generator=self.random)
        return self.images[rows].float() / 255, self.labels[rows]

    def add(self, x: Tensor, y: Tensor) -> None:
        """Show a batch to the buffer: example t of the stream takes place number ~ U{0 .. t}.

        Their pixels must be from 0 to 1, and are kept in eight bits.
        """
        capacity = len(self.labels)
        places = torch.arange(self.num_seen, self.num_seen + len(y))
        drawn = torch.rand(len(y), generator=self.random, dtype=torch.float64) * (places + 1)
        places = torch.where(places < capacity, places, drawn.long())
        kept = places < capacity
        # Where two examples take one place, the later one has it. An index assignment would leave
        # that open, so each place is given the number of the last example that takes it.
        last = torch.full((capacity,), -1)
        last.scatter_reduce_(0, places[kept], torch.arange(len(y))[kept], "amax")
        rows = (last >= 0).nonzero().squeeze(1)
        self.images[rows] = (x[last[rows]] * 255).round().to("cpu", torch.uint8)
        self.labels[rows] = y[last[rows]]
        self.num_seen += len(y)

    def state_dict(self) -> dict[str, Any]:
        """All of it, in tensors that are the buffer's own."""
        return {
            "images": self.images,
            "labels": self.labels,
            "num_seen": self.num_seen,
            "random": self.random.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any], num_classes: int) -> None:
        """Inverse of :meth:`state_dict`.

        Raises:
            ValueError: the state is that of a buffer of another capacity, has a label that is not
                below ``num_classes``, or is none that a buffer can be in.
        """
        if {len(state["labels"]), len(state["images"])} != {len(self.labels)}:
            raise ValueError(
                f"replay buffer must have {len(self.labels)} places, got {len(state['labels'])} "
                f"labels and {len(state['images'])} images"
            )
        seen, labels = state["num_seen"], state["labels"]
        if isinstance(seen, bool) or not isinstance(seen, int) or seen < 0:
            raise ValueError(f"num_seen of a replay buffer must be at least 0, got {seen!r}")
        if labels.dtype != torch.int64 or state["images"].dtype != torch.uint8:
            raise ValueError("a replay buffer must have labels of int64 and images of uint8")
        if labels.min() < 0 or labels.max() >= num_classes:
            raise ValueError(
                f"labels of a replay buffer must be those of {num_classes} classes, "
                f"got {labels.min()} to {labels.max()}"
            )
        self.images.copy_(state["images"])
        self.labels.copy_(state["labels"])
        self.num_seen = state["num_seen"]
        self.random.set_state(state["random"])
