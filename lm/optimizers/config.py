"""The configuration of the optimisers."""

import math
from dataclasses import dataclass

from ...memory.contract import check_rates


@dataclass(frozen=True)
class OptimizerConfig:
    """Muon for matrices and AdamW for all else, AdamW for everything, or SGD for everything."""

    matrices: str = "muon"
    """What trains the matrices of layers: muon or adamw; or sgd, which trains all the rest, too."""
    matrix_lr: float = 0.02
    """Learning rate of matrices. That of Muon is the share of the largest singular value by which a
    square matrix of unit scale changes in a step; AdamW's is a tenth of that or less."""
    table_lr: float = 3e-3
    """Learning rate of the softmax and of embeddings."""
    vector_lr: float = 3e-3
    """Learning rate of biases, gains and initial states."""
    step_size_lr: float = 0.03
    """Learning rate of the logarithms of step sizes in fast weight layers."""
    momentum: float = 0.95
    """Of Muon."""
    betas: tuple[float, float] = (0.9, 0.95)
    """Of AdamW."""
    weight_decay: float = 0.0
    """Decay in units of the learning rate, apart from the gradient: of matrices, and of nothing
    else; with sgd, of everything."""

    def check(self) -> None:
        """Raise a ``ValueError`` that names a field out of range."""
        if self.matrices not in ("muon", "adamw", "sgd"):
            raise ValueError(f"matrices must be 'muon', 'adamw' or 'sgd', got {self.matrices!r}")
        for name in ("matrix_lr", "table_lr", "vector_lr", "step_size_lr"):
            check_rates(**{name: getattr(self, name)})
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay must be at least 0 and finite, got {self.weight_decay}")
        for name, value in (("momentum", self.momentum), *(("betas", beta) for beta in self.betas)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must be from 0 to below 1, got {value}")
