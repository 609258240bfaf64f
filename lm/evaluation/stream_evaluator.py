"""One stream, one model, several adapters: each reads it once, and is scored before it learns."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ...memory.contract import check_sizes
from ..adapters import Adapter
from ..adapters.checking import check_causality
from ..adapters.commit import commit, segment_of
from ..corpora import IGNORED, Batch, Lanes, TokenSplit

CHECKED_SEGMENTS = 3  # that causality is checked on, at the beginning


@dataclass(frozen=True)
class Reading:
    """What one adapter made of a stream.

    Attributes:
        nats: (N,) float32, -log p of each token, in the order of the split.
        seconds: Time to predict, score and learn, checks left out.
        flops_per_token: By the adapter's own account; NaN where it has none.
        adapter: What it was, with its settings.
    """

    nats: NDArray[np.float32]
    seconds: float
    flops_per_token: float
    adapter: str


class StreamEvaluator:
    """Reads a split with any adapter, and sees to it that the rules are kept.

    The rules are those of :class:`~driftwise.lm.adapters.Adapter`. Targets are handed over after
    their score is committed, and every position is scored once. At one random position of each
    segment, the whole distribution must sum to 1 and say of the target what the score says. On the
    first segments, a reading with other words behind must give the same predictions before.

    Nothing is kept but one number for each token.

    Args:
        split: What is read, in the order in which it is.
        num_lanes: Lanes that are read side by side. With documents that reset, lanes are cut
            between documents, so that any number gives the same scores; without, every lane begins
            with nothing known.
        length: Positions of a segment: how often an adapter learns.
        reset_documents: Whether everything that was read is forgotten where a document starts.
        device: Where the model is.
        seed: Of the positions that are checked.
        progress: Whether to show a bar.

    Raises:
        TypeError: A number is not an integer.
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        split: TokenSplit,
        *,
        num_lanes: int = 1,
        length: int = 32,
        reset_documents: bool = True,
        device: str | torch.device = "cpu",
        seed: int = 0,
        progress: bool = True,
    ) -> None:
        check_sizes(num_lanes=num_lanes, length=length)
        # Between documents, lanes can be cut without anybody noticing.
        self._whole = reset_documents and num_lanes > 1 and len(split.documents) > 1
        most = len(split.documents) if self._whole else len(split)
        if num_lanes > most:
            what = "documents" if self._whole else "tokens"
            raise ValueError(f"num_lanes must be at most {most}, the {what}, got {num_lanes}")
        self.split, self.num_lanes, self.length = split, num_lanes, length
        self.reset_documents, self.seed, self.progress = reset_documents, seed, progress
        self.device = torch.device(device)

    def protocol(self) -> str:
        """How the stream is read."""
        count = len(self.split.documents)
        if count == 1:
            resets = "one stream without documents, never reset"
        elif self.reset_documents:
            resets = f"{count:,} documents, everything forgotten where one starts"
        else:
            resets = f"{count:,} documents read as one stream, never reset"
        lanes = "1 lane" if self.num_lanes == 1 else f"{self.num_lanes} lanes"
        return (
            f"{len(self.split):,} tokens ({self.split.num_words:,} words), {resets}; {lanes}, "
            f"segments of {self.length}: scored, then learned, once each"
        )

    def read(self, adapter: Adapter, name: str = "") -> Reading:
        """Let an adapter read the stream, from its beginning to its end.

        Args:
            adapter: The adapter.
            name: What the progress bar calls it.

        Raises:
            ValueError: It breaks a rule, cannot read as many lanes, or has another vocabulary.
        """
        self._check(adapter)
        random = torch.Generator().manual_seed(self.seed)
        self._check_causality(adapter, random)
        scores: list[list[Tensor]] = [[] for _ in range(self.num_lanes)]
        last = torch.full((self.num_lanes, 1), IGNORED, device=self.device)
        adapter.begin(self.num_lanes)
        seconds = 0.0
        with tqdm(
            total=len(self.split),
            desc=name or type(adapter).__name__,
            unit=" tokens",
            unit_scale=True,
            disable=not self.progress,
        ) as bar:
            for batch in self._segments(adapter):
                rows, columns = self._position(batch, random)
                segment = segment_of(batch, last)
                begin = self._now()
                found = commit(adapter, segment, batch.targets, (rows, columns))
                seconds += self._now() - begin
                last = batch.targets[:, -1:]
                known = batch.targets != IGNORED
                for lane, (values, kept) in enumerate(zip(found, known, strict=True)):
                    scores[lane].append(values[kept].float().cpu())
                bar.update(int(known.sum()))
        nats = -torch.cat([part for lane in scores for part in lane]).numpy()
        return Reading(nats, seconds, adapter.flops_per_token(self.length), adapter.describe())

    def _check(self, adapter: Adapter) -> None:
        if adapter.max_lanes is not None and self.num_lanes > adapter.max_lanes:
            raise ValueError(
                f"num_lanes must be at most {adapter.max_lanes} for {adapter.describe()}, which "
                f"moves the weights that all lanes share, got {self.num_lanes}"
            )
        largest = int(self.split.ids.max())
        if largest >= adapter.vocab_size:
            raise ValueError(
                f"the vocabulary must be that of the model, {adapter.vocab_size} ids, but the "
                f"stream has id {largest}"
            )

    def _lanes(self) -> Lanes:
        return Lanes(
            self.split,
            self.num_lanes,
            self.length,
            order="given",
            epochs=1,
            reset_documents=self.reset_documents,
            whole_documents=self._whole,
        )

    def _segments(self, adapter: Adapter) -> Iterator[Batch]:
        """Batches on the device; cut where documents start, for adapters with a single lane."""
        for batch in self._lanes():
            pieces = [batch]
            if adapter.max_lanes == 1:
                known = int((batch.targets[0] != IGNORED).sum())
                starts = batch.starts[0, :known].nonzero().flatten().tolist()
                edges = sorted({0, *starts, known})
                pieces = [
                    Batch(*(part[:, low:high] for part in batch)) for low, high in pairwise(edges)
                ]
            for piece in pieces:
                yield Batch(*(part.to(self.device) for part in piece))

    def _position(self, batch: Batch, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """A position (row, column) of a segment to check."""
        rows, columns = (
            torch.randint(size, (1,), generator=random).to(self.device)
            for size in batch.inputs.shape
        )
        return rows, columns

    def _check_causality(self, adapter: Adapter, random: torch.Generator) -> None:
        batches = list(islice(self._segments(adapter), CHECKED_SEGMENTS))
        while len(batches) > 1 and batches[-1].inputs.shape[1] < 2:
            batches.pop()
        length = batches[-1].inputs.shape[1]
        if length > 1:
            check_causality(adapter, batches, length // 2, random)

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()
