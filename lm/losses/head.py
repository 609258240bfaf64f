"""What every softmax has, whichever way it computes.

Letters used for shapes in this folder: N positions, D width of hidden vectors, V words, K clusters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ...memory import HebbianSoftmax
from ...memory.contract import check_rates, check_sizes
from .config import HebbianConfig
from .recompute import recompute


class SoftmaxHead(nn.Module, ABC):
    """The last layer of a language model: losses, and distributions over the whole vocabulary.

    A subclass writes :meth:`embed`, :meth:`forward`, :meth:`_log_probs` and :meth:`_memorise`.
    Losses and log-probabilities are in float32 at least, whatever the width of what comes in.

    Args:
        hidden_size: D, width of the hidden vectors, and of embeddings.
        vocab_size: V.
        logit_cap: Bound c of the logits z, which become c tanh(z / c); None leaves them alone.
        max_logits: Logits held at once by :meth:`loss`.

    Raises:
        TypeError: A size is not an integer.
        ValueError: A number is out of range.
    """

    def __init__(
        self, hidden_size: int, vocab_size: int, *, logit_cap: float | None, max_logits: int
    ) -> None:
        super().__init__()
        check_sizes(hidden_size=hidden_size, vocab_size=vocab_size, max_logits=max_logits)
        if logit_cap is not None:
            check_rates(logit_cap=logit_cap)
        self.hidden_size, self.vocab_size = hidden_size, vocab_size
        self.logit_cap, self.max_logits = logit_cap, max_logits

    @abstractmethod
    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings (..., D) of word ids (...), by the rows of this softmax."""

    @abstractmethod
    def forward(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Losses (N,) of hidden vectors (N, D) and targets (N,), all at once and unchecked."""

    @property
    @abstractmethod
    def logits_per_position(self) -> int:
        """Logits that :meth:`forward` makes for one position."""

    @property
    @abstractmethod
    def row_weights(self) -> list[Tensor]:
        """All rows, as matrices of (number, width)."""

    @abstractmethod
    def _log_probs(self, hidden: Tensor) -> Tensor: ...

    @abstractmethod
    def _memorise(self, hidden: Tensor, targets: Tensor) -> None: ...

    def loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Negative log-likelihood of every target, in nats.

        Over more than ``max_logits`` logits it works chunk by chunk and keeps none of them: the
        backward pass, and the backward pass of that, compute them again.

        Args:
            hidden: (..., D).
            targets: (...) int64.

        Returns:
            (...) losses, in float32 at least.

        Raises:
            TypeError: ``targets`` are not int64.
            ValueError: A shape does not fit, or (on the CPU) a target is out of range.
        """
        self._check(hidden, targets)
        flat, labels = hidden.reshape(-1, self.hidden_size), targets.reshape(-1)
        size = max(1, self.max_logits // self.logits_per_position)
        if len(flat) <= size:
            return self(flat, labels).view(targets.shape)
        names, parameters = zip(*self.named_parameters(), strict=True)

        def chunk(hidden: Tensor, targets: Tensor, *parameters: Tensor) -> Tensor:
            named = dict(zip(names, parameters, strict=True))
            return cast(Tensor, functional_call(self, named, (hidden, targets)))

        pieces = zip(flat.split(size), labels.split(size), strict=True)
        return torch.cat([recompute(chunk, h, y, *parameters) for h, y in pieces]).view(
            targets.shape
        )

    def log_probs(self, hidden: Tensor) -> Tensor:
        """Log-probabilities (..., V) after hidden vectors (..., D); each distribution sums to 1.

        Raises:
            ValueError: The shape does not fit.
        """
        self._check_hidden(hidden)
        return self._log_probs(hidden)

    def memorise(self, hidden: Tensor, targets: Tensor) -> None:
        """Write activations into the rows of their targets: nothing, unless rows are Hebbian.

        To be called after the optimiser's step, with the activations of the forward pass; by every
        process of a ``torch.distributed`` job, each with its own part of the batch.

        Args:
            hidden: (..., D).
            targets: (...) int64.

        Raises:
            TypeError: As in :meth:`loss`.
            ValueError: As there.
        """
        self._check(hidden, targets)
        with torch.no_grad():
            self._memorise(hidden.reshape(-1, self.hidden_size), targets.reshape(-1))

    def _capped(self, logits: Tensor) -> Tensor:
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if self.logit_cap is None:
            return logits
        return self.logit_cap * torch.tanh(logits / self.logit_cap)

    def _check_hidden(self, hidden: Tensor) -> None:
        if hidden.shape[-1:] != (self.hidden_size,):
            raise ValueError(
                f"hidden must have shape (..., {self.hidden_size}), got {tuple(hidden.shape)}"
            )

    def _check(self, hidden: Tensor, targets: Tensor) -> None:
        self._check_hidden(hidden)
        if targets.dtype != torch.int64:
            raise TypeError(f"targets must be int64, got {targets.dtype}")
        if targets.shape != hidden.shape[:-1]:
            raise ValueError(
                f"targets must have shape {tuple(hidden.shape[:-1])} like hidden, "
                f"got {tuple(targets.shape)}"
            )
        check_ids("targets", targets, self.vocab_size)


def check_ids(name: str, ids: Tensor, vocab_size: int) -> None:
    """Raise a ``ValueError`` for ids out of range; on the CPU, where looking is no waiting."""
    if torch.compiler.is_compiling() or ids.device.type != "cpu" or not ids.numel():
        return
    low, high = (int(bound) for bound in ids.aminmax())
    if low < 0 or high >= vocab_size:
        raise ValueError(f"{name} must be from 0 to {vocab_size - 1}, got {low} to {high}")


def make_rows(
    width: int, count: int, bias: bool, hebbian: HebbianConfig | None
) -> nn.Linear | HebbianSoftmax:
    """Rows of a softmax, drawn from N(0, 1/width), with logits as ``forward``."""
    if hebbian is not None:
        return HebbianSoftmax(
            width,
            count,
            bias=bias,
            gamma=hebbian.gamma,
            T=hebbian.T,
            batch_rate=hebbian.batch_rate,
            norm_matching=hebbian.norm_matching,
        )
    rows = nn.Linear(width, count, bias=bias)
    nn.init.normal_(rows.weight, std=width**-0.5)
    if bias:
        nn.init.zeros_(rows.bias)
    return rows
