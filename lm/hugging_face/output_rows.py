"""The output layer of a Hugging Face model as a softmax of ours."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..losses import FullSoftmax


class OutputRows(FullSoftmax):
    """A full softmax over the output embedding of a model, shared with it and not copied.

    Logits are made in the model's own order, so that they are its own to the last bit: the rows and
    their bias, a factor (``logit_scale`` of the configuration), a divisor (``logits_scaling``), a
    soft cap (``final_logit_softcapping``), each where the configuration has one.

    Args:
        rows: The output embedding, tied to that of the inputs or not.
        config: Configuration of the model.
    """

    def __init__(self, rows: nn.Linear, config: Any) -> None:
        with torch.device("meta"):  # rows that are not kept
            super().__init__(
                rows.in_features,
                rows.out_features,
                logit_cap=getattr(config, "final_logit_softcapping", None),
            )
        self.rows = rows
        self.factor: float | None = getattr(config, "logit_scale", None)
        self.divisor: float | None = getattr(config, "logits_scaling", None)

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits (..., V) after hidden vectors (..., D)."""
        logits = self.rows(hidden)
        if self.factor is not None:
            logits = logits * self.factor
        if self.divisor is not None:
            logits = logits / self.divisor
        return self._capped(logits)
