"""States of random generators as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_WORD = 2**64


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
