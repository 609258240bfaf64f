"""Modules as functions of their parameters, which is what an inner loop needs them to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy

Parameters = dict[str, Tensor]


def check_parameters(module: nn.Module) -> Parameters:
    """The parameters of a module by name.

    Raises:
        TypeError: it is no module.
        ValueError: it has no parameters, or has not made them yet.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a torch.nn.Module, got {type(module).__name__}")
    parameters: Parameters = dict(module.named_parameters())
    if not parameters:
        raise ValueError(f"module must have parameters, {type(module).__name__} has none")
    for name, p in parameters.items():
        if is_lazy(p):
            raise ValueError(f"module must know its shapes: {name!r} is lazy, run it once first")
    return parameters


def functional(module: nn.Module) -> Callable[..., Any]:
    """The function ``(parameters, *inputs, **options)`` that a module computes.

    ``parameters`` maps the names of some or all of its parameters to tensors to take in their
    place; the module itself never changes.

    Raises:
        TypeError: it is no module.
        ValueError: it has no parameters; a part of it works in place, or is a norm that writes
            running statistics in every forward pass. The message names the part.
        ValueError: (from the function) a name is not one of the module's.
        RuntimeError: (from the function) the forward pass has written to a parameter, a buffer or
            an input. The message names it.
    """
    check_parameters(module)
    for name, part in module.named_modules():
        where = f"{name or 'the module'} ({type(part).__name__})"
        if getattr(part, "inplace", False):
            raise ValueError(
                f"module must not work in place, but {where} does: make it with inplace=False"
            )
        if isinstance(part, _NormBase) and part.track_running_stats and part.training:
            raise ValueError(
                f"module must be functional, but {where} writes running statistics: make it with "
                "track_running_stats=False, which normalises by the batch, or put it in eval mode"
            )
    has_buffers = any(True for _ in module.buffers())
    known = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    known |= {name for name, _ in module.named_buffers(remove_duplicate=False)}

    def forward(parameters: Mapping[str, Tensor], *inputs: Any, **options: Any) -> Any:
        if unknown := parameters.keys() - known:
            raise ValueError(f"parameters: {min(unknown)!r} is not one of the module's")
        # Looked up anew, as a module may have been moved to another device.
        buffers = dict(module.named_buffers()) if has_buffers else {}
        tensors = [
            *((f"buffer {name!r}", b) for name, b in buffers.items()),
            *((f"parameter {name!r}", p) for name, p in parameters.items()),
            *(("an input", x) for x in inputs if isinstance(x, Tensor)),
        ]
        # Those made in inference mode count no versions.
        watched = [(what, x, x._version) for what, x in tensors if not x.is_inference()]
        output = functional_call(module, dict(parameters), inputs, options)
        written = [what for what, x, version in watched if x._version != version]
        if has_buffers:
            now = dict(module.named_buffers())
            written += [f"buffer {name!r}" for name, b in buffers.items() if now.get(name) is not b]
        if written:
            raise RuntimeError(
                f"module must be functional, but its forward pass wrote to {written[0]}"
            )
        return output

    return forward
