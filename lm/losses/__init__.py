"""Softmax heads: from hidden vectors to losses and to distributions over the vocabulary."""

from .adaptive_softmax import AdaptiveSoftmax
from .config import HebbianConfig, SoftmaxConfig
from .full_softmax import FullSoftmax
from .head import SoftmaxHead
from .make import make_softmax
from .recompute import recompute

__all__ = [
    "AdaptiveSoftmax",
    "FullSoftmax",
    "HebbianConfig",
    "SoftmaxConfig",
    "SoftmaxHead",
    "make_softmax",
    "recompute",
]
