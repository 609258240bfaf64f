"""Batches of contiguous text: B lanes through a stream of documents.

An epoch is one stream: the documents one after the other, in some order. It is cut into B lanes of
equal length (give or take one token), and each batch has the next T tokens of each lane, so that a
model can carry its state from batch to batch. Every token is a target exactly once in an epoch. The
input before it is the token before it in its document, or ``eos`` where the document begins.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...memory.contract import check_sizes
from .token_split import TokenSplit

IGNORED = -100  # the target where a lane has ended; torch's cross_entropy ignores it, too
VARIES_UP_TO = 25  # tokens that a batch may be longer than ``length``: five deviations

Order = Literal["shuffled", "time", "given"]
IntArray = NDArray[np.int64]


class Batch(NamedTuple):
    """The next T tokens of B lanes.

    Attributes:
        inputs: (B, T) int64, the token before each target.
        targets: (B, T) int64, :data:`IGNORED` behind the end of a lane.
        starts: (B, T) bool, where the state is to be reset before the input: where a document
            begins, and where a lane does.
    """

    inputs: Tensor
    targets: Tensor
    starts: Tensor


class Lanes:
    """Batches of contiguous text, epoch after epoch; see the head of this file.

    Iterating goes on from where it stopped. ``state_dict`` after a batch is the position behind it.

    Args:
        split: The tokens.
        batch_size: Number of lanes B, over all processes.
        length: Number of tokens T of a lane in each batch.
        seed: What the order of the documents is drawn from, together with the epoch.
        order: ``"shuffled"``: documents in another order in each epoch. ``"time"``: by their keys
            (year, date or number). ``"given"``: as they are.
        epochs: Number of epochs; None for no end.
        reset_documents: Whether ``starts`` is set where documents begin, and not only where lanes
            do.
        vary_length: Draw the length of each batch anew (Merity et al. 2018, arXiv:1708.02182), so
            that text is cut elsewhere in each epoch: from a normal distribution with a deviation of
            5 around T, or around T / 2 for one batch in twenty; at least 5, at most T + 25.
        whole_documents: Cut lanes between documents only, so that each document is read from its
            beginning. Lanes are then as unequal as documents make them. Not for shuffled ones,
            whose epochs would differ in length.
        rank: Which process this is. It gets rows ``rank * B / world_size`` and on of the batches
            that a single process would get.
        world_size: Number of processes, which divides ``batch_size``.

    Raises:
        TypeError: A number is not an integer.
        ValueError: An argument is out of range, or there are more lanes than tokens (documents,
            for whole ones).
    """

    def __init__(
        self,
        split: TokenSplit,
        batch_size: int,
        length: int,
        *,
        seed: int = 0,
        order: Order = "shuffled",
        epochs: int | None = None,
        reset_documents: bool = True,
        vary_length: bool = False,
        whole_documents: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        check_sizes(batch_size=batch_size, length=length, world_size=world_size)
        if epochs is not None:
            check_sizes(epochs=epochs)
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            raise ValueError(f"seed must be an integer of at least 0, got {seed!r}")
        if order not in get_args(Order):
            raise ValueError(f"order must be one of {get_args(Order)}, got {order!r}")
        if batch_size % world_size or not 0 <= rank < world_size:
            raise ValueError(
                f"world_size must divide batch_size={batch_size}, and rank be below it, got "
                f"world_size={world_size} and rank={rank}"
            )
        if whole_documents and order == "shuffled":
            raise ValueError("whole_documents must be False where the order is shuffled")
        limit, of = len(split), "tokens"
        if whole_documents:
            limit, of = len(split.documents), "documents"
        if batch_size > limit:
            raise ValueError(f"batch_size must be at most {limit}, the {of}, got {batch_size}")
        self.split, self.batch_size, self.length = split, batch_size, length
        self.seed, self.order, self.epochs = seed, order, epochs
        self.reset_documents, self.whole_documents = reset_documents, whole_documents
        self.vary_length = vary_length
        share = batch_size // world_size
        self._rows = slice(rank * share, (rank + 1) * share)
        self._ids = np.asarray(split.ids)  # without the overhead of np.memmap
        self.epoch, self.step = 0, 0
        self._lay_out()

    def _lay_out(self) -> None:
        """The stream of this epoch: where its documents are, and its lanes."""
        offsets, total = self.split.documents.offsets, len(self.split)
        count = len(offsets) - 1
        if self.order == "shuffled":
            order = np.random.default_rng([self.seed, self.epoch]).permutation(count)
        elif self.order == "time":
            order = np.argsort(self.split.documents.keys, kind="stable")
        else:
            order = np.arange(count)
        begins = np.append(0, np.diff(offsets)[order].cumsum())  # in the stream; and its end
        cuts = np.arange(self.batch_size + 1) * total // self.batch_size
        if self.whole_documents:
            # At the next documents, but at least one for each lane.
            lanes = np.arange(self.batch_size + 1)
            near = np.maximum.accumulate(np.searchsorted(begins, cuts) - lanes) + lanes
            cuts = begins[np.minimum(near, count - self.batch_size + lanes)]
        self._begins, self._offsets = begins.tolist(), offsets[order].tolist()
        self._lanes = list(pairwise(cuts.tolist()))[self._rows]
        self._steps = self._cut(int(np.diff(cuts).max()))
        self.steps_per_epoch = len(self._steps) - 1

    def _cut(self, longest: int) -> list[int]:
        """Where in their lanes the batches of this epoch begin, and where the last one ends."""
        if not self.vary_length:
            return [*range(0, longest + self.length, self.length)]
        random = np.random.default_rng([self.seed, self.epoch, 1])
        count = longest // 5 + 1  # as many as there can be
        around = np.where(random.random(count) < 0.95, self.length, self.length / 2)
        drawn = random.normal(around, 5.0).astype(int).clip(5, self.length + VARIES_UP_TO)
        ends = drawn.cumsum()
        return [0, *ends[: np.searchsorted(ends, longest) + 1].tolist()]

    def __iter__(self) -> Iterator[Batch]:
        while True:
            if self.step == self.steps_per_epoch:
                if self.epoch + 1 == self.epochs:
                    return
                self.epoch, self.step = self.epoch + 1, 0
                self._lay_out()
            self.step += 1
            yield self._batch(self.step - 1)

    def _batch(self, step: int) -> Batch:
        batch_begin, batch_end = self._steps[step : step + 2]
        shape = len(self._lanes), batch_end - batch_begin
        inputs = np.full(shape, self.split.eos, np.int64)
        targets = np.full(shape, IGNORED, np.int64)
        starts = np.zeros(shape, bool)
        for row, (lane_begin, lane_end) in enumerate(self._lanes):
            begin, end = lane_begin + batch_begin, min(lane_begin + batch_end, lane_end)
            document = bisect_right(self._begins, begin) - 1
            at = begin
            while at < end:  # from one document to the next
                document_begin, document_end = self._begins[document : document + 2]
                stop = min(document_end, end)
                shift = self._offsets[document] - document_begin  # from stream to split
                first = at == document_begin
                to = slice(at - begin, stop - begin)
                targets[row, to] = self._ids[at + shift : stop + shift]
                # The first token of a document has no token before it.
                to = slice(at - begin + first, stop - begin)
                inputs[row, to] = self._ids[at + shift + first - 1 : stop + shift - 1]
                starts[row, at - begin] = (first and self.reset_documents) or at == lane_begin
                at, document = stop, document + 1
        return Batch(*map(torch.from_numpy, (inputs, targets, starts)))

    def _settings(self) -> dict[str, Any]:
        """What the batches depend on."""
        return {
            "batch_size": self.batch_size,
            "length": self.length,
            "seed": self.seed,
            "order": self.order,
            "reset_documents": self.reset_documents,
            "vary_length": self.vary_length,
            "whole_documents": self.whole_documents,
            "tokens": len(self.split),
            "documents": len(self.split.documents),
        }

    def state_dict(self) -> dict[str, Any]:
        """The position, as plain data: small, whatever the corpus."""
        return {"epoch": self.epoch, "step": self.step, **self._settings()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a position; the number of processes may differ.

        Raises:
            ValueError: The position is that of other lanes; the message says in what they differ.
        """
        wanted = {"epoch", "step", *self._settings()}
        if missing := sorted(wanted - state.keys()):
            raise ValueError(f"state must be what state_dict() gave, it has no {missing[0]!r}")
        for name, value in self._settings().items():
            if state[name] != value:
                raise ValueError(f"{name} must be {state[name]}, as when saved, got {value}")
        self.epoch, self.step = state["epoch"], state["step"]
        self._lay_out()
        if not 0 <= self.step <= self.steps_per_epoch:
            raise ValueError(
                f"step must be from 0 to the {self.steps_per_epoch} of an epoch, got {self.step}"
            )
