"""Sparse fast weights on chosen layers of any network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from .augmentable_layers import check_layers
from .contract import SequenceMemory, kind_of
from .layer_hooks import run_with_hooks
from .sparse_fast_weights import SparseFastWeights
from .state import State

Advance = Callable[[SequenceMemory, Tensor, State], tuple[Tensor, State]]


def augment(
    model: nn.Module,
    layers: Iterable[str],
    *,
    memory: Callable[..., SequenceMemory] = SparseFastWeights,
    time_axis: bool = False,
    input_size: int = 0,
    output_size: int = 0,
    **memory_options: Any,
) -> AugmentedNetwork:
    """Give each of some layers of a network a fast-weight memory of its own.

    A "layer-specific fast-weight memory" is what Sparse Meta Networks (Munkhdalai 2020) put on the
    layers of a base network; the form it takes here is ours. Every chosen layer then computes

        y = slow(x) + gain * fast(mean of x)

    where ``slow`` is the layer itself and ``fast`` its memory. The mean is over positions: all
    dimensions of x other than batch, time and features (the pixels that a convolution sees, the
    tokens of one time step); the fast part is added at every position. The gain, one number for
    each output feature, is learned and starts at zero, so that the augmented network begins by
    computing exactly what the model computes.

    The model's parameters are shared, not copied, and the model goes on working by itself as
    before: hooks are on its layers only during a call of the augmented network.

    The memories see what the chosen layers see. What the model itself takes and gives is its own
    matter: token ids, bytes, dicts, several inputs, options. :class:`AugmentedNetwork` says how
    they are passed.

    Args:
        model: A network that keeps no state between time steps and calls each chosen layer once.
        layers: Names of linear or convolution layers, as in ``model.named_modules()``. Linear is
            also the ``Conv1D`` of ``transformers``.
        memory: Makes a layer's memory: ``memory(in_features, out_features, **memory_options)``.
        time_axis: False if the model is to be applied to every time step by itself. True if it
            takes whole sequences (B, T, ...), as a transformer does; inputs of the chosen (linear)
            layers must then be (B, T, ..., features). Recurrent parts begin every call in their
            own initial state, as attention begins without a past.
        input_size: Width of the model's first input if it is a vector, for checks and for users of
            the contract; 0 otherwise.
        output_size: Width of the model's output, likewise.
        **memory_options: For ``memory``: ``num_slots=16`` for example.

    Returns:
        The augmented network, a :class:`SequenceMemory`.

    Raises:
        TypeError: An argument is of a wrong type, or the model has recurrent parts (LSTM, GRU, a
            memory) and is to be applied step by step.
        ValueError: A layer does not exist, is named twice, is neither linear nor convolution, or
            is lazy and has not been run yet.
    """
    if isinstance(memory, nn.Module) or not callable(memory):
        raise TypeError(
            f"memory must be a class or function that makes a memory, got {kind_of(memory)}"
        )
    make = partial(memory, **memory_options)
    return AugmentedNetwork(
        model, layers, make, time_axis=time_axis, input_size=input_size, output_size=output_size
    )


class AugmentedNetwork(SequenceMemory):
    """A network with memories on some of its layers; :func:`augment` makes it and explains it.

    The state is the tuple of the memories' states, in the order of ``layers``.

    The model is called with ``model(x, *inputs, **options)``:

    - ``x`` and what else is given by position is the data of the steps: tensors, or tuples, lists
      and dicts of tensors. Without a time axis every tensor begins with (B, T) in :meth:`forward`,
      (B,) in :meth:`step`, and time and batch are one dimension for the model. With a time axis
      the model gets all as it is, and the first tensor says what (B, T) are.
    - What is given by name, tensor or not, holds for the whole call and is passed on as it is.
      (The names ``x``, ``state``, ``start``, ``starts`` and ``in_place`` are taken.)

    Outputs come back in the containers that the model puts them in. Without a time axis every
    tensor must begin with the batch, and in :meth:`forward` then begins with (B, T); only a tensor
    without dimensions (a loss) and what is no tensor, such as None, stay as they are.

    With ``time_axis=True`` there is no :meth:`step`, because a model that looks along time computes
    something else when it is shown one step. What the memories hold is still carried by the state
    from one call of :meth:`forward`, one segment of a stream, to the next. What the model carries
    itself (past keys and values, the state of an LSTM) can be given by name and is then in its
    output; ``starts`` resets the memories only.

    What depends on the mode or on other rows in the model itself (dropout, batch statistics) does
    so here too. Activation checkpointing inside the model is not supported.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Iterable[str],
        memory: Callable[[int, int], SequenceMemory],
        *,
        time_axis: bool = False,
        input_size: int = 0,
        output_size: int = 0,
    ) -> None:
        super().__init__(input_size, output_size)
        sizes = check_layers(model, layers, time_axis)
        self.layers = tuple(sizes)
        self.model, self.time_axis = model, time_axis
        self._features_last = [of.features_last for of in sizes.values()]
        self.memories, self.gains = nn.ModuleList(), nn.ParameterList()
        for name, (in_features, out_features, _) in sizes.items():
            weight = cast(Tensor, model.get_submodule(name).weight)
            made = memory(in_features, out_features)
            if not isinstance(made, SequenceMemory):
                raise TypeError(f"memory must make a SequenceMemory, got {kind_of(made)}")
            self.memories.append(made.to(weight))
            self.gains.append(nn.Parameter(weight.new_zeros(out_features)))

    def initial_state(self, batch_size: int) -> tuple[State, ...]:
        """The initial states of the memories, in the order of ``layers``."""
        memories = cast(Iterable[SequenceMemory], self.memories)
        return tuple(memory.initial_state(batch_size) for memory in memories)

    def step(
        self,
        x: Any,
        state: State,
        start: Tensor | None = None,
        *inputs: Any,
        in_place: bool = False,
        **options: Any,
    ) -> tuple[Any, State]:
        """One step, tensors of shape (B, ...) (see :class:`SequenceMemory`).

        Raises:
            NotImplementedError: The network was made with ``time_axis=True``.
        """
        if self.time_axis:
            raise NotImplementedError(
                "step needs a model that is applied step by step (time_axis=False); call forward"
            )
        batch, state = self._check_call(1, (x, *inputs), state, start)

        def advance(memory: SequenceMemory, features: Tensor, state: State) -> tuple[Tensor, State]:
            return memory.step(features, state, start, in_place=in_place)

        return self._run((x, *inputs), options, batch, state, advance)

    def forward(
        self,
        x: Any,
        state: State = None,
        starts: Tensor | None = None,
        *inputs: Any,
        **options: Any,
    ) -> tuple[Any, State]:
        """A whole sequence, tensors of shape (B, T, ...) (see :class:`SequenceMemory`).

        Raises:
            RuntimeError: The model did not call a chosen layer, called it twice, or gave it an
                input without the expected leading dimensions, in :meth:`step` too; or it returned
                a tensor that does not begin with the batch.
        """
        batch_and_time, state = self._check_call(2, (x, *inputs), state, starts)
        if self.time_axis:
            return self._run(
                (x, *inputs), options, batch_and_time, state, lambda fast, x, s: fast(x, s, starts)
            )
        rows = batch_and_time.numel()

        def advance(memory: SequenceMemory, features: Tensor, state: State) -> tuple[Tensor, State]:
            y, state = memory(features.unflatten(0, batch_and_time), state, starts)
            return y.flatten(0, 1), state

        def split(part: Tensor) -> Tensor:
            if part.ndim == 0:
                return part
            if part.shape[0] != rows:
                raise RuntimeError(
                    f"the model must return tensors that begin with ({rows},), as its input does, "
                    f"got shape {tuple(part.shape)}"
                )
            return part.unflatten(0, batch_and_time)

        flat = tree_map_only(Tensor, lambda part: part.flatten(0, 1), (x, *inputs))
        y, state = self._run(flat, options, torch.Size([rows]), state, advance)
        return tree_map_only(Tensor, split, y), state

    def _check_call(
        self, leading: int, inputs: tuple, state: State, starts: Tensor | None
    ) -> tuple[torch.Size, State]:
        """Check the arguments of a step (``leading`` is 1) or of a sequence (2).

        Returns:
            (B,) or (B, T); the state, or the initial one for None.
        """
        if self.input_size:  # the network is a memory of vectors like any other
            self._check(leading, inputs[0], None, None)
        parts = [part for part in tree_leaves(inputs) if isinstance(part, Tensor)]
        if not parts:
            raise TypeError(
                "x must be a tensor, or a tuple, list or dict with tensors, "
                f"got {kind_of(inputs[0])}"
            )
        sizes = parts[0].shape[:leading]
        if len(sizes) < leading or 0 in sizes[1:]:
            layout = "(B, ...)" if leading == 1 else "(B, T, ...), T at least 1"
            raise ValueError(f"x must have shape {layout}, got {tuple(parts[0].shape)}")
        for part in parts:
            if part.shape[:leading] != sizes and not self.time_axis:
                raise ValueError(
                    f"every tensor of x and further inputs must begin with {tuple(sizes)}, as the "
                    f"first does, got shape {tuple(part.shape)}"
                )
        self._check_beside(sizes, state, starts, self.gains[0])
        return sizes, self.initial_state(sizes[0]) if state is None else state

    def _run(
        self,
        inputs: tuple,
        options: dict[str, Any],
        leading: torch.Size,
        state: State,
        advance: Advance,
    ) -> tuple[Any, tuple[State, ...]]:
        """Run the model with the memories beside the chosen layers.

        Args:
            inputs: What the model gets by position.
            options: What it gets by name.
            leading: What the inputs of the layers begin with, (B,), (B T,) or (B, T).
            state: States of the memories.
            advance: ``advance(memory, features, state)`` with features (*leading, in_features).
        """
        memories, after = cast(list[SequenceMemory], self.memories), list(state)

        def beside(index: int, x: Tensor, slow: Tensor) -> Tensor:
            if x.shape[: len(leading)] != leading or x.ndim == len(leading):
                raise RuntimeError(
                    f"layer {self.layers[index]!r} must see an input that begins with "
                    f"{tuple(leading)}, got shape {tuple(x.shape)}"
                )
            channels = x.ndim - 1 if self._features_last[index] else 1
            positions = [dim for dim in range(len(leading), x.ndim) if dim != channels]
            features = x.mean(positions) if positions else x
            fast, after[index] = advance(memories[index], features, state[index])
            fast = self.gains[index] * fast
            for dim in positions:
                fast = fast.unsqueeze(dim)
            return slow + fast.to(slow.dtype)

        hooks = {name: partial(beside, index) for index, name in enumerate(self.layers)}
        return run_with_hooks(self.model, hooks, inputs, options), tuple(after)
