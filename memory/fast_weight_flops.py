"""What a fast weight layer costs in multiplications and additions, as a formula."""

from __future__ import annotations

from typing import NamedTuple

from .fast_weight_layer import FastWeightLayer


class FastWeightFlops(NamedTuple):
    """Floating point operations of one position in ``forward``, a multiply-add being two.

    Attributes:
        slow_forward: The block with its slow weights.
        slow_backward: Gradients of its activations.
        hidden: First fast layer: build and read the state, attend within the chunk.
        output: Second fast layer, with its product by the slow weights.
        norm: Sums of the gradients of gain and offset.
        residual: The projection P, three times; 0 without it.
        head: The loss head, three times: slow loss, its gradient, and the loss of the prediction.
        static: The same block and head without adaptation, for comparison; no part of the total.
    """

    slow_forward: float
    slow_backward: float
    hidden: float
    output: float
    norm: float
    residual: float
    head: float
    static: float

    @property
    def total(self) -> float:
        """All but ``static``."""
        return sum(self) - self.static


def fast_weight_flops(
    layer: FastWeightLayer, length: int, *, carried: bool = True, head: float = 0.0
) -> FastWeightFlops:
    """Count the matrix products of a layer, as an average over the positions of a sequence.

    For input and block of width D and chunks of length C it is 64 D² + 24 C D, and the head. Of
    this, 4 C D sum up the gradients of gain and offset. Elementwise operations are not counted.

    Args:
        layer: The layer; its sizes and its ``chunk_size`` count.
        length: T, positions in the sequence.
        carried: Whether a state comes in; without one, the first chunk has none to read.
        head: FLOPs of the head for one prediction: 2 O V for a softmax over V words. Its gradient
            with respect to the prediction is taken to cost as much.

    Returns:
        The parts, and their total.

    Raises:
        ValueError: ``length`` is below 1.
    """
    if length < 1:
        raise ValueError(f"length must be at least 1, got {length}")
    width, size, hidden_size = layer.input_size, layer.size, 4 * layer.size
    chunk_size = min(layer.chunk_size or length, length)
    whole, rest = divmod(length, chunk_size)
    seen = (whole * chunk_size**2 + rest**2) / length  # positions in the chunk, on average
    states = 2.0 if carried else 2.0 - chunk_size / length  # one built and one read by most

    first, second = 2.0 * width * hidden_size, 2.0 * hidden_size * size
    residual = 0.0 if layer.residual is None else 2.0 * size * width
    return FastWeightFlops(
        slow_forward=first + second,
        slow_backward=second,
        hidden=states * first + 2.0 * seen * (width + hidden_size),
        output=(1.0 + states) * second + 2.0 * seen * (hidden_size + size),
        norm=4.0 * seen * size,
        residual=3.0 * residual,
        head=3.0 * head,
        static=first + second + residual + head,
    )
