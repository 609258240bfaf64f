"""The islands' graphs: how they are drawn, which split they belong to, and their shortest paths.

Letters: G graphs, I islands, A transports.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .blocks import BoolArray, IntArray
from .maze_grid import pick
from .streams import FloatArray

SPLITS = ("train", "test")
NO_LINK = -1

# Part of the definition of the graphs: other numbers make other ones.
_SEED = 0
_BATCH = 512
_MAX_BATCHES = 200

_FNV_OFFSET, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


class Graphs(NamedTuple):
    """G graphs and what steps look up in them.

    Attributes:
        links: Where each transport leads from each island, or -1 where it does not go, (G, I, A).
        steps: Steps of a shortest path from an island to a destination, (G, I, I).
        optimal: The first transport of a shortest path, (G, I, I).
    """

    links: IntArray
    steps: IntArray
    optimal: IntArray


@lru_cache(maxsize=8)
def draw_graphs(split: str, num_islands: int, num_transports: int, num_graphs: int) -> Graphs:
    """The first ``num_graphs`` graphs of a split.

    Graph i of a split is the same whatever ``num_graphs`` is. A graph's split is a function of the
    graph (:func:`in_test_split`), so that no graph is in both.

    Raises:
        ValueError: There are hardly any such graphs.
    """
    generator = np.random.default_rng([_SEED, num_islands, num_transports])
    found: list[IntArray] = []
    count = 0
    for _ in range(_MAX_BATCHES):
        links, valid = _candidates(generator.random((_BATCH, 3 * num_islands)), num_transports)
        links = links[valid & (in_test_split(links) == (split == "test"))]
        found.append(links)
        count += len(links)
        if count >= num_graphs:
            return _chart(np.concatenate(found)[:num_graphs])
    raise ValueError(
        f"num_graphs must be at most {count} for num_islands={num_islands} and "
        f"num_transports={num_transports}, got {num_graphs}"
    )


@lru_cache(maxsize=8)
def list_graphs(split: str, num_islands: int, num_transports: int, num_graphs: int) -> list[Any]:
    """The parts of :func:`draw_graphs` as lists of numbers, which plain Python reads faster.

    All environments share them: not to be written to.
    """
    graphs = draw_graphs(split, num_islands, num_transports, num_graphs)
    return [part.tolist() for part in graphs]


def _candidates(uniforms: FloatArray, num_transports: int) -> tuple[IntArray, BoolArray]:
    """Graphs drawn as the published code draws them, and whether they are valid.

    Every island gets a way out: a random transport to a random other island. Then every island
    gets one more way in: one of the transports that lead nowhere yet, of another island. A graph is
    valid if walks of some length lead from each island to each: it is strongly connected, and its
    cycles have no common divisor.

    Args:
        uniforms: Shape (k, 3 I).
        num_transports: A.

    Returns:
        The links (k, I, A) and whether each graph is valid (k,).
    """
    count, num_islands = len(uniforms), uniforms.shape[1] // 3
    out, by, into = np.split(uniforms, 3, axis=1)
    rows, islands = np.arange(count)[:, None], np.arange(num_islands)
    links = np.full((count, num_islands, num_transports), NO_LINK)
    links[rows, islands, (by * num_transports).astype(np.int64)] = another(
        islands, out, num_islands
    )
    valid = np.ones(count, dtype=bool)
    for island in range(num_islands):
        unused = links == NO_LINK
        unused[:, island] = False
        chosen = pick(unused.reshape(count, -1), into[:, island])
        valid &= unused.any(axis=(1, 2))
        links.reshape(count, -1)[rows[:, 0], chosen] = island

    walks = (links[..., None] == islands).any(axis=2).astype(np.float32)  # for BLAS
    # A graph that has such walks has them of length (I - 1)^2 + 1 and more (Wielandt, 1950).
    for _ in range(((num_islands - 1) ** 2).bit_length()):
        walks = np.minimum(np.matmul(walks, walks), 1)
    return links, valid & (walks > 0).all(axis=(1, 2))


def in_test_split(links: IntArray) -> BoolArray:
    """Whether graphs (k, I, A) belong to the test split: the top bit of their FNV-1a hash, (k,)."""
    digest = np.full(len(links), _FNV_OFFSET)
    for column in (links + 1).astype(np.uint64).reshape(len(links), -1).T:
        digest = (digest ^ column) * _FNV_PRIME
    return np.asarray(digest >> np.uint64(63) == 1)


def _chart(links: IntArray) -> Graphs:
    """Finds the shortest paths of valid graphs (G, I, A), from all destinations at once."""
    num_islands, num_transports = links.shape[1:]
    everyone = np.arange(len(links))[:, None]
    far = 2 * num_islands
    steps = np.tile(np.where(np.eye(num_islands, dtype=bool), 0, far), (len(links), 1, 1))

    def beyond(transport: int) -> IntArray:
        """Steps that are left after taking a transport, (G, I, I)."""
        to = links[:, :, transport]
        left: IntArray = np.where((to == NO_LINK)[..., None], far, steps[everyone, to])
        return left

    for _ in range(num_islands - 1):  # no shortest path is longer
        for transport in range(num_transports):
            steps = np.minimum(steps, beyond(transport) + 1)
    optimal = np.zeros_like(steps)
    for transport in reversed(range(num_transports)):
        np.copyto(optimal, transport, where=beyond(transport) < steps)
    for array in (links, steps, optimal):
        array.flags.writeable = False  # shared by all environments
    return Graphs(links, steps, optimal)


def another(islands: IntArray, uniforms: FloatArray, num_islands: int) -> IntArray:
    """An island other than each of ``islands``, each equally likely."""
    chosen = (uniforms * (num_islands - 1)).astype(np.int64)
    return chosen + (chosen >= islands)
