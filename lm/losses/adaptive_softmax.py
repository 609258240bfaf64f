"""A softmax in which rare words are cheap: in clusters, with narrower rows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...memory import HebbianSoftmax
from .config import HebbianConfig
from .head import SoftmaxHead, make_rows


class AdaptiveSoftmax(SoftmaxHead):
    """Frequent words by themselves, rare ones by way of their cluster.

    Efficient softmax approximation for GPUs (Grave et al. 2017, arXiv:1609.04309), as in
    ``torch.nn.AdaptiveLogSoftmaxWithLoss``, with the tied inputs of Baevski & Auli (2019,
    arXiv:1809.10853). Ids are sorted by frequency. Those below the first cut-off, the shortlist,
    share one softmax with the K clusters of the rest; within cluster k there is one more, over rows
    of width d_k = D / div_value^k that see the hidden vector through a projection P_k (d_k, D)::

        log p(w) = log p(w | shortlist and clusters)          for w in the shortlist
        log p(w) = log p(cluster k) + log p(w | cluster k)    for w in cluster k

    The embedding of a word, where inputs are tied, is its row, times P_k in a cluster.

    How many positions have their target in a cluster is known at run time only. In eager mode just
    these are computed. Under ``torch.compile`` shapes are static: room is made for a share of the
    positions (``capacities``), and if more of them come, all are computed for that cluster, inside
    the same graph. No target is ever dropped.

    With ``hebbian``, words memorise activations in their own cluster's width: P_k h, with P_k as it
    is after the optimiser's step. The rows of the clusters themselves are left to the gradient.

    Args:
        hidden_size: D.
        vocab_size: V.
        cutoffs: First ids of the clusters, increasing.
        div_value: Factor by which each cluster is narrower than the one before it.
        capacities: For each cluster, the share of positions that a compiled loss makes room for.
        hebbian: Whether rows memorise activations, and how.
        logit_cap: As in :class:`SoftmaxHead`; caps the logits of clusters and of words in them.
        max_logits: As there.

    Attributes:
        shortlist: Rows of the frequent words, ``shortlist.weight`` of shape (cutoffs[0], D).
        clusters: Rows of the clusters, ``clusters.weight`` of shape (K, D).
        projections: P_k, one for each cluster.
        tails: Rows of the words in each cluster.

    Raises:
        ValueError: Cut-offs, capacities or ``div_value`` are out of range.
    """

    boundaries: Tensor

    def __init__(
        self,
        hidden_size: int,
        vocab_size: int,
        cutoffs: Sequence[int],
        *,
        div_value: float = 4.0,
        capacities: Sequence[float] = (),
        hebbian: HebbianConfig | None = None,
        logit_cap: float | None = None,
        max_logits: int = 2**26,
    ) -> None:
        super().__init__(hidden_size, vocab_size, logit_cap=logit_cap, max_logits=max_logits)
        self.cutoffs = tuple(cutoffs)
        edges = (0, *self.cutoffs, vocab_size)
        if not cutoffs or any(low >= high for low, high in itertools.pairwise(edges)):
            raise ValueError(
                f"cutoffs must increase from above 0 to below vocab_size={vocab_size}, "
                f"got {self.cutoffs}"
            )
        if not div_value >= 1:
            raise ValueError(f"div_value must be at least 1, got {div_value}")
        self.capacities = tuple(capacities) or (0.25,) * len(self.cutoffs)
        if len(self.capacities) != len(self.cutoffs) or not all(0 < c <= 1 for c in capacities):
            raise ValueError(
                f"capacities must be one share above 0 and up to 1 for each of "
                f"{len(self.cutoffs)} clusters, got {self.capacities}"
            )
        count = len(self.cutoffs)
        self.shortlist = make_rows(hidden_size, self.cutoffs[0], False, hebbian)
        self.clusters = _drawn(hidden_size, count)
        widths = [max(1, int(hidden_size // div_value ** (k + 1))) for k in range(count)]
        self.projections = nn.ModuleList(_drawn(hidden_size, width) for width in widths)
        self.tails = nn.ModuleList(
            make_rows(width, high - low, False, hebbian)
            for width, (low, high) in zip(widths, itertools.pairwise(edges[1:]), strict=True)
        )
        self.register_buffer("boundaries", torch.tensor(self.cutoffs), persistent=False)

    def embed(self, ids: Tensor) -> Tensor:
        """Rows of ``ids``, at width D: all clusters for all ids, so that shapes are static."""
        cluster = self._cluster_of(ids)
        rows = F.embedding(ids.clamp(max=self.cutoffs[0] - 1), self.shortlist.weight)
        y = torch.where((cluster == 0).unsqueeze(-1), rows, 0.0)
        for k, (low, tail, projection) in enumerate(self._clusters()):
            place = (ids - low).clamp(0, tail.weight.shape[0] - 1)
            rows = F.linear(F.embedding(place, tail.weight), projection.weight.mT)
            y = torch.where((cluster == k + 1).unsqueeze(-1), rows.to(y.dtype), y)
        return y

    def forward(self, hidden: Tensor, targets: Tensor) -> Tensor:
        """Losses (N,) of (N, D) hidden vectors (see :class:`SoftmaxHead`)."""
        return self._losses(hidden, targets, static=torch.compiler.is_compiling())

    @property
    def logits_per_position(self) -> int:
        """Those of the shortlist and the clusters, or of the largest cluster."""
        edges = (0, *self.cutoffs, self.vocab_size)
        sizes = [high - low for low, high in itertools.pairwise(edges)]
        return max(sizes[0] + len(self.cutoffs), *sizes[1:])

    @property
    def row_weights(self) -> list[Tensor]:
        """Those of the shortlist, of the clusters, and of the words in each."""
        tails = [tail.weight for _, tail, _ in self._clusters()]
        return [self.shortlist.weight, self.clusters.weight, *tails]

    def _losses(self, hidden: Tensor, targets: Tensor, static: bool) -> Tensor:
        cluster = self._cluster_of(targets)
        first = torch.where(cluster == 0, targets, self.cutoffs[0] - 1 + cluster)
        losses = F.cross_entropy(self._head_logits(hidden), first, reduction="none")
        for k, (low, tail, _) in enumerate(self._clusters()):
            inside = cluster == k + 1
            place = (targets - low).clamp(0, tail.weight.shape[0] - 1)
            add = self._add_static if static else self._add_exactly
            losses = add(losses, k, hidden, place, inside)
        return losses

    def _add_exactly(
        self, losses: Tensor, k: int, hidden: Tensor, place: Tensor, inside: Tensor
    ) -> Tensor:
        """Add the losses within cluster k of the positions that are inside of it."""
        chosen = inside.nonzero().squeeze(1)
        # Also for none of them: every parameter gets a gradient, as data parallelism expects.
        return losses.index_add(0, chosen, self._tail_losses(k, hidden[chosen], place[chosen]))

    def _add_static(
        self, losses: Tensor, k: int, hidden: Tensor, place: Tensor, inside: Tensor
    ) -> Tensor:
        """The same in shapes that depend on no values."""
        count = len(losses)
        room = max(1, int(self.capacities[k] * count))
        rank = inside.cumsum(0) - 1
        # Each of the first `room` positions inside writes its number to its rank; the others write
        # to one place more, which is cut off.
        slot = torch.where(inside & (rank < room), rank, room)
        numbers = torch.arange(count, device=hidden.device)
        chosen = numbers.new_zeros(room + 1).scatter(0, slot, numbers)[:room]
        filled = numbers[:room] <= rank[-1]

        def some(losses: Tensor, hidden: Tensor, place: Tensor, inside: Tensor) -> Tensor:
            added = self._tail_losses(k, hidden[chosen], place[chosen])
            return losses.index_add(0, chosen, torch.where(filled, added, 0.0))

        def all_of_them(losses: Tensor, hidden: Tensor, place: Tensor, inside: Tensor) -> Tensor:
            return losses + torch.where(inside, self._tail_losses(k, hidden, place), 0.0)

        operands = (losses, hidden, place, inside)
        if room >= count:
            return all_of_them(*operands)
        return cast(Tensor, torch.cond(rank[-1] >= room, all_of_them, some, operands))

    def _head_logits(self, hidden: Tensor) -> Tensor:
        return self._capped(torch.cat((self.shortlist(hidden), self.clusters(hidden)), -1))

    def _tail_logits(self, k: int, hidden: Tensor) -> Tensor:
        return self._capped(self.tails[k](self.projections[k](hidden)))

    def _tail_losses(self, k: int, hidden: Tensor, place: Tensor) -> Tensor:
        return F.cross_entropy(self._tail_logits(k, hidden), place, reduction="none")

    def _log_probs(self, hidden: Tensor) -> Tensor:
        head = self._head_logits(hidden).log_softmax(-1)
        shortlist, *clusters = head.split((self.cutoffs[0], *(1,) * len(self.cutoffs)), -1)
        inner = [self._tail_logits(k, hidden).log_softmax(-1) for k in range(len(clusters))]
        parts = [of_cluster + of_word for of_cluster, of_word in zip(clusters, inner, strict=True)]
        return torch.cat((shortlist, *parts), -1)

    def _memorise(self, hidden: Tensor, targets: Tensor) -> None:
        if not isinstance(self.shortlist, HebbianSoftmax):
            return
        cluster = self._cluster_of(targets)
        # Every cluster is written to, also by no examples: other processes may have some.
        chosen = (cluster == 0).nonzero().squeeze(1)
        self.shortlist.write(hidden[chosen], targets[chosen])
        for k, (low, tail, projection) in enumerate(self._clusters()):
            chosen = (cluster == k + 1).nonzero().squeeze(1)
            cast(HebbianSoftmax, tail).write(projection(hidden[chosen]), targets[chosen] - low)

    def _cluster_of(self, ids: Tensor) -> Tensor:
        """0 for words of the shortlist, k + 1 for those of cluster k."""
        return torch.bucketize(ids.contiguous(), self.boundaries, right=True)

    def _clusters(self) -> list[tuple[int, nn.Linear, nn.Linear]]:
        """First id, rows and projection of every cluster."""
        return cast(
            list[tuple[int, nn.Linear, nn.Linear]],
            list(zip(self.cutoffs, self.tails, self.projections, strict=True)),
        )


def _drawn(in_features: int, out_features: int) -> nn.Linear:
    linear = nn.Linear(in_features, out_features, bias=False)
    nn.init.normal_(linear.weight, std=in_features**-0.5)
    return linear
