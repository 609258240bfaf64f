"""Parameter groups in which the step sizes of fast weight layers learn faster than all else."""

from __future__ import annotations

from typing import Any

from torch import nn

from .fast_weight_layer import FastWeightLayer


def parameter_groups(
    model: nn.Module, lr: float, *, step_size_lr: float | None = None
) -> list[dict[str, Any]]:
    """Parameter groups for an optimiser: step sizes of fast weight layers, and all the rest.

    A step size may have to change by orders of magnitude. It is learned as a logarithm, of which
    an adaptive optimiser moves at most about its learning rate in a step; hence one of its own, and
    no weight decay, which would pull every step size towards 1.

    Args:
        model: Any module, with any number of :class:`FastWeightLayer` in it.
        lr: Learning rate of the rest.
        step_size_lr: Learning rate of the logarithms; ten times ``lr`` where None.

    Returns:
        ``[rest, step sizes]``, or ``[rest]`` in a model without such layers. Parameters that need
        no gradient are left out.
    """
    layers = [module for module in model.modules() if isinstance(module, FastWeightLayer)]
    step_sizes = [p for p in (layer.log_step_size for layer in layers) if p.requires_grad]
    known = {id(parameter) for parameter in step_sizes}
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    groups: list[dict[str, Any]] = [{"params": rest, "lr": lr}]
    if step_sizes:
        step_size_lr = 10.0 * lr if step_size_lr is None else step_size_lr
        groups.append({"params": step_sizes, "lr": step_size_lr, "weight_decay": 0.0})
    return groups
