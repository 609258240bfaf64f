"""Dynamic evaluation: gradient steps on what was just read."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from itertools import islice

import torch
from torch import Tensor

from ...memory import State, detach
from ..corpora import IGNORED, Batch
from ..models import FastBlockLanguageModel, LanguageModel
from .memory import WeightRule
from .prediction import Softmax


class DynamicEvaluation(WeightRule):
    """A gradient step on the loss of each segment, after it is scored.

    Krause et al. (2018, arXiv:1709.07432; 2019, arXiv:1904.08378)::

        theta <- theta + decay R (theta_0 - theta) - lr g / (M + epsilon)

    with theta_0 the trained weights and g the gradient of the segment's loss, which is the sum over
    its targets divided by ``length``, so that the short segment before a document's end weighs as
    much per token. M is the root of the mean squared gradient on training data, and R is M over
    its mean (over tensors, of their means), at most 1 / decay. Without ``statistics`` it is plain
    SGD: M + epsilon and R are 1.

    Gradients go back to the beginning of the segment.

    Args:
        lr: Learning rate.
        length: Positions of a whole segment.
        decay: How fast weights return to the trained ones.
        epsilon: See above; only with statistics.
        statistics: Mean squared gradients by parameter name: :func:`gradient_statistics`.

    Raises:
        ValueError: A number is out of range.
    """

    needs_gradient = True

    def __init__(
        self,
        lr: float,
        length: int,
        *,
        decay: float = 0.0,
        epsilon: float = 1e-5,
        statistics: dict[str, Tensor] | None = None,
    ) -> None:
        if not lr >= 0 or not 0 <= decay <= 1 or not epsilon > 0:
            raise ValueError(
                "lr must be at least 0, decay from 0 to 1, and epsilon above 0, got "
                f"{lr}, {decay} and {epsilon}"
            )
        self.lr, self.length, self.decay, self.epsilon = lr, length, decay, epsilon
        self.statistics = statistics

    def attach(self, model: LanguageModel) -> None:
        """See :class:`WeightRule`."""
        self._parameters = list(model.parameters())
        for parameter in self._parameters:
            parameter.requires_grad_()
        self._trained = [parameter.detach().clone() for parameter in self._parameters]
        ones = [torch.ones((), dtype=p.dtype, device=p.device) for p in self._parameters]
        self._scales, self._returns = ones, ones
        if self.statistics is not None:
            names = [name for name, _ in model.named_parameters()]
            roots = [self.statistics[name].sqrt() for name in names]
            mean = sum(float(root.mean()) for root in roots) / len(roots)
            self._scales = [root + self.epsilon for root in roots]
            most = 1 / self.decay if self.decay else float("inf")
            self._returns = [(root / mean).clamp(max=most) for root in roots]

    def write(self, prediction: Softmax, targets: Tensor) -> None:
        """See :class:`WeightRule`."""
        kept = targets != IGNORED
        if not kept.any():
            return
        if prediction.losses is None:  # what revises written-out distributions asks for none
            prediction.log_prob(targets.masked_fill(~kept, 0))
        assert prediction.losses is not None
        with torch.enable_grad():
            loss = prediction.losses[kept].sum() / self.length
            gradients = torch.autograd.grad(loss, self._parameters, allow_unused=True)
        with torch.no_grad():
            for p, g, start, scale, back in zip(
                self._parameters,
                gradients,
                self._trained,
                self._scales,
                self._returns,
                strict=True,
            ):
                if self.decay:
                    p.add_(self.decay * back * (start - p))
                if g is not None:
                    p.sub_(self.lr * g / scale)


def gradient_statistics(
    model: LanguageModel,
    batches: Iterable[Batch],
    *,
    num_batches: int,
    fast_block: bool = False,
) -> dict[str, Tensor]:
    """Mean squared gradients of the mean loss of a batch, over batches of training text.

    Args:
        model: The model; it is left as it is.
        batches: Of training data, with the state carried from one to the next.
        num_batches: How many of them.
        fast_block: Whether an adaptive block adapts.

    Returns:
        By parameter name.
    """
    model = copy.deepcopy(model).eval().requires_grad_()  # also what was frozen in training
    named = dict(model.named_parameters())
    squares = {name: torch.zeros_like(parameter) for name, parameter in named.items()}
    state: State = None
    count = 0
    for batch in islice(batches, num_batches):
        inputs, targets, starts = (part.to(next(model.parameters()).device) for part in batch)
        with torch.enable_grad():
            if isinstance(model, FastBlockLanguageModel) and not fast_block:
                x, state = model.body(inputs, state, starts)
                hidden = model.layer.slow(x)
            else:
                hidden, state = model(inputs, state, starts)
            state = detach(state)
            kept = targets != IGNORED
            loss = model.head.loss(hidden[kept], targets[kept]).mean()
            gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
        for square, gradient in zip(squares.values(), gradients, strict=True):
            if gradient is not None:
                square.add_(gradient.square())
        count += 1
    if not count:
        raise ValueError("batches must be at least one, got none")
    return {name: square / count for name, square in squares.items()}
