"""One random stream per world, drawn from in bulk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from gymnasium.utils import seeding
from numpy.typing import NDArray

from .generators import pack_generator, unpack_generator

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
DrawArrays = tuple[FloatArray, FloatArray]  # uniforms (..., ku) and normals (..., kz)


class Draws(NamedTuple):
    """How many random numbers something needs: uniforms on [0, 1) and standard normals."""

    uniforms: int = 0
    normals: int = 0


class Streams:
    """N independent generators, one per world, in ``generators``.

    World i draws from its own generator only, in an order that depends on nothing but its own
    history. It therefore sees the same numbers alone as among others.
    """

    def __init__(self, num_worlds: int) -> None:
        self.generators = [seeding.np_random()[0] for _ in range(num_worlds)]

    def seed(self, index: int, seed: int | None) -> None:
        """Seeds generator ``index`` as ``gymnasium.Env.reset(seed=seed)`` would."""
        self.generators[index] = seeding.np_random(seed)[0]

    def _chosen(self, worlds: IntArray) -> list[np.random.Generator]:
        if len(worlds) == len(self.generators):
            return self.generators
        return [self.generators[index] for index in worlds.tolist()]

    def draw(self, worlds: IntArray, draws: Draws) -> DrawArrays:
        """Uniforms (n, draws.uniforms) and normals (n, draws.normals), world by world."""
        uniforms = np.empty((len(worlds), draws.uniforms))
        normals = np.empty((len(worlds), draws.normals))
        generators = self._chosen(worlds)
        if draws.uniforms:
            for generator, row in zip(generators, uniforms, strict=True):
                generator.random(out=row)
        if draws.normals:
            for generator, row in zip(generators, normals, strict=True):
                generator.standard_normal(out=row)
        return uniforms, normals

    def draw_ragged(self, worlds: IntArray, counts: IntArray, draws: Draws) -> DrawArrays:
        """As :meth:`draw`, ``counts`` (n,) times for each world; rows of one world are adjacent."""
        total = int(counts.sum())
        uniforms = np.empty((total, draws.uniforms))
        normals = np.empty((total, draws.normals))
        generators = self._chosen(worlds)
        ends = np.cumsum(counts)
        spans = list(zip(generators, (ends - counts).tolist(), ends.tolist(), strict=True))
        if draws.uniforms:
            for generator, begin, end in spans:
                if end > begin:
                    generator.random(out=uniforms[begin:end])
        if draws.normals:
            for generator, begin, end in spans:
                if end > begin:
                    generator.standard_normal(out=normals[begin:end])
        return uniforms, normals

    def get_state(self) -> NDArray[np.uint64]:
        """States of all generators as words, shape (N, 6)."""
        return np.array([pack_generator(g) for g in self.generators], dtype=np.uint64)

    def set_state(self, words: NDArray[np.uint64]) -> None:
        """Restores what :meth:`get_state` returned."""
        self.generators = [unpack_generator(row) for row in words]


def total(wanted: Sequence[Draws], times: int = 1) -> Draws:
    """What all of them want together, ``times`` times."""
    return Draws(times * sum(d.uniforms for d in wanted), times * sum(d.normals for d in wanted))


def cut(draws: DrawArrays, wanted: Sequence[Draws]) -> list[DrawArrays]:
    """Cuts arrays of random numbers along their last axis into what each one wants."""
    parts = []
    first = second = 0
    for uniforms, normals in wanted:
        part = draws[0][..., first : first + uniforms], draws[1][..., second : second + normals]
        parts.append(part)
        first, second = first + uniforms, second + normals
    return parts
