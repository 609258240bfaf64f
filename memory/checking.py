"""Does a memory keep the contract of :class:`SequenceMemory`? One public check for all of them."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor

from .comparison import Comparison, Run, named
from .contract import Memory, SequenceMemory
from .state import State, clone, detach, flatten_state, map_state, select_rows, tensors


def check_memory(
    memory: SequenceMemory,
    *,
    input_size: int | tuple[int, ...] | None = None,
    batch_size: int = 3,
    lengths: Iterable[int] | None = None,
    tolerance: float = 1e-9,
    seed: int = 0,
) -> None:
    """Check every promise of the contract, in values and in gradients.

    Works on a copy of the memory cast to float64, on the memory's device and in its mode: call
    ``memory.eval()`` first if it has dropout. Gradients are those with respect to the inputs,
    the incoming state and the parameters. Checked are, in this order: shapes; that the state
    passed in stays as it is; determinism; ``forward`` against repeated ``step`` for every length,
    with and without resets; random splits with the state carried; what a reset must do;
    independence of the rows; causality; ``in_place``; that only the state carries gradients from
    call to call; ``copy.deepcopy`` and ``state_dict``.

    Args:
        memory: The memory to check. It is left as it is.
        input_size: Shape of one input x_t, where ``memory.input_size`` is 0.
        batch_size: Rows in the checks, at least 2.
        lengths: Sequence lengths; None takes 1, 2, 7, and those around every ``chunk_size`` found
            on the memory or a submodule of it.
        tolerance: Largest allowed norm of a difference, relative to the norm of what is compared.
        seed: Of the random inputs, resets and splits.

    Raises:
        TypeError: ``memory`` is not a :class:`SequenceMemory`.
        ValueError: ``batch_size``, ``input_size`` or ``lengths`` is unusable.
        AssertionError: A promise is broken; the message says which, where and by how much.
    """
    if not isinstance(memory, SequenceMemory):
        raise TypeError(f"memory must be a SequenceMemory, got a {type(memory).__name__}")
    if batch_size < 2:
        raise ValueError(f"batch_size must be at least 2 to compare rows, got {batch_size}")
    shape = memory.input_size if input_size is None else input_size
    if not shape:
        raise ValueError("input_size must be given for a memory whose own input_size is 0")
    shape = (shape,) if isinstance(shape, int) else shape
    lengths = sorted(default_lengths(memory) if lengths is None else lengths)
    if not lengths or lengths[0] < 1:
        raise ValueError(f"lengths must be at least one number, each at least 1, got {lengths}")

    check_promises(Comparison(memory, shape, batch_size, tolerance, seed), lengths)


def check_promises(bench: Comparison, lengths: list[int]) -> None:
    """All of :func:`check_memory`, of checked arguments."""
    _check_shapes(bench)
    _check_purity(bench)
    _check_determinism(bench)
    for length in lengths:
        _check_forward_is_repeated_step(bench, length)
        _check_pieces(bench, length)
    for length in {4, max(4, lengths[-1])}:
        _check_resets(bench, length)
        _check_rows(bench, length)
        _check_causality(bench, length)
    _check_in_place(bench)
    _check_detach(bench)
    _check_copies(bench)


def default_lengths(memory: Memory) -> set[int]:
    """Short lengths, and those around every chunk size in the memory."""
    lengths = {1, 2, 7}
    for module in memory.modules():
        chunk = getattr(module, "chunk_size", None)
        if isinstance(chunk, int):
            lengths |= {chunk - 1, chunk, chunk + 1, 2 * chunk + 3}
    return lengths - {0}


def _check_shapes(bench: Comparison) -> None:
    memory, rows = bench.memory, bench.batch_size
    initial = memory.initial_state(rows)

    def like_initial(state: State, source: str) -> None:
        bench.require(
            type(state) is type(initial) and isinstance(state, memory.state_type),
            f"{source} must return a state of type {memory.state_type.__name__}",
            f"got a {type(state).__name__}",
        )
        parts = flatten_state(state)
        for name, part in flatten_state(initial).items():
            shape(f"state.{name} of {source}", parts[name], (rows, *part.shape[1:]))

    def shape(name: str, tensor: Tensor, expected: tuple[int, ...]) -> None:
        found = f"got {tuple(tensor.shape)}"
        bench.require(tensor.shape == expected, f"{name} must have shape {expected}", found)

    like_initial(initial, "initial_state")
    for length in (1, 3):
        y, state = memory(bench.inputs(length))
        width = (memory.output_size,) if memory.output_size else tuple(y.shape[2:])
        shape("y of forward", y, (rows, length, *width))
        like_initial(state, "forward")
    y, state = memory.step(bench.inputs(1)[:, 0], initial)
    shape("y of step", y, (rows, *width))
    like_initial(state, "step")


def _check_determinism(bench: Comparison) -> None:
    x, state, starts = bench.inputs(5), bench.state(), bench.starts(5)
    first = bench.values(x, state, starts)
    bench.equal("two equal calls must give the same", bench.values(x, state, starts), first)


def _check_forward_is_repeated_step(bench: Comparison, length: int) -> None:
    x, state = bench.inputs(length), bench.state()
    everywhere = torch.ones_like(bench.starts(length))
    consecutive = everywhere.clone()
    consecutive[1:] = False
    consecutive[:, 3:] = False
    resets = {
        "no resets": None,
        "random resets": bench.starts(length),
        "resets of one row at the first three steps": consecutive,
        "resets at every step": everywhere,
    }
    for name, starts in resets.items():
        bench.equal(
            f"forward must equal repeated step (length {length}, {name})",
            bench.outcome(partial(bench.memory, starts=starts), x, state),
            bench.outcome(partial(bench.step_by_step, starts=starts), x, state),
        )
    initial = bench.memory.initial_state
    bench.equal(
        "state=None must mean the initial state",
        bench.outcome(lambda x, _: bench.memory(x), x, state),
        bench.outcome(lambda x, _: bench.memory(x, initial(bench.batch_size)), x, state),
    )


def _check_pieces(bench: Comparison, length: int) -> None:
    x, state, starts = bench.inputs(length), bench.state(), bench.starts(length, 0.1)
    cuts = torch.randint(1, length + 1, (3,), generator=bench.random).tolist()
    edges = sorted({0, length, *cuts})

    def in_pieces(x: Tensor, state: State) -> tuple[Tensor, State]:
        outputs = []
        for begin, end in itertools.pairwise(edges):
            y, state = bench.memory(x[:, begin:end], state, starts[:, begin:end])
            outputs.append(y)
        return torch.cat(outputs, dim=1), state

    bench.equal(
        f"a sequence in pieces must equal the whole (length {length}, cut at {edges})",
        bench.outcome(in_pieces, x, state),
        bench.outcome(partial(bench.memory, starts=starts), x, state),
    )


def _check_resets(bench: Comparison, length: int) -> None:
    x, state = bench.inputs(length), bench.state()
    for t in (0, length // 2):
        starts = torch.zeros(bench.batch_size, length, dtype=torch.bool, device=bench.device)
        starts[:, t] = True
        bench.equal(
            f"a start must put back the initial state, with its gradient, and cut off all before "
            f"(t = {t}, length {length})",
            bench.outcome(_outputs_from(t, partial(bench.memory, starts=starts)), x, state),
            bench.outcome(lambda x, _, t=t: bench.memory(x[:, t:]), x, state),  # type: ignore[misc]
        )


def _outputs_from(t: int, run: Run) -> Run:
    def late(x: Tensor, state: State) -> tuple[Tensor, State]:
        y, state = run(x, state)
        return y[:, t:], state

    return late


def _check_rows(bench: Comparison, length: int) -> None:
    x, state, starts = bench.inputs(length), bench.state(), bench.starts(length)
    whole = bench.values(x, state, starts)
    other_x, other_starts = x.clone(), starts.clone()
    other_x[0] += 1.0
    other_starts[0] = ~starts[0]
    other_state = map_state(lambda a, b: torch.cat((a[:1], b[1:])), bench.state(), state)
    bench.equal(
        f"a row must not depend on other rows (length {length})",
        select_rows(bench.values(other_x, other_state, other_starts), slice(1, None)),
        select_rows(whole, slice(1, None)),
    )
    rows = torch.arange(bench.batch_size - 1, 0, -1, device=bench.device)
    bench.equal(
        f"rows selected before and after must be the same (length {length})",
        bench.values(x[rows], select_rows(state, rows), starts[rows]),
        select_rows(whole, rows),
    )
    initial = bench.memory.initial_state
    bench.equal(
        "initial_state must be the same for every row and batch size",
        flatten_state(detach(select_rows(initial(bench.batch_size), [1]))),
        flatten_state(detach(initial(1))),
    )


def _check_causality(bench: Comparison, length: int) -> None:
    x, state, starts = bench.inputs(length), bench.state(), bench.starts(length)
    t = length // 2
    other_x, other_starts = x.clone(), starts.clone()
    other_x[:, t:] = -2.0 * x[:, t:]
    other_starts[:, t:] = ~starts[:, t:]
    bench.equal(
        f"outputs must not depend on later inputs or starts (before t = {t}, length {length})",
        {"y": bench.values(other_x, state, other_starts)["y"][:, :t]},
        {"y": bench.values(x, state, starts)["y"][:, :t]},
    )


@torch.no_grad()
def _check_purity(bench: Comparison) -> None:
    given = bench.inputs(3), bench.state(), bench.starts(3)
    kept = clone(given)
    x, state, starts = given
    for resets in (starts, None):  # a reset makes a copy of the state
        bench.memory(x, state, resets)
        bench.memory.step(x[:, 0], state, None if resets is None else resets[:, 0])
    for tensor, before in zip(tensors(given), tensors(kept), strict=True):
        change = (tensor.double() - before.double()).norm().item()
        bench.require(
            change == 0,
            "x, state and starts must stay as they are unless in_place is permitted",
            f"one changed by {change:.2g}",
        )


@torch.no_grad()
def _check_in_place(bench: Comparison) -> None:
    before = clone(bench.memory.state_dict())
    for rows in (1, bench.batch_size):
        x, starts = bench.inputs(6)[:rows], bench.starts(6)[:rows]
        outputs, state = [], bench.memory.initial_state(rows)
        for t in range(x.shape[1]):
            y, state = bench.memory.step(x[:, t], state, starts[:, t], in_place=True)
            outputs.append(y.clone())
        bench.equal(
            "in_place=True must leave the parameters alone", bench.memory.state_dict(), before
        )
        bench.equal(
            f"in_place=True must give the same (batch size {rows})",
            named(torch.stack(outputs, dim=1), state),
            named(*bench.step_by_step(x, bench.memory.initial_state(rows), starts)),
        )


def _check_detach(bench: Comparison) -> None:
    x = bench.inputs(3).requires_grad_()
    _, state = bench.memory(x)
    y, _ = bench.memory(bench.inputs(3), detach(state))
    (gradient,) = torch.autograd.grad(y.sum(), x, allow_unused=True)
    bench.require(gradient is None, "nothing but the state must carry gradients between calls")


def _check_copies(bench: Comparison) -> None:
    x, state, starts = bench.inputs(4), bench.state(), bench.starts(4)
    expected = bench.values(x, state, starts)
    other = copy.deepcopy(bench.memory)
    with torch.no_grad():
        found = named(*other(x, state, starts))
        bench.equal("copy.deepcopy must give the same memory", found, expected)
        for tensor in other.state_dict().values():  # these are the module's own tensors
            if tensor.is_floating_point():
                tensor.add_(1.0)
        other.load_state_dict(bench.memory.state_dict())
        found = named(*other(x, state, starts))
    bench.equal("load_state_dict must restore the memory", found, expected)
