"""Graphs of islands: against plain Python, and against the law of the published ones."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from driftwise.envs import IslandTransport
from driftwise.envs.island_graphs import another, draw_graphs, in_test_split

Links = list[list[int]]


def search_from(links: Links, start: int) -> dict[int, int]:
    """Steps to every island that can be reached."""
    steps, queue = {start: 0}, deque([start])
    while queue:
        island = queue.popleft()
        for to in links[island]:
            if to >= 0 and to not in steps:
                steps[to] = steps[island] + 1
                queue.append(to)
    return steps


def test_shortest_paths() -> None:
    for size in ((5, 3), (3, 2), (9, 4)):
        graphs = draw_graphs("train", *size, 50)
        for links, steps, optimal in zip(*(part.tolist() for part in graphs), strict=True):
            for start, destination in np.ndindex(size[0], size[0]):
                assert steps[start][destination] == search_from(links, start)[destination]
                if start != destination:
                    left = [
                        steps[to][destination] if to >= 0 else steps[start][destination]
                        for to in links[start]
                    ]
                    assert optimal[start][destination] == int(np.argmin(left))


def test_validity() -> None:
    """Two links per island on average, ways out and in, none to itself, walks of one length."""
    for links in draw_graphs("test", 5, 3, 300).links:
        assert (links >= 0).sum() == 10 and (links >= 0).any(axis=1).all()
        assert (links != np.arange(5)[:, None]).all()
        assert set(links[links >= 0].tolist()) == set(range(5))
        reached = np.eye(5, dtype=int)
        lengths = []
        for _ in range(40):
            step = [[island in row for island in range(5)] for row in links.tolist()]
            reached = (reached @ np.array(step, dtype=int) > 0).astype(int)
            lengths.append(bool(reached.all()))
        assert lengths[-1]


def test_splits_are_disjoint_and_fixed_by_number() -> None:
    splits = {name: draw_graphs(name, 5, 3, 2000).links for name in ("train", "test")}
    sets = {name: {bytes(links) for links in part} for name, part in splits.items()}
    assert not sets["train"] & sets["test"]
    assert all(len(part) > 1990 for part in sets.values())
    for name, links in splits.items():
        assert (in_test_split(links) == (name == "test")).all()
        assert np.array_equal(draw_graphs(name, 5, 3, 600).links, links[:600])
    for links in splits["test"][:20]:  # the checksum in plain Python
        digest = 0xCBF29CE484222325
        for link in links.reshape(-1).tolist():
            digest = ((digest ^ (link + 1)) * 0x100000001B3) % 2**64
        assert digest >> 63
    # Part of the definition: other graphs would be another version.
    assert splits["train"][0].tolist() == FIRST_TRAIN and splits["test"][0].tolist() == FIRST_TEST


FIRST_TRAIN: Links = [[4, 1, 4], [2, 0, -1], [-1, -1, 1], [-1, 0, -1], [3, 2, 2]]
FIRST_TEST: Links = [[2, 1, 4], [3, -1, 0], [-1, 1, 3], [-1, -1, 2], [-1, 3, 1]]


def published_law(rng: np.random.Generator) -> np.ndarray:
    """A graph drawn with one decision at a time."""
    while True:
        links = np.full((5, 3), -1)
        for island in range(5):
            others = [other for other in range(5) if other != island]
            links[island, rng.integers(3)] = rng.choice(others)
        for island in range(5):
            unused = [(i, a) for i, a in np.argwhere(links < 0).tolist() if i != island]
            links[tuple(unused[rng.integers(len(unused))])] = island
        walks = np.array([[island in row for island in range(5)] for row in links.tolist()])
        if (np.linalg.matrix_power(walks.astype(float), 32) > 0).all():
            return links


def features(links: np.ndarray) -> list[float]:
    """Ways out of islands 0 and 4, into 0 and 4, and transports that lead the same way."""
    out, into = (links >= 0).sum(axis=1), [(links == island).sum() for island in (0, 4)]
    same = sum(len(row[row >= 0]) - len(set(row[row >= 0].tolist())) for row in links)
    return [out[0], out[4], *into, out.max(), same, links[0, 0], links[4, 2]]


def test_law() -> None:
    rng = np.random.default_rng(0)
    expected = np.array([features(published_law(rng)) for _ in range(2000)], dtype=float)
    for split in ("train", "test"):
        got = np.array([features(links) for links in draw_graphs(split, 5, 3, 4000).links])
        error = np.sqrt(expected.var(axis=0) / 2000 + got.var(axis=0) / 4000)
        assert (np.abs(got.mean(axis=0) - expected.mean(axis=0)) < 4 * error + 1e-12).all()


def test_another() -> None:
    uniforms = np.linspace(0, 1, 401)[:-1]
    for island in range(5):
        counts = np.bincount(another(np.full(400, island), uniforms, 5), minlength=5)
        assert counts.tolist() == [0 if other == island else 100 for other in range(5)]


def test_too_few() -> None:
    """With three islands and two transports, all links are in use; there still are graphs."""
    assert len(IslandTransport(num_islands=3, num_transports=2).settings.graphs.links) == 600
    with pytest.raises(ValueError, match="num_graphs must be at most"):
        IslandTransport(num_islands=3, num_transports=2, num_graphs=10**6)
