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

    def check(self, x: Tensor) -> None:
        """Raise a ``ValueError`` if images do not fit eight bits, in which they are kept."""
        if len(x) and not 0 <= x.min() <= x.max() <= 1:
            raise ValueError(
                "x must be from 0 to 1, since past images are kept in eight bits, "
                f"got {x.min():g} to {x.max():g}"
            )

    def add(self, x: Tensor, y: Tensor) -> None:
        """Show a batch to the buffer: example t of the stream takes place number ~ U{0 .. t}.

        Their pixels must be from 0 to 1 (see :meth:`check`).
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

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of :meth:`state_dict`.

        Raises:
            ValueError: the state is that of a buffer of another capacity.
        """
        if {len(state["labels"]), len(state["images"])} != {len(self.labels)}:
            raise ValueError(
                f"replay buffer must have {len(self.labels)} places, got {len(state['labels'])} "
                f"labels and {len(state['images'])} images"
            )
        self.images.copy_(state["images"])
        self.labels.copy_(state["labels"])
        self.num_seen = state["num_seen"]
        self.random.set_state(state["random"])
