"""The definition of a fast weight layer: gradient steps on a block, all of them by autograd."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .fast_weight_layer import BlockParameters, FastWeightLayer


def autograd_dynamic_evaluation(
    layer: FastWeightLayer,
    x: Tensor,
    targets: Tensor,
    weights: Tensor | None = None,
    state: BlockParameters | None = None,
    starts: Tensor | None = None,
) -> tuple[Tensor, BlockParameters]:
    """What ``layer(x, targets, weights, state, starts)`` computes, literally.

    For every row and position: run the block with weights of its own, the trained ones moved by
    the step sizes times the gradients of all earlier losses at the trained weights, each of them
    taken by autograd. One copy of the block for each row, a loop over positions, and nothing in
    common with the layer's forms but its parameters: slow, and what these forms are tested against.

    Args:
        layer: The layer.
        x: As in :meth:`TargetMemory.forward`, and so are the other arguments.
        targets: As there.
        weights: As there.
        state: As there.
        starts: As there.

    Returns:
        The (B, T, O) predictions and the state after the last write.
    """
    trained = BlockParameters(*(getattr(layer, name) for name in BlockParameters._fields))
    # Leaves of their own, in case the layer is frozen; gradients reach the layer all the same.
    slow = BlockParameters(*(p * torch.ones_like(p).requires_grad_() for p in trained))
    rows, length = x.shape[:2]
    state = layer.initial_state(rows) if state is None else state
    predictions, final = [], []
    with torch.enable_grad():
        for b in range(rows):
            sums = [part[b] for part in state]
            for t in range(length):
                if starts is not None and starts[b, t]:
                    sums = [torch.zeros_like(part) for part in sums]
                steps = zip(slow, layer.step_sizes, sums, strict=True)
                fast = BlockParameters(*(p - eta * part for p, eta, part in steps))
                predictions.append(_block(layer, fast, x[b, t]))

                prediction = _block(layer, slow, x[b, t])
                loss = layer.head(prediction[None], targets[b, t][None]).sum() / layer.normaliser
                loss = loss if weights is None else weights[b, t] * loss
                gradients = torch.autograd.grad(loss, slow, create_graph=layer.second_order)
                sums = [part + g for part, g in zip(sums, gradients, strict=True)]
            final.append(sums)
    y = torch.stack(predictions).unflatten(0, (rows, length))
    return y, BlockParameters(*(torch.stack(parts) for parts in zip(*final, strict=True)))


def _block(layer: FastWeightLayer, parameters: BlockParameters, x: Tensor) -> Tensor:
    hidden_weight, hidden_bias, output_weight, output_bias, gain, offset = parameters
    r = F.relu(x @ hidden_weight + hidden_bias) ** 2
    o = r @ output_weight + output_bias
    h = F.layer_norm(o, o.shape[-1:], gain, offset, layer.eps)
    return h if layer.residual is None else x + h @ layer.residual
