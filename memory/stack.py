"""Memories on top of one another."""

from collections.abc import Iterable
from typing import cast

from torch import Tensor, nn

from .contract import SequenceMemory
from .state import State


class Stack(SequenceMemory):
    """Memories in a residual stack: ``x + layer(norm(x))`` for each layer, and a last norm.

    A layer sees, through the residual stream, what the layers below it have read at this very step.
    The second of two :class:`SparseFastWeights` can so set its rate by the surprise of the first.

    Args:
        layers: memories whose outputs are as wide as their inputs, the lowest first.

    Raises:
        TypeError: a layer is not a :class:`SequenceMemory`.
        ValueError: no layers, or layers of different widths.
    """

    def __init__(self, layers: Iterable[SequenceMemory]) -> None:
        layers = list(layers)
        for layer in layers:
            if not isinstance(layer, SequenceMemory):
                kind = f"{type(layer).__module__}.{type(layer).__name__}"
                raise TypeError(f"layers must be memories (SequenceMemory), got a {kind}")
        widths = {width for layer in layers for width in (layer.input_size, layer.output_size)}
        if len(widths) != 1:
            raise ValueError(
                "layers must be memories with one common input and output size, "
                f"got {sorted(widths)}"
            )
        (width,) = widths
        super().__init__(width, width)
        self.layers = nn.ModuleList(layers)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in layers)
        self.last_norm = nn.LayerNorm(width)

    def initial_state(self, batch_size: int) -> State:
        """A tuple with the initial state of every layer."""
        layers = cast(Iterable[SequenceMemory], self.layers)
        return tuple(layer.initial_state(batch_size) for layer in layers)

    def step(
        self, x: Tensor, state: State, start: Tensor | None = None, *, in_place: bool = False
    ) -> tuple[Tensor, State]:
        """One step through all layers (see :class:`SequenceMemory`)."""
        state = self._check_step(x, state, start)
        layers = cast(Iterable[SequenceMemory], self.layers)
        after = []
        for layer, norm, before in zip(layers, self.norms, state, strict=True):
            y, new = layer.step(norm(x), before, start, in_place=in_place)
            x = x + y
            after.append(new)
        return self.last_norm(x), tuple(after)

    def forward(
        self, x: Tensor, state: State = None, starts: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """A whole sequence through all layers (see :class:`SequenceMemory`)."""
        state = self._check_sequence(x, state, starts)
        after = []
        for layer, norm, before in zip(self.layers, self.norms, state, strict=True):
            y, new = layer(norm(x), before, starts)
            x = x + y
            after.append(new)
        return self.last_norm(x), tuple(after)
