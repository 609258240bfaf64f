"""Dropout of the same features, or words, at all positions of a sequence.

(Gal & Ghahramani 2016, arXiv:1512.05287, as in Merity et al. 2018, arXiv:1708.02182.)
"""

import torch
from torch import Tensor


def locked_dropout(x: Tensor, share: float, training: bool) -> Tensor:
    """Leave out a share of the features of x (B, T, D), the same at all times of a row."""
    if not training or share == 0:
        return x
    kept = torch.rand(x.shape[0], 1, x.shape[2], device=x.device) >= share
    return x * (kept.to(x.dtype) / (1 - share))


def word_dropout(x: Tensor, ids: Tensor, vocab_size: int, share: float, training: bool) -> Tensor:
    """Leave out a share of the vocabulary from embedded words x (B, T, D) with the ids (B, T)."""
    if not training or share == 0:
        return x
    kept = torch.rand(vocab_size, device=x.device) >= share
    return x * (kept[ids].unsqueeze(-1).to(x.dtype) / (1 - share))
