"""Does a memory keep the contract of :class:`TargetMemory`? The checks of all memories, and two."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from .checking import check_promises, default_lengths
from .comparison import Comparison, named
from .contract import SequenceMemory
from .state import State
from .target_memory import TargetMemory


def check_target_memory(
    memory: TargetMemory,
    targets: Tensor,
    *,
    batch_size: int = 3,
    lengths: Iterable[int] | None = None,
    tolerance: float = 1e-9,
    seed: int = 0,
) -> None:
    """Check every promise of the contract, in values and in gradients.

    Works on a copy of the memory cast to float64, as :func:`check_memory` does, and checks what it
    checks, with ``read`` and ``write`` as a step: ``forward`` against the loop for every length,
    with and without resets; splits with the state carried; resets; independence of the rows; that
    arguments stay as they are; copies. Gradients are those with respect to the inputs, the weights,
    the incoming state and the parameters. Besides, no prediction may depend on its own target, its
    weight or anything later, and a position of weight zero must write nothing.

    Args:
        memory: The memory to check. It is left as it is. Its loss head must work in float64, and a
            head that is no module is not copied with it.
        targets: (N, ...) at least two different targets to draw from, such as
            ``torch.arange(vocabulary_size)``.
        batch_size: Rows in the checks, at least 2.
        lengths: Sequence lengths; None takes 1, 2, 7, and those around every ``chunk_size`` found
            on the memory or a submodule of it.
        tolerance: Largest allowed norm of a difference, relative to the norm of what is compared.
        seed: Of the random inputs, targets, weights, resets and splits.

    Raises:
        TypeError: ``memory`` is not a :class:`TargetMemory`.
        ValueError: ``batch_size`` or ``targets`` is unusable.
        AssertionError: A promise is broken; the message says which, where and by how much.
    """
    if not isinstance(memory, TargetMemory):
        raise TypeError(f"memory must be a TargetMemory, got a {type(memory).__name__}")
    if batch_size < 2:
        raise ValueError(f"batch_size must be at least 2 to compare rows, got {batch_size}")
    if not isinstance(targets, Tensor) or targets.ndim == 0 or len(targets.unique(dim=0)) < 2:
        raise ValueError("targets must be a tensor of at least two different targets")
    lengths = sorted(default_lengths(memory) if lengths is None else lengths)

    joined = _Joined(memory, targets)
    name = type(memory).__name__
    bench = Comparison(joined, (joined.input_size,), batch_size, tolerance, seed, name)
    # First, for its message: a leak also breaks the equality of the forms.
    _check_predictions(bench, max(4, lengths[-1]))
    check_promises(bench, lengths)
    _check_weights(bench, max(4, lengths[-1]))


class _Joined(SequenceMemory):
    """A target memory as a sequence memory: x_t ends with a weight and the choice of a target."""

    def __init__(self, memory: TargetMemory, targets: Tensor) -> None:
        super().__init__(memory.input_size + 2, memory.output_size)
        self.memory, self.targets = memory, targets

    @property
    def state_type(self) -> type:  # type: ignore[override]
        return self.memory.state_type

    def initial_state(self, batch_size: int) -> State:
        return self.memory.initial_state(batch_size)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The input, the target and the weight in x_t, of any leading shape."""
        inputs, weights, choice = x.split((self.memory.input_size, 1, 1), -1)
        index = (1e3 * choice.detach().abs()).long().squeeze(-1) % len(self.targets)
        return inputs, self.targets.to(x.device)[index], weights.squeeze(-1)

    def step(
        self, x: Tensor, state: State, start: Tensor | None = None, *, in_place: bool = False
    ) -> tuple[Tensor, State]:
        state = self.memory.reset_rows(self._check_step(x, state, start), start)
        inputs, targets, weights = self.split(x)
        y = self.memory.read(inputs, state)
        return y, self.memory.write(inputs, targets, weights, state)

    def forward(
        self, x: Tensor, state: State = None, starts: Tensor | None = None
    ) -> tuple[Tensor, State]:
        inputs, targets, weights = self.split(x)
        return self.memory(inputs, targets, weights, state, starts)


def _check_predictions(bench: Comparison, length: int) -> None:
    x, state, starts = bench.inputs(length), bench.state(), bench.starts(length)
    expected = bench.values(x, state, starts)["y"]
    for t in range(length):
        other_x, other_starts = bench.inputs(length), ~starts
        other_x[:, :t], other_starts[:, : t + 1] = x[:, :t], starts[:, : t + 1]
        other_x[:, t, :-2] = x[:, t, :-2]  # all but the weight and the target
        bench.equal(
            f"a prediction must not depend on its own target or weight, nor on anything later "
            f"(up to t = {t}, length {length})",
            {"y": bench.values(other_x, state, other_starts)["y"][:, : t + 1]},
            {"y": expected[:, : t + 1]},
        )


def _check_weights(bench: Comparison, length: int) -> None:
    memory = bench.memory
    assert isinstance(memory, _Joined)
    x, state, starts = bench.inputs(length), bench.state(), bench.starts(length)
    x[:, ::2, -2] = 0.0
    other = x.clone()
    other[:, ::2, -1] = bench.inputs(length)[:, ::2, -1]
    bench.equal(
        f"a position of weight zero must write nothing (length {length})",
        bench.values(other, state, starts),
        bench.values(x, state, starts),
    )
    inputs, targets, weights = memory.split(bench.inputs(length))
    with torch.no_grad():
        found = named(*memory.memory(inputs, targets, None, state, starts))
        expected = named(*memory.memory(inputs, targets, weights * 0.0 + 1.0, state, starts))
    bench.equal(f"weights=None must mean 1 everywhere (length {length})", found, expected)
