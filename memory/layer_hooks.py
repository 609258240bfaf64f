"""Running a model with functions on some of its layers, which are gone after the call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any

from torch import Tensor, nn

# The call under way. A nested call, or one in another thread, may run the same layers while the
# hooks of this one sit on them; they then see that it is not theirs, and do nothing.
_current_call: ContextVar[object] = ContextVar("_current_call", default=None)

Replace = Callable[[Tensor, Tensor], Tensor]


def run_with_hooks(
    model: nn.Module, hooks: Mapping[str, Replace], inputs: tuple, options: Mapping[str, Any]
) -> Any:
    """Call ``model(*inputs, **options)`` with the outputs of some layers replaced.

    Args:
        model: The model; each layer with a hook must be called once.
        hooks: By the names of layers, ``replace(x, y)``: from a layer's input and output to what
            takes the place of the output.
        inputs: What the model gets by position.
        options: What it gets by name.

    Raises:
        RuntimeError: A layer was not called, or called twice.
    """
    called: set[str] = set()
    call = object()

    def hook(name: str, _: nn.Module, args: tuple, kwargs: dict, y: Tensor) -> Tensor | None:
        if _current_call.get() is not call:
            return None
        if name in called:
            raise RuntimeError(
                f"layer {name!r} was called twice in one pass of the model: for a memory at each "
                "call, make it two layers, which may share their weights"
            )
        called.add(name)
        return hooks[name](args[0] if args else next(iter(kwargs.values())), y)

    handles = []
    token = _current_call.set(call)
    try:
        for name in hooks:
            layer = model.get_submodule(name)
            handles.append(layer.register_forward_hook(partial(hook, name), with_kwargs=True))
        output = model(*inputs, **options)
    finally:
        for handle in handles:
            handle.remove()
        _current_call.reset(token)
    for name in hooks:
        if name not in called:
            raise RuntimeError(
                f"layer {name!r} was not called by the model (does it use the layer's weights "
                "directly, or is the layer compiled?)"
            )
    return output
