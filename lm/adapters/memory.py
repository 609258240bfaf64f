"""What can be added to a reader: memories beside the model, and rules that move its weights."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from ..models import LanguageModel
from .contract import Segment
from .prediction import Prediction, Softmax


class StreamMemory(ABC):
    """A memory of hidden vectors and words, which changes predictions and leaves the model alone.

    Its methods are called without gradients, and any number of lanes is read at once.
    """

    def attach(self, model: LanguageModel) -> None:  # noqa: B027 (not all need it)
        """Take what is needed of the model that it is put on."""

    @abstractmethod
    def begin(self, batch_size: int) -> None:
        """Forget what was read; what came from training data stays."""

    @abstractmethod
    def revise(self, prediction: Prediction, hidden: Tensor, segment: Segment) -> Prediction:
        """Change the prediction of a segment, given the model's hidden vectors (B, T, D)."""

    @abstractmethod
    def write(self, targets: Tensor) -> None:
        """Learn the targets (B, T) of the segment that was revised last."""

    @abstractmethod
    def flops_per_token(self, length: int) -> float:
        """Floating point operations for each token, in a memory that is full."""


class WeightRule(ABC):
    """A rule that moves the model's own weights, of which there is one set: a single lane.

    Attributes:
        needs_gradient: Whether the prediction must keep its graph.
    """

    needs_gradient = False

    @abstractmethod
    def attach(self, model: LanguageModel) -> None:
        """Prepare a copy of the model whose weights are to be moved, once and for all streams."""

    @abstractmethod
    def write(self, prediction: Softmax, targets: Tensor) -> None:
        """Move the weights, given the model's prediction and the targets (1, T)."""
