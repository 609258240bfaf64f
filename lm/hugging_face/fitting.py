"""Training of an adaptive block on a body that stays as it is."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ...memory import FastWeightLayer
from ..corpora import Lanes, TokenSplit
from ..models import FastBlockLanguageModel
from ..optimizers import set_learning_rates, trapezoid
from ..training.objective import Objective, arguments, carried


def fit_fast_block(
    model: FastBlockLanguageModel,
    split: TokenSplit,
    *,
    num_steps: int = 300,
    batch_size: int = 8,
    length: int = 256,
    lr: float = 1e-3,
    step_size_lr: float = 0.03,
    max_norm: float = 1.0,
    seed: int = 0,
    reset_documents: bool = True,
    progress: bool = True,
) -> list[float]:
    """Train the block of a model, and nothing else, by AdamW.

    The state of the body is carried from batch to batch; the block begins anew with each, so that
    ``length`` is what it learns to adapt over. Gradients reach the body's weights never, and its
    pass keeps no graph. A block that was never trained is first put to the scale of the hidden
    vectors, which changes no prediction (:func:`match_scale`).

    Args:
        model: A model with a residual block, as :func:`adapt` makes it; changed in place.
        split: Training text.
        num_steps: Batches, one step each; learning rates rise over the first twentieth of them and
            fall to zero over the last half.
        batch_size: Lanes.
        length: Tokens of a lane in each batch.
        lr: Learning rate of the block.
        step_size_lr: That of the logarithms of its step sizes.
        max_norm: Gradients are scaled down to this length.
        seed: Of the order of documents.
        reset_documents: Whether all is forgotten where a document begins.
        progress: Whether to show a bar.

    Returns:
        Loss of each batch before its step, in nats per token.

    Raises:
        TypeError: ``model`` has no block.
        ValueError: A number is out of range, or there are fewer tokens than lanes.
        FloatingPointError: A loss is not finite.
    """
    if not isinstance(model, FastBlockLanguageModel):
        raise TypeError(
            f"model must have an adaptive block, got a {type(model).__name__}: "
            "adapt(model, fast_block=True) makes one"
        )
    if num_steps < 1 or not lr >= 0 or not step_size_lr >= 0 or not max_norm > 0:
        raise ValueError(
            "num_steps must be at least 1, lr and step_size_lr at least 0, and max_norm above 0, "
            f"got {num_steps}, {lr}, {step_size_lr} and {max_norm}"
        )
    lanes = Lanes(split, batch_size, length, seed=seed, reset_documents=reset_documents)
    beginning, device = lanes.state_dict(), model.layer.hidden_weight.device
    body = [p for p in model.body.parameters() if p.requires_grad]
    for parameter in body:
        parameter.requires_grad_(False)
    model.eval()  # the body's dropout is off; the block has none
    try:
        scale = _scale(model, next(iter(lanes)).inputs.to(device))
        match_scale(model.layer, scale)
        lanes.load_state_dict(beginning)
        groups = _groups(model.layer, lr, step_size_lr, scale)
        optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
        return _train(model, lanes, optimizer, num_steps, max_norm, progress)
    finally:
        for parameter in body:
            parameter.requires_grad_(True)


def match_scale(layer: FastWeightLayer, scale: float) -> None:
    """Make a new block treat inputs of a root mean square ``scale`` as others of 1.

    Final hidden vectors of other models can be much longer than a new block expects, and its hidden
    layer moves with their square. Nothing happens to a block whose output matrix has left
    zero, where training has begun.
    """
    if layer.residual is not None and not layer.residual.any():
        with torch.no_grad():
            layer.hidden_weight.div_(scale)
            layer.log_step_size[0].sub_(2 * math.log(scale))


@torch.no_grad()
def _scale(model: FastBlockLanguageModel, inputs: Tensor) -> float:
    """Root mean square of the hidden vectors."""
    return float(model.body(inputs)[0].square().mean().sqrt())


def _groups(
    layer: FastWeightLayer, lr: float, step_size_lr: float, scale: float
) -> list[dict[str, Any]]:
    """Parameter groups: steps of AdamW have the size of what they change."""
    apart = {id(layer.hidden_weight), id(layer.log_step_size)}
    rest = [p for p in layer.parameters() if id(p) not in apart]
    return [
        {"params": [layer.hidden_weight], "initial_lr": lr / scale},
        {"params": rest, "initial_lr": lr},
        {"params": [layer.log_step_size], "initial_lr": step_size_lr},
    ]


def _train(
    model: FastBlockLanguageModel,
    lanes: Lanes,
    optimizer: torch.optim.Optimizer,
    num_steps: int,
    max_norm: float,
    progress: bool,
) -> list[float]:
    losses: list[float] = []
    objective, state = Objective(model), None
    device = model.layer.hidden_weight.device
    with tqdm(total=num_steps, desc="fast block", disable=not progress) as bar:
        for step, batch in zip(range(num_steps), lanes, strict=False):
            factor = trapezoid(step, num_steps=num_steps, warmup=num_steps // 20, cooldown=0.5)
            set_learning_rates([optimizer], factor)
            read = objective(*arguments(batch, state, model, device))
            loss = read.loss / (batch.targets >= 0).sum()
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                raise FloatingPointError(f"the loss of step {step} is {losses[-1]}: lower lr")
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.layer.parameters(), max_norm)
            optimizer.step()
            state = carried(read.state, model, "body")
            bar.update()
            bar.set_postfix(loss=f"{losses[-1]:.3f}")
    return losses
