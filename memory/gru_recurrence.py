"""The recurrence of a GRU where it is trained on a CPU, in half the time that torch takes.

Torch leaves it to autograd to go back through some fifteen small operations a step, with products
of matrices for the gradients of weights at every one. Here only what depends on the neighbouring
step is done step by step, five operations forward and four backward, and the rest for the whole
sequence at once. (For an LSTM torch has a kernel of oneDNN's, and on a GPU cuDNN's for both.)
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .kernels.fused_fast_weights import differentiable, plain_on_cpu


def has_recurrence(rnn: nn.GRU, x: Tensor, hidden: Tensor) -> bool:
    """Whether :func:`gru` can take these, and is of use: without gradients it is not."""
    return (
        torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and plain_on_cpu(x, hidden, next(rnn.parameters()))
    )


def gru(rnn: nn.GRU, x: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """What ``rnn(x, hidden)`` gives, for a GRU with biases that reads from left to right.

    Args:
        rnn: The GRU.
        x: (T, B, D) inputs.
        hidden: (layers, B, H) hidden states before the first input.

    Returns:
        Outputs (T, B, H), and the hidden states after the last input.
    """
    last = []
    for layer in range(rnn.num_layers):
        w_x, w_h, b_x, b_h = (
            getattr(rnn, f"{name}_l{layer}")
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        x = recurrence(F.linear(x, w_x, b_x), hidden[layer], w_h, b_h)
        last.append(x[-1])
    return x, torch.stack(last)


def recurrence(made: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Hidden states of one layer, from what its inputs made.

        r, z = sigmoid(made_r + W_r h + b_r), sigmoid(made_z + W_z h + b_z)
        n = tanh(made_n + r (W_n h + b_n))
        h = n + z (h_before - n)

    Args:
        made: (T, B, 3 H), of r, z and n in this order, as in ``torch.nn.GRU``.
        hidden: (B, H) before the first step.
        weight: (3 H, H).
        bias: (3 H,).

    Returns:
        (T, B, H) hidden states after every step.
    """
    return _Recurrence.apply(made, hidden, weight, bias)


def _by_steps(made: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The same as operations that can be differentiated as often as one likes."""
    size, states = hidden.shape[-1], []
    for step in made.unbind():
        back = F.linear(hidden, weight, bias)
        r, z = (step + back)[..., : 2 * size].sigmoid().chunk(2, -1)
        n = torch.addcmul(step[..., 2 * size :], r, back[..., 2 * size :]).tanh()
        hidden = torch.lerp(n, hidden, z)
        states.append(hidden)
    return torch.stack(states)


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, made: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        size, before = hidden.shape[-1], hidden
        states = made.new_empty(*made.shape[:2], size)
        fed_back, gates = torch.empty_like(made[0]), made.new_empty(len(hidden), 2 * size)
        back_gates, back_new = fed_back.split([2 * size, size], -1)
        r, z = gates.split(size, -1)
        new, turned = torch.empty_like(hidden), weight.t()
        made_gates, made_new = made.split([2 * size, size], -1)
        for of_gates, of_new, state in zip(
            *(x.unbind() for x in (made_gates, made_new, states)), strict=True
        ):
            torch.addmm(bias, before, turned, out=fed_back)
            torch.add(of_gates, back_gates, out=gates).sigmoid_()
            torch.addcmul(of_new, r, back_new, out=new).tanh_()
            before = torch.lerp(new, before, z, out=state)
        ctx.save_for_backward(made, hidden, weight, bias, states)
        return states

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        made, hidden, weight, bias, states = ctx.saved_tensors
        if torch.is_grad_enabled():  # gradients of these gradients are wanted
            inputs = (made, hidden, weight, bias)
            return tuple(differentiable((_by_steps(*inputs),), inputs, grads))
        (d_states,) = grads
        sizes = [2 * hidden.shape[-1], hidden.shape[-1]]
        # The states are known, so all gates are computed again at once.
        before = torch.cat((hidden.unsqueeze(0), states[:-1]))
        back_gates, back_new = F.linear(before, weight, bias).split(sizes, -1)
        made_gates, made_new = made.split(sizes, -1)
        gates = (made_gates + back_gates).sigmoid_()
        r, z = gates.chunk(2, -1)
        new = torch.addcmul(made_new, r, back_new).tanh_()
        # Derivatives of a state with respect to what goes into n, r and z, and with respect to what
        # the state before made: its part of n is gated.
        by_n = (1 - z) * (1 - new * new)
        by_r = by_n * back_new * (r * (1 - r))
        by_z = (before - new) * (z * (1 - z))
        by_fed_back = torch.stack((by_r, by_z, by_n * r), -2)
        d_state, d_fed_back = torch.empty_like(states), torch.empty_like(by_fed_back)
        d_hidden = torch.zeros_like(hidden)
        for given, d_now, keep, by, d_back in zip(
            *(x.unbind()[::-1] for x in (d_states, d_state, z, by_fed_back, d_fed_back)),
            strict=True,
        ):
            torch.add(given, d_hidden, out=d_now)
            torch.mul(d_now.unsqueeze(1), by, out=d_back)
            d_hidden = torch.addmm(d_now * keep, d_back.flatten(1), weight)
        d_sums = d_fed_back.flatten(0, 1).flatten(1)
        d_made = torch.cat((d_fed_back[..., :2, :].flatten(-2), d_state * by_n), -1)
        d_weight = d_sums.t() @ before.flatten(0, 1)
        return d_made, d_hidden, d_weight, d_sums.sum(0)
