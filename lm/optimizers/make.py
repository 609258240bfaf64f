"""Optimisers for a language model, each parameter in exactly one of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim import SGD, AdamW, Muon, Optimizer

from ...memory import FastWeightLayer
from ..models import LanguageModel
from .config import OptimizerConfig

Role = Literal["matrix", "table", "vector", "step_size"]


def roles(model: LanguageModel) -> dict[str, Role]:
    """What each trainable parameter is, by name.

    ``"step_size"``: the logarithms in a fast weight layer. ``"table"``: all of the softmax and the
    embedding, projections of an adaptive softmax included. ``"matrix"``: what else has two
    dimensions. ``"vector"``: the rest.
    """
    step_sizes = {
        id(part.log_step_size) for part in model.modules() if isinstance(part, FastWeightLayer)
    }
    tables = {id(parameter) for parameter in model.head.parameters()}
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            tables |= {id(parameter) for parameter in module.parameters()}

    def role(parameter: Tensor) -> Role:
        if id(parameter) in step_sizes:
            return "step_size"
        if id(parameter) in tables:
            return "table"
        return "matrix" if parameter.ndim == 2 else "vector"

    return {name: role(p) for name, p in model.named_parameters() if p.requires_grad}


def make_optimizers(model: LanguageModel, config: OptimizerConfig) -> list[Optimizer]:
    """The optimisers that ``config`` describes: AdamW, with Muon where it is asked for; or SGD.

    Every group keeps its learning rate as ``initial_lr``, for :func:`set_learning_rates`.

    Args:
        model: The model, on the device it is trained on.
        config: Learning rates and the like.

    Raises:
        ValueError: A field is out of range.
    """
    config.check()
    named = dict(model.named_parameters())
    role_of = roles(model)

    def group(role: Role, lr: float) -> list[dict[str, Any]]:
        params = [named[name] for name, found in role_of.items() if found == role]
        decay = config.weight_decay if role == "matrix" or config.matrices == "sgd" else 0.0
        options = {"lr": lr, "initial_lr": lr, "weight_decay": decay}
        return [{"params": params, **options}] if params else []

    matrices = group("matrix", config.matrix_lr)
    others = [
        *group("table", config.table_lr),
        *group("vector", config.vector_lr),
        *group("step_size", config.step_size_lr),
    ]
    optimizers: list[Optimizer] = []
    if matrices and config.matrices == "muon":
        optimizers.append(Muon(matrices, momentum=config.momentum))
    else:
        others = matrices + others
    if config.matrices == "sgd":
        optimizers.append(SGD(others))
    else:
        optimizers.append(AdamW(others, betas=config.betas, fused=True))
    check_claims(model, optimizers)
    return optimizers


def check_claims(model: torch.nn.Module, optimizers: Iterable[Optimizer]) -> None:
    """Check that every trainable parameter is in exactly one group of one optimiser.

    Raises:
        ValueError: One is in none or in two, or a group has one that is not the model's; the
            message has its name or shape.
    """
    claims: dict[int, int] = {}
    shapes: dict[int, tuple[int, ...]] = {}
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                claims[id(parameter)] = claims.get(id(parameter), 0) + 1
                shapes[id(parameter)] = tuple(parameter.shape)
    for name, parameter in model.named_parameters():
        count = claims.pop(id(parameter), 0)
        if parameter.requires_grad and count != 1:
            raise ValueError(f"parameter {name!r} must be in one optimiser, it is in {count}")
    for stranger in claims:
        raise ValueError(
            f"an optimiser has a parameter of shape {shapes[stranger]} that is not the model's"
        )
