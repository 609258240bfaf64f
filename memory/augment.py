"""Sparse fast weights on chosen layers of any network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from .contract import SequenceMemory
from .sparse_fast_weights import SparseFastWeights
from .state import State, map_state

_CONVOLUTIONS = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)
_KEEP_STATE = (nn.RNNBase, nn.RNNCellBase, SequenceMemory)

# The call under way. A nested call, or one in another thread, may run the same layers while the
# hooks of this one sit on them; they then see that it is not theirs, and do nothing.
_current_call: ContextVar[object] = ContextVar("_current_call", default=None)

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

    Args:
        model: A network that keeps no state between time steps and calls each chosen layer once.
        layers: Names of linear or convolution layers, as in ``model.named_modules()``.
        memory: Makes a layer's memory: ``memory(in_features, out_features, **memory_options)``.
        time_axis: False if the model is to be applied to every time step by itself. True if it
            takes whole sequences (B, T, ...), as a transformer does; inputs of the chosen (linear)
            layers must then be (B, T, ..., features).
        input_size: Width of the model's input if it is a vector, for checks and for users of the
            contract; 0 otherwise.
        output_size: Width of the model's output, likewise.
        **memory_options: For ``memory``: ``num_slots=16`` for example.

    Returns:
        The augmented network, a :class:`SequenceMemory`.

    Raises:
        TypeError: The model has parts that keep a state of their own (LSTM, GRU, a memory).
        ValueError: A layer does not exist, is named twice, or is neither linear nor convolution.
    """
    make = partial(memory, **memory_options)
    return AugmentedNetwork(
        model, layers, make, time_axis=time_axis, input_size=input_size, output_size=output_size
    )


class AugmentedNetwork(SequenceMemory):
    """A network with memories on some of its layers; :func:`augment` makes it and explains it.

    The state is the tuple of the memories' states, in the order of ``layers``.

    With ``time_axis=True`` there is no :meth:`step`, because a model that looks along time computes
    something else when it is shown one step. What the memories hold is still carried by the state
    from one call of :meth:`forward`, one segment of a stream, to the next.

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
        self.layers = (layers,) if isinstance(layers, str) else tuple(layers)
        _check_layers(model, self.layers, time_axis)
        self.model, self.time_axis = model, time_axis
        self.memories, self.gains = nn.ModuleList(), nn.ParameterList()
        for name in self.layers:
            layer = cast(nn.Linear, model.get_submodule(name))
            width = _out_features(layer)
            self.memories.append(memory(_in_features(layer), width).to(layer.weight))
            self.gains.append(nn.Parameter(layer.weight.new_zeros(width)))

    def initial_state(self, batch_size: int) -> tuple[State, ...]:
        """The initial states of the memories, in the order of ``layers``."""
        memories = cast(Iterable[SequenceMemory], self.memories)
        return tuple(memory.initial_state(batch_size) for memory in memories)

    def step(
        self, x: Tensor, state: State, start: Tensor | None = None, *, in_place: bool = False
    ) -> tuple[Tensor, State]:
        """One step, x of shape (B, ...) (see :class:`SequenceMemory`).

        Raises:
            NotImplementedError: The network was made with ``time_axis=True``.
        """
        if self.time_axis:
            raise NotImplementedError(
                "step needs a model that is applied step by step (time_axis=False); call forward"
            )
        state = self._check_step(x, state, start)

        def advance(memory: SequenceMemory, features: Tensor, state: State) -> tuple[Tensor, State]:
            return memory.step(features, state, start, in_place=in_place)

        return self._run(x, x.shape[:1], state, advance)

    def forward(
        self, x: Tensor, state: State = None, starts: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """A whole sequence, x of shape (B, T, ...) (see :class:`SequenceMemory`).

        Raises:
            RuntimeError: The model did not call a chosen layer, called it twice, or gave it an
                input without the expected leading dimensions. The same goes for :meth:`step`.
        """
        state = self._check_sequence(x, state, starts)
        if self.time_axis:
            return self._run(x, x.shape[:2], state, lambda fast, x, state: fast(x, state, starts))
        batch_and_time = x.shape[:2]

        def advance(memory: SequenceMemory, features: Tensor, state: State) -> tuple[Tensor, State]:
            y, state = memory(features.unflatten(0, batch_and_time), state, starts)
            return y.flatten(0, 1), state

        x = x.flatten(0, 1)
        y, state = self._run(x, x.shape[:1], state, advance)
        return map_state(lambda part: part.unflatten(0, batch_and_time), y), state

    def _run(
        self, x: Tensor, leading: torch.Size, state: State, advance: Advance
    ) -> tuple[Any, tuple[State, ...]]:
        """Run the model with the memories beside the chosen layers.

        Args:
            x: Input of the model.
            leading: What the inputs of the layers begin with, (B,), (B T,) or (B, T).
            state: States of the memories.
            advance: ``advance(memory, features, state)`` with features (*leading, in_features).
        """
        after: list[State] = [None] * len(self.layers)
        call = object()

        def beside(
            index: int, layer: nn.Linear, args: tuple, kwargs: dict, slow: Tensor
        ) -> Tensor | None:
            if _current_call.get() is not call:
                return None
            name, x = self.layers[index], args[0] if args else kwargs["input"]
            if after[index] is not None:
                raise RuntimeError(f"layer {name!r} was called twice in one pass of the model")
            if x.shape[: len(leading)] != leading or x.ndim == len(leading):
                raise RuntimeError(
                    f"layer {name!r} must see an input that begins with {tuple(leading)}, "
                    f"got shape {tuple(x.shape)}"
                )
            channels = x.ndim - 1 if isinstance(layer, nn.Linear) else 1
            positions = [dim for dim in range(len(leading), x.ndim) if dim != channels]
            features = x.mean(positions) if positions else x
            memory = cast(SequenceMemory, self.memories[index])
            fast, after[index] = advance(memory, features, state[index])
            fast = self.gains[index] * fast
            for dim in positions:
                fast = fast.unsqueeze(dim)
            return slow + fast.to(slow.dtype)

        handles = []
        token = _current_call.set(call)
        try:
            for index, name in enumerate(self.layers):
                layer = self.model.get_submodule(name)
                hook = partial(beside, index)
                handles.append(layer.register_forward_hook(hook, with_kwargs=True))
            y = self.model(x)
        finally:
            for handle in handles:
                handle.remove()
            _current_call.reset(token)
        for name, part in zip(self.layers, after, strict=True):
            if part is None:
                raise RuntimeError(
                    f"layer {name!r} was not called by the model (does it use the layer's weights "
                    "directly, or is the layer compiled?)"
                )
        return y, tuple(after)


def _in_features(layer: nn.Module) -> int:
    return cast(int, layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels)


def _out_features(layer: nn.Module) -> int:
    return cast(int, layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels)


def _check_layers(model: nn.Module, layers: tuple[str, ...], time_axis: bool) -> None:
    """Raise what :func:`augment` documents."""
    modules = dict(model.named_modules(remove_duplicate=False))
    for name, module in modules.items():
        if isinstance(module, _KEEP_STATE):
            raise TypeError(
                f"model must keep no state of its own between steps, but {name or 'it'!r} is of "
                f"type {type(module).__name__}"
            )
    kinds = nn.Linear if time_axis else (nn.Linear, *_CONVOLUTIONS)
    available = [name for name, module in modules.items() if isinstance(module, kinds)]
    if not layers:
        raise ValueError(f"layers must name at least one layer, available are {available}")
    for name in layers:
        if name not in modules:
            raise ValueError(f"layers: the model has no {name!r}, available are {available}")
        if name not in available:
            kind = "linear" if time_axis else "linear or convolution"
            raise ValueError(
                f"layers: {name!r} is of type {type(modules[name]).__name__}, not a {kind} layer; "
                f"available are {available}"
            )
    if len({id(modules[name]) for name in layers}) < len(layers):
        raise ValueError(f"layers must name every layer once, got {list(layers)}")
