"""A body, a head and an optimiser that learn from a stream, one batch at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...memory import ParameterRule
from ..agent_files import load_weights
from ..copied_state import copied
from ..optimizer_state import load_optimizer
from .learner import Images, Labels, as_images, as_labels
from .learner_state import as_class_order, load_or_stay
from .replay import ReplayBuffer

PREDICT_BATCH = 64
"""Images predicted together; the activations of more of them no longer fit the cache."""


class OnlineClassifier:
    """A :class:`Learner`: cross entropy, one step of the optimiser a batch, then the head's rule.

    Args:
        body: from images to features (n, d). If it has ``min_batch``, smaller batches are refused.
        head: from features to logits (n, m), in evaluation mode those to predict by. Its
            ``apply(h, labels)`` is called after every step of the optimiser.
        optimizer: over the parameters of both that gradients are to train.
        class_order: (m,) the data set's number of each class in the order of the stream, or how
            many classes there are, for the order 0, 1, 2, ... It belongs to the state: what was
            learned in one order is worth nothing in another.
        mask_unseen: leave classes without a label so far out of the softmax. Without it, their
            rows are pushed down until their first example comes.
        replay: images to train on again, as many a step as the batch has.
        kind: plain data that says what learner this is; states are of the same kind only.

    Raises:
        ValueError: ``class_order`` is empty, or a class is in it twice.
    """

    def __init__(
        self,
        body: nn.Module,
        head: ParameterRule,
        optimizer: torch.optim.Optimizer,
        class_order: int | Sequence[int] | Tensor,
        *,
        mask_unseen: bool = True,
        replay: ReplayBuffer | None = None,
        kind: Mapping[str, Any] | None = None,
    ) -> None:
        self.class_order = as_class_order(class_order)
        self.num_classes = len(self.class_order)
        self.body, self.head = body, head
        self.network = nn.ModuleDict({"body": body, "head": head})
        self.device = next(self.network.parameters()).device
        self.optimizer = optimizer
        self.mask_unseen = mask_unseen
        self.replay = replay
        self.kind = dict(kind or {})
        self.min_batch = max(int(getattr(body, "min_batch", 1)), 1)
        self.seen = torch.zeros(self.num_classes, dtype=torch.bool, device=self.device)

    def predict(self, x: Images) -> Tensor:
        """Log-probabilities (n, m); minus infinity for classes left out of the softmax."""
        parts = as_images(x).to(self.device).split(PREDICT_BATCH)
        self.network.eval()
        with torch.no_grad():
            logits = [self.head(self.body(part)) for part in parts]
            return self._masked(torch.cat(logits), self.seen).log_softmax(1)

    def update(self, x: Images, y: Labels) -> dict[str, float]:
        """One step; returns its ``loss``, and the ``accuracy`` of what it was computed from.

        Raises:
            FloatingPointError: the loss is NaN or infinite. Nothing was learned.
        """
        images = as_images(x)
        count = len(images)
        labels = as_labels(y, count, self.num_classes)
        if count < self.min_batch:
            raise ValueError(f"x must hold at least {self.min_batch} images, got {count}")
        given = images, labels
        if self.replay is not None:
            drawn = self.replay.random.get_state()
            old_images, old_labels = self.replay.sample(count)
            images = torch.cat((images, old_images.to(images.device)))
            labels = torch.cat((labels, old_labels))
        images, labels = images.to(self.device), labels.to(self.device)
        seen = self.seen.index_fill(0, labels, True)

        self.network.train()
        # A norm's running statistics, which the forward pass moves.
        statistics = [(buffer, buffer.clone()) for buffer in self.body.buffers()]
        h = self.body(images)
        logits = self._masked(self.head(h), seen)
        loss = F.cross_entropy(logits, labels)
        value = loss.item()
        if not math.isfinite(value):
            for buffer, before in statistics:
                buffer.copy_(before)
            if self.replay is not None:
                self.replay.random.set_state(drawn)
            raise FloatingPointError(f"the loss became {value}: a smaller learning_rate may help")
        self.seen = seen
        if self.replay is not None:
            self.replay.add(*given)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        # Of the stream only: what is replayed was memorised when it came.
        self.head.apply(h[:count].detach(), labels[:count])
        correct = logits[:count].argmax(1) == labels[:count]
        return {"loss": value, "accuracy": correct.float().mean().item()}

    def take_slow_weights(self, state: dict[str, Any]) -> None:
        """Begin with what a learner of other classes knows that belongs to none of them.

        These are the body and the ``slow`` parts of the head, such as the slow weights of its fast
        weight memory. Rows, counts and all that was written stay as they are, and so do the
        optimiser and the replay buffer.

        Args:
            state: what :meth:`state_dict` of that learner returned; of any class order.

        Raises:
            ValueError: it is the state of another kind of learner, or of other sizes; this one
                stays as it is.
        """
        kind, theirs = (
            state.get(key) if isinstance(state, dict) else None for key in ("kind", "network")
        )
        if not isinstance(kind, Mapping) or not isinstance(theirs, Mapping):
            raise ValueError("state must be what state_dict() of an OnlineClassifier returned")
        if kind.get("learner") != self.kind.get("learner"):
            raise ValueError(
                f"state must be that of a learner {self.kind.get('learner')!r}, "
                f"got that of {kind.get('learner')!r}"
            )
        slow = ("body.", *(f"head.{name}." for name in self.head.slow))

        def part(weights: Mapping[str, Any], taken: bool) -> dict[str, Tensor]:
            return {
                key: tensor
                for key, tensor in weights.items()
                if isinstance(tensor, Tensor) and f"{key}.".startswith(slow) is taken
            }

        own = part(self.network.state_dict(), taken=False)
        load_weights(self.network, own | part(theirs, taken=True))

    def _masked(self, logits: Tensor, seen: Tensor) -> Tensor:
        if self.mask_unseen and seen.any():
            return logits.masked_fill(~seen, float("-inf"))
        return logits

    def state_dict(self) -> dict[str, Any]:
        """See :class:`Learner`."""
        state = {
            "kind": self.kind,
            "class_order": self.class_order,
            "seen": self.seen,
            "network": dict(self.network.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "replay": None if self.replay is None else self.replay.state_dict(),
        }
        return copied(state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :class:`Learner`.

        Raises:
            ValueError: the state is that of another kind of learner, or of another class order.
        """
        load_or_stay(self._load, state, self.state_dict())

    def _load(self, state: dict[str, Any]) -> None:
        load_weights(self.network, state["network"])
        load_optimizer(self.optimizer, state["optimizer"])
        self.seen.copy_(state["seen"])
        if self.replay is not None:
            self.replay.load_state_dict(state["replay"], self.num_classes)
