"""Which layers of a network can have a memory beside them, and how wide it must be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from .contract import SequenceMemory, kind_of

_CONVOLUTIONS = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)
_RECURRENT = (nn.RNNBase, nn.RNNCellBase, SequenceMemory)


class LayerSizes(NamedTuple):
    """Features that a layer takes and gives, and whether they are its last dimension."""

    in_features: int
    out_features: int
    features_last: bool


def layer_sizes(layer: nn.Module) -> LayerSizes | None:
    """The sizes of a linear or convolution layer; None for any other module.

    Linear is also the ``Conv1D`` of ``transformers``, as in GPT-2: ``nf`` outputs and a weight of
    shape (in, out), known by these so that nothing needs to be imported.
    """
    if isinstance(layer, nn.Linear):
        return LayerSizes(layer.in_features, layer.out_features, True)
    if isinstance(layer, _CONVOLUTIONS):
        return LayerSizes(layer.in_channels, layer.out_channels, False)
    width, weight = getattr(layer, "nf", None), getattr(layer, "weight", None)
    if width is not None and isinstance(weight, Tensor) and weight.shape[1:] == (width,):
        return LayerSizes(weight.shape[0], weight.shape[1], True)
    return None


def check_layers(
    model: nn.Module, layers: str | Iterable[str], time_axis: bool
) -> dict[str, LayerSizes]:
    """Raise what :func:`driftwise.memory.augment` documents; return the sizes by name."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {kind_of(model)}")
    names = [layers] if isinstance(layers, str) or not isinstance(layers, Iterable) else [*layers]
    for name in names:
        if not isinstance(name, str):
            raise TypeError(
                f"layers must be names, as in model.named_modules(), got {kind_of(name)}"
            )
    modules = dict(model.named_modules(remove_duplicate=False))
    for name, module in modules.items():
        if isinstance(module, _RECURRENT) and not time_axis:
            raise TypeError(
                f"model must keep no state of its own between steps, but {name or 'it'!r} is of "
                f"type {type(module).__name__} (time_axis=True is for models of whole sequences)"
            )
    kind = "linear" if time_axis else "linear or convolution"
    sizes = {name: layer_sizes(module) for name, module in modules.items()}
    available = {
        name: of for name, of in sizes.items() if of and (of.features_last or not time_axis)
    }
    if not names:
        raise ValueError(f"layers must name at least one layer, available are {list(available)}")
    for name in names:
        if name not in modules:
            raise ValueError(f"layers: the model has no {name!r}, available are {list(available)}")
        if name not in available:
            raise ValueError(
                f"layers: {name!r} is of type {type(modules[name]).__name__}, not a {kind} layer; "
                f"available are {list(available)}"
            )
        if is_lazy(modules[name].weight):
            raise ValueError(f"layers: {name!r} is lazy: run the model once first, to fix its size")
    if len({id(modules[name]) for name in names}) < len(names):
        raise ValueError(f"layers must name every layer once, got {names}")
    return {name: available[name] for name in names}
