"""The memories an agent can be given by name."""

from collections.abc import Callable
from functools import partial
from typing import Any

from ..memory import GRU, LSTM, FeedForward, NoMemory, SequenceMemory, SparseFastWeights, Stack

MemoryFactory = Callable[..., SequenceMemory]
"""A function from the input width (and keyword arguments) to a memory."""


RECURRENT: dict[str, type[GRU] | type[LSTM]] = {"gru": GRU, "lstm": LSTM}


def fast_weights(
    width: int,
    *,
    num_layers: int = 2,
    num_slots: int = 4,
    key_size: int = 16,
    decay: bool = True,
    controller: str | None = None,
    feed_forward: int | None = None,
    **layer: Any,
) -> SequenceMemory:
    """A residual stack of :class:`~driftwise.memory.SparseFastWeights` layers, with decay.

    A key is made of one step's input. Where it must join several steps (I was here, did this, and
    am there), a recurrent network below the layers, the ``controller``, gathers them, as in other
    fast-weight memories (Schlag et al. 2021): ``"gru"`` or ``"lstm"``. With ``feed_forward``, a
    layer of so many hidden units on top, which can make of what was read what is not linear in it.
    """
    layer |= {"num_slots": num_slots, "key_size": key_size, "decay": decay}
    layers: list[SequenceMemory] = [SparseFastWeights(width, **layer) for _ in range(num_layers)]
    if controller is not None:
        if controller not in RECURRENT:
            raise ValueError(f"controller must be gru, lstm or None, got {controller!r}")
        layers.insert(0, RECURRENT[controller](width, width))
    if feed_forward is not None:
        layers.append(FeedForward(width, feed_forward))
    return Stack(layers)


def one_kind(
    kind: type[LSTM] | type[GRU] | type[NoMemory],
    width: int,
    *,
    num_layers: int = 1,
    feed_forward: int | None = None,
) -> SequenceMemory:
    """A residual stack of recurrent networks, or of layers without memory, as wide as the input.

    The same stack as for fast weights: on bandits it lets a GRU learn faster, too.
    """
    layers: list[SequenceMemory] = [kind(width, width) for _ in range(num_layers)]
    if feed_forward is not None:
        layers.append(FeedForward(width, feed_forward))
    return Stack(layers)


MEMORIES: dict[str, MemoryFactory] = {
    "sparse": fast_weights,
    "dense": partial(fast_weights, num_slots=1, top_k=1),
    **{name: partial(one_kind, kind) for name, kind in RECURRENT.items()},
    "none": partial(one_kind, NoMemory),
}

EQUAL_SIZE: dict[str, dict[str, Any]] = {
    "sparse": {"memory": "sparse"},
    "dense": {"memory": "dense", "memory_kwargs": {"key_size": 24}},
    "gru": {"memory": "gru", "width": 82},
    "lstm": {"memory": "lstm", "width": 71},
    "none": {"memory": "none", "width": 194},
}
"""Fields of a ``TrainConfig`` that give agents of the same size: about 42,000 parameters."""

# The GRU keeps what is needed all the time, so the fast weights have no need to decay, and each of
# many small heads can hold something else.
CONTROLLED = {
    **{"controller": "gru", "num_layers": 1, "feed_forward": 64},
    **{"num_heads": 8, "key_size": 10, "value_size": 6, "decay": False},
}
"""Arguments of one layer of fast weights above a GRU, from whose outputs keys are made."""

EQUAL_SIZE_CONTROLLED: dict[str, dict[str, Any]] = {
    "dense": {"memory": "dense", "memory_kwargs": {**CONTROLLED, "key_size": 15}},
    "gru": {"memory": "gru", "width": 83},
    "lstm": {"memory": "lstm", "width": 72},
    "none": {"memory": "none", "width": 198},
}
"""The same beside these: about 44,000 parameters."""

CHAINED = {**CONTROLLED, "num_reads": 2}
"""The same with a second read that the first one leads: from here one gets there; and then?"""

EQUAL_SIZE_CHAINED: dict[str, dict[str, Any]] = {
    "dense": {"memory": "dense", "memory_kwargs": {**CHAINED, "key_size": 15}},
    "gru": {"memory": "gru", "width": 95},
    "lstm": {"memory": "lstm", "width": 83},
    "none": {"memory": "none", "width": 226},
}
"""The same beside these: about 58,000 parameters."""

# A write has one rate for all values of a head, which must not overwrite what is known of another
# arm: more heads than arms learn faster than four.
_HEADS = {"num_heads": 8, "value_size": 8, "decay": False}
MANY_SLOTS = {**_HEADS, "num_slots": 32, "key_size": 8}
"""Arguments of fast weights that recall many contexts."""

EQUAL_SIZE_SLOTS: dict[str, dict[str, Any]] = {
    "sparse": {"memory": "sparse", "memory_kwargs": MANY_SLOTS},
    "dense": {"memory": "dense", "memory_kwargs": {**_HEADS, "key_size": 56}},
    "gru": {"memory": "gru", "width": 138},
    "lstm": {"memory": "lstm", "width": 120},
    "none": {"memory": "none", "width": 328},
}
"""The same beside these: about 121,000 parameters. A step of ``dense`` touches all of its fast
weights, one of ``sparse`` 2 of 32 slots."""


def make_memory(memory: str | MemoryFactory, width: int, **kwargs: Any) -> SequenceMemory:
    """Build a memory for inputs of a given width.

    Args:
        memory: a name in :data:`MEMORIES`, or a function called as ``memory(width, **kwargs)``.
        width: size of the memory's inputs.
        **kwargs: passed on to the memory.

    Raises:
        ValueError: for an unknown name, or arguments that the memory does not take.
        TypeError: if the function returns something other than a ``SequenceMemory``.
    """
    if isinstance(memory, str):
        if memory not in MEMORIES:
            raise ValueError(f"memory must be one of {', '.join(MEMORIES)}, got {memory!r}")
        try:
            return MEMORIES[memory](width, **kwargs)
        except TypeError as error:
            raise ValueError(f"memory_kwargs do not fit {memory!r}: {error}") from error
    built = memory(width, **kwargs)
    if not isinstance(built, SequenceMemory):
        raise TypeError(f"memory must build a SequenceMemory, got {type(built).__name__}")
    return built
