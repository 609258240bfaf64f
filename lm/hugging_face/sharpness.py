"""How sharp a neural cache is to be on a model whose hidden vectors are of any length."""

from __future__ import annotations

import torch

from ..corpora import Lanes, TokenSplit
from ..models import LanguageModel

TOKENS = 512


@torch.no_grad()
def cache_sharpness(model: LanguageModel, split: TokenSplit) -> float:
    """``theta`` of the cache, 10 over the mean squared length of hidden vectors.

    Those of other people's models can be far longer than those that the default, and the values
    that tuning tries, are made for.

    Args:
        model: The model.
        split: Text, such as that for validation; its first 512 tokens are read.
    """
    batch = next(iter(Lanes(split, 1, min(TOKENS, len(split)), order="given")))
    device = next(model.parameters()).device
    hidden, _ = model(batch.inputs.to(device), None, batch.starts.to(device))
    return 10.0 / float(hidden.square().sum(-1).mean())
