"""The configuration of a softmax."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HebbianConfig:
    """Rows that memorise activations: see :class:`driftwise.memory.HebbianSoftmax`."""

    gamma: float = 0.01
    """Least mixing rate."""
    T: float = 500.0
    """Sightings of a word from which on its row is left to the gradient."""
    batch_rate: str = "n/c"
    """Mixing rate of a word that a batch has n times: n/c or 1/c."""
    norm_matching: str | None = "row"
    """What is scaled to the length of the row: row, activation, or None."""


@dataclass(frozen=True)
class SoftmaxConfig:
    """The softmax of a language model, and with it the embedding where that is tied."""

    tied: bool = True
    """Whether inputs are embedded by the rows of the softmax."""
    cutoffs: tuple[int, ...] = ()
    """Word ids at which the clusters of an adaptive softmax begin; none for a full softmax. Those
    beyond the vocabulary are left out."""
    div_value: float = 4.0
    """Factor by which each cluster is narrower than the one before it."""
    capacities: tuple[float, ...] = ()
    """Shares of the positions that a compiled loss makes room for in each cluster; 0.25 by default.
    Positions beyond them are computed too, by a slower way."""
    bias: bool = False
    """Whether a full softmax has a bias."""
    logit_cap: float | None = None
    """Bound c of the logits z, which become c tanh(z / c)."""
    hebbian: HebbianConfig | None = None
    """Whether rows memorise activations, and how."""
    max_logits: int = 2**26
    """Logits held at once. A loss over more is computed chunk by chunk, twice where gradients are
    wanted: a quarter of a gigabyte in float32, instead of all."""
