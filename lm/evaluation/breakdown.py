"""Which tokens of a stream are alike: by training frequency, by place, by how often they came."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from ..corpora import TokenSplit

Ints = NDArray[np.int64]

FREQUENCIES = {">10k": 10_001, "1k-10k": 1_000, "100-1k": 100, "<100": 0}
"""Buckets of Rae et al. (2018) by how often a word is in the training text: their least counts."""

STREAM_PARTS = 20  # equal parts of a stream without documents


def by_frequency(split: TokenSplit, counts: Ints) -> tuple[Ints, list[str]]:
    """(N,) bucket of each token by the count of its id in the training text, and their names."""
    least = np.array(list(FREQUENCIES.values()))
    # The first bucket whose least count is reached.
    bucket_of_id = (np.asarray(counts)[:, None] >= least).argmax(1)
    return bucket_of_id[np.asarray(split.ids, np.int64)], list(FREQUENCIES)


def by_occurrence(split: TokenSplit) -> tuple[Ints, list[str]]:
    """(N,) 0 for the first occurrence of an id in its document, 1 for others; and names."""
    lengths = np.diff(split.documents.offsets)
    documents = np.repeat(np.arange(len(lengths)), lengths)
    ids = np.asarray(split.ids, np.int64)
    _, first = np.unique(documents * (int(ids.max()) + 1) + ids, return_index=True)
    repeated = np.ones(len(ids), np.int64)
    repeated[first] = 0
    return repeated, ["first", "repeated"]


def by_position(split: TokenSplit) -> tuple[Ints, list[str]]:
    """(N,) bucket of each token by its place, and their names.

    With documents: the place in its document, from 0, in buckets that double: below 16, 16 to 31,
    and so on. Without: which twentieth of the stream.
    """
    offsets = split.documents.offsets
    total = len(split)
    if len(split.documents) == 1:
        parts = min(STREAM_PARTS, total)
        edges = np.arange(parts + 1) * total // parts
        bucket = np.repeat(np.arange(parts), np.diff(edges))
        return bucket, [f"{low}-{high - 1}" for low, high in itertools.pairwise(edges)]
    lengths = np.diff(offsets)
    place = np.arange(total) - np.repeat(offsets[:-1], lengths)
    doubles = 16 * 2 ** np.arange(40)
    bucket = np.searchsorted(doubles, place, side="right")
    edges = np.append(0, doubles)[: int(bucket.max()) + 2]
    return bucket, [f"{low}-{high - 1}" for low, high in itertools.pairwise(edges)]
