"""One random stream per world, drawn from in bulk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from gymnasium.utils import seeding
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
DrawArrays = tuple[FloatArray, FloatArray]  # uniforms (..., ku) and normals (..., kz)

_WORD = 2**64


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


def pack_generator(generator: np.random.Generator) -> list[int]:
    """State of a PCG64 generator as six unsigned 64-bit words."""
    state = generator.bit_generator.state
    if state["bit_generator"] != "PCG64":
        raise ValueError(f"np_random must use PCG64, got {state['bit_generator']}")
    value, increment = state["state"]["state"], state["state"]["inc"]
    return [
        value // _WORD,
        value % _WORD,
        increment // _WORD,
        increment % _WORD,
        state["has_uint32"],
        state["uinteger"],
    ]


def unpack_generator(words: Sequence[int] | NDArray[np.uint64]) -> np.random.Generator:
    """A generator in the state that :func:`pack_generator` described."""
    value_high, value_low, inc_high, inc_low, has_uint32, uinteger = (int(word) for word in words)
    bit_generator = np.random.PCG64(0)
    bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {
            "state": value_high * _WORD + value_low,
            "inc": inc_high * _WORD + inc_low,
        },
        "has_uint32": has_uint32,
        "uinteger": uinteger,
    }
    return np.random.Generator(bit_generator)
