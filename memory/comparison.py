"""Running a memory in two ways and comparing all that comes out, gradients included."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from .contract import SequenceMemory
from .state import State, clone, flatten_state, map_state

Results = dict[str, Tensor]
Run = Callable[[Tensor, State], tuple[Tensor, State]]


class Comparison:
    """A float64 copy of a memory, random material to run it on, and equality with a message.

    Args:
        memory: The memory to copy.
        shape: Shape of one input x_t.
        batch_size: Rows of the material.
        tolerance: Largest allowed norm of a difference, relative to the norm of what is expected.
        seed: Of the random material.
        name: What messages call the memory; its class where None.
    """

    def __init__(
        self,
        memory: SequenceMemory,
        shape: tuple[int, ...],
        batch_size: int,
        tolerance: float,
        seed: int,
        name: str | None = None,
    ) -> None:
        self.name = type(memory).__name__ if name is None else name
        self.memory = copy.deepcopy(memory).double()
        self.shape, self.batch_size, self.tolerance = shape, batch_size, tolerance
        parameter = next(self.memory.parameters(), None)
        self.device = torch.device("cpu") if parameter is None else parameter.device
        self.random = torch.Generator().manual_seed(seed)

    def inputs(self, length: int) -> Tensor:
        """Normal inputs (B, length, *shape)."""
        shape = (self.batch_size, length, *self.shape)
        return torch.randn(shape, generator=self.random, dtype=torch.float64).to(self.device)

    def starts(self, length: int, probability: float = 0.3) -> Tensor:
        """Random resets (B, length): the first row at both ends too, the last row never."""
        starts = torch.rand(self.batch_size, length, generator=self.random) < probability
        starts[0, 0] = starts[0, -1] = True
        starts[-1] = False
        return starts.to(self.device)

    @torch.no_grad()
    def state(self) -> State:
        """A state that the memory gets into."""
        return clone(self.memory(self.inputs(3))[1])

    def step_by_step(self, x: Tensor, state: State, starts: Tensor | None) -> tuple[Tensor, State]:
        """The reference: a loop over ``step``."""
        return SequenceMemory.forward(self.memory, x, state, starts)

    @torch.no_grad()
    def values(self, x: Tensor, state: State = None, starts: Tensor | None = None) -> Results:
        """Outputs and new state of ``forward``, by name."""
        return named(*self.memory(x, state, starts))

    def outcome(self, run: Run, x: Tensor, state: State) -> Results:
        """Outputs, new state, and the gradients of one random combination of all of them."""
        x = x.clone().requires_grad_()
        state = map_state(lambda part: part.clone().requires_grad_(part.is_floating_point()), state)
        values = named(*run(x, state))
        random = torch.Generator().manual_seed(0)  # the same combination for what is compared
        loss = torch.zeros((), dtype=torch.float64, device=self.device)
        for value in values.values():
            weight = torch.randn(value.shape, generator=random, dtype=torch.float64)
            loss = loss + (weight.to(value.device) * value).sum()
        self.require(loss.requires_grad, "gradients must flow to inputs, state and parameters")

        sources = named(x, state, "x") | dict(self.memory.named_parameters())
        sources = {name: source for name, source in sources.items() if source.requires_grad}
        gradients = torch.autograd.grad(loss, list(sources.values()), allow_unused=True)
        for (name, source), gradient in zip(sources.items(), gradients, strict=True):
            zero = torch.zeros_like(source)
            values[f"gradient of {name}"] = zero if gradient is None else gradient
        return {name: value.detach() for name, value in values.items()}

    def require(self, condition: bool, promise: str, found: str = "") -> None:
        """Raise ``AssertionError`` with the promise, and what was found instead."""
        if not condition:
            end = f"; {found}" if found else ""
            raise AssertionError(f"{self.name}: {promise}{end}")

    def equal(self, promise: str, results: Results, expected: Results) -> None:
        """Compare by relative norm.

        A part a thousand times smaller than all values (or all gradients) together is measured
        against a thousandth of those: the rounding of zero is no error.
        """
        gradients = {name for name in expected if name.startswith("gradient")}
        for names in (gradients, expected.keys() - gradients):
            norms = {name: expected[name].double().norm().item() for name in names}
            floor = 1e-3 * sum(norm**2 for norm in norms.values()) ** 0.5 + 1e-30
            for name in sorted(names):
                value, wanted = results[name], expected[name]
                self.require(
                    value.shape == wanted.shape,
                    promise,
                    f"{name} has shape {tuple(value.shape)}, expected {tuple(wanted.shape)}",
                )
                error = (value.double() - wanted.double()).norm().item() / max(norms[name], floor)
                self.require(
                    error <= self.tolerance,
                    promise,
                    f"{name} is off by {error:.2g} (relative norm; allowed: {self.tolerance:.2g})",
                )


def named(y: Tensor, state: State, name: str = "y") -> Results:
    """One dict of an output (or input) and the tensors of a state."""
    return {name: y} | {f"state.{path}": part for path, part in flatten_state(state).items()}
