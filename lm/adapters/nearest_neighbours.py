"""kNN-LM: words that came after similar hidden vectors in the training data, found exactly."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from ...memory import State
from ..corpora import IGNORED, Batch
from ..models import FastBlockLanguageModel, LanguageModel
from .contract import Segment
from .memory import StreamMemory
from .neural_cache import check_weight
from .prediction import Mixture, Prediction, StoredWords


class Datastore(NamedTuple):
    """Pairs from training text.

    Attributes:
        keys: (M, D) hidden vectors.
        words: (M,) int64, the word after each.
    """

    keys: Tensor
    words: Tensor


@torch.no_grad()
def build_datastore(
    model: LanguageModel, batches: Iterable[Batch], max_keys: int, *, fast_block: bool = False
) -> Datastore:
    """Read training text and keep what the model makes of it.

    Args:
        model: The model.
        batches: Training text, with the state carried from one to the next.
        max_keys: Number of pairs at most.
        fast_block: Whether an adaptive block adapts.
    """
    model.eval()
    device = next(model.parameters()).device
    keys, words, count = [], [], 0
    state: State = None
    for batch in batches:
        inputs, targets, starts = (part.to(device) for part in batch)
        if isinstance(model, FastBlockLanguageModel) and not fast_block:
            x, state = model.body(inputs, state, starts)
            hidden = model.layer.slow(x)
        else:
            hidden, state = model(inputs, state, starts)
        kept = targets != IGNORED
        keys.append(hidden[kept])
        words.append(targets[kept])
        count += len(words[-1])
        if count >= max_keys:
            break
    return Datastore(torch.cat(keys)[:max_keys], torch.cat(words)[:max_keys])


class NearestNeighbours(StreamMemory):
    """kNN-LM (Khandelwal et al. 2020, arXiv:1911.00172) with an exact search on the device.

    Over the k nearest pairs (h_i, x_{i+1}) of a datastore of training text::

        p_knn(w) ∝ sum over i with x_{i+1} = w of exp(-|h_t - h_i|² / (temperature s))
        p(w)     = (1 - weight) p_model(w) + weight p_knn(w)

    with s the mean squared length of the keys, so that one temperature fits models of any scale.

    Args:
        datastore: The pairs.
        k: Neighbours; all pairs if there are fewer.
        temperature: See above.
        weight: Share of the neighbours, from 0 to below 1.
        chunk: Keys that are compared at once.

    Raises:
        ValueError: A number is out of range, or the datastore is empty.
    """

    def __init__(
        self,
        datastore: Datastore,
        k: int = 64,
        temperature: float = 0.01,
        weight: float = 0.1,
        *,
        chunk: int = 65_536,
    ) -> None:
        if k < 1 or chunk < 1 or not temperature > 0 or not len(datastore.words):
            raise ValueError(
                "k and chunk must be at least 1, temperature above 0, and the datastore not empty, "
                f"got {k}, {chunk}, {temperature} and {len(datastore.words)} pairs"
            )
        self.datastore, self.chunk = datastore, chunk
        self.k = min(k, len(datastore.words))
        self.temperature, self.weight = temperature, check_weight(weight)
        self._lengths = datastore.keys.square().sum(1)

    def attach(self, model: LanguageModel) -> None:
        """See :class:`StreamMemory`."""
        self._vocab_size = model.vocab_size

    def begin(self, batch_size: int) -> None:
        """Nothing to forget: the datastore is training data."""

    def revise(self, prediction: Prediction, hidden: Tensor, segment: Segment) -> Prediction:
        """See :class:`StreamMemory`."""
        distances, places = self.search(hidden.flatten(0, 1))
        scores = -distances / (self.temperature * self._lengths.mean())
        shape = (*hidden.shape[:2], self.k)
        stored = StoredWords(
            scores.log_softmax(-1).view(shape),
            self.datastore.words[places].view(shape),
            self._vocab_size,
        )
        return Mixture(prediction, stored, torch.full_like(hidden[..., 0], self.weight))

    def search(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Squared distances and numbers of the k nearest keys, each (N, k), for (N, D) queries."""
        best, places = None, None
        for begin in range(0, len(self._lengths), self.chunk):
            part = slice(begin, begin + self.chunk)
            # Without |query|², which is the same for all keys.
            found = self._lengths[part] - 2 * (queries @ self.datastore.keys[part].mT)
            values, where = found.topk(min(self.k, found.shape[1]), largest=False)
            where = where + begin
            if best is not None and places is not None:
                values = torch.cat((best, values), 1)
                values, order = values.topk(min(self.k, values.shape[1]), largest=False)
                where = torch.cat((places, where), 1).gather(1, order)
            best, places = values, where
        assert best is not None and places is not None
        return best + queries.square().sum(1, keepdim=True), places

    def write(self, targets: Tensor) -> None:
        """Nothing to learn."""

    def flops_per_token(self, length: int) -> float:
        """See :class:`StreamMemory`."""
        return 2.0 * self.datastore.keys.numel()
