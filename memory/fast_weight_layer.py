"""Fast weight layers: dynamic evaluation of one block, as causal linear attention.

Letters: B batch, t (and i < t) time, D input, S size of the layer, H = 4 S hidden units.

The block, with parameters theta, and the loss of position t with its *slow* weights, as trained:

    a_t = W1ᵀ x_t + b1      r_t = relu(a_t)²      o_t = W2ᵀ r_t + b2      n_t = normalise(o_t)
    h_t = gain n_t + offset                       l_t = weight_t head(h_t, target_t) / normaliser

Position t is predicted with the *fast* weights theta - eta sum_{i<t} grad l_i(theta): one gradient
step, taken again at every position, on the sum of all earlier losses. All gradients are at the slow
weights, so that all positions can be computed at once, and one loss gives every layer a gradient of
rank one. With the gradients of the activations

    gh_t = dl_t/dh_t      go_t = dl_t/do_t      ga_t = dl_t/da_t = (W2 go_t) 2 relu(a_t)

fast weights are causal linear attention: keys are the slow inputs of a layer, queries its fast
inputs (marked '), values the gradients.

    a'_t = a_t           - sum_{i<t} (eta1w x_t · x_i + eta1b) ga_i
    o'_t = W2ᵀ r'_t + b2 - sum_{i<t} (eta2w r'_t · r_i + eta2b) go_i
    h'_t = (gain - eta_g sum_{i<t} gh_i n_i) normalise(o'_t) + offset - eta_o sum_{i<t} gh_i

(Clark et al. 2022, "Meta-Learning Fast Weight Language Models", as in the official code; there the
normaliser is the total weight of the batch, which ties the step size to the batch's size.)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .contract import check_sizes
from .linear_attention import Past
from .segments import split_time
from .state import State
from .target_memory import LossHead, TargetMemory, loss_gradients


class BlockParameters(NamedTuple):
    """One thing for each adapted parameter of the block: its gradient sum, or its step size.

    The state of a :class:`FastWeightLayer` is the sum of the loss gradients since the start, each
    with the batch in front of the shape given here.

    Attributes:
        hidden_weight: W1, (D, H).
        hidden_bias: b1, (H,).
        output_weight: W2, (H, S).
        output_bias: b2, (S,).
        gain: of the normalisation, (S,).
        offset: likewise, (S,).
    """

    hidden_weight: Tensor
    hidden_bias: Tensor
    output_weight: Tensor
    output_bias: Tensor
    gain: Tensor
    offset: Tensor


class Gradients(NamedTuple):
    """What the slow pass leaves for the fast one: layer inputs, and gradients of layer outputs.

    Attributes:
        input: x, (..., D).
        hidden: r, (..., H).
        normalised: n, (..., S).
        of_hidden: ga, (..., H).
        of_output: go, (..., S).
        of_block: gh, (..., S).
    """

    input: Tensor
    hidden: Tensor
    normalised: Tensor
    of_hidden: Tensor
    of_output: Tensor
    of_block: Tensor


class FastWeightLayer(TargetMemory):
    """A block before the loss head whose weights follow the losses of what was read so far.

    The equations are at the top of this module. Of the four forms that they can be computed in,
    three are here, and equal: ``read`` and ``write``, position by position; ``forward`` in chunks
    of ``chunk_size``, within which it is masked attention and between which the gradient sums are
    carried; and, with ``chunk_size=None``, attention over the whole sequence. The fourth is the
    definition itself, :func:`autograd_dynamic_evaluation`.

    Training minimises the loss of what ``forward`` returns. It reaches everything, through the slow
    pass, its gradients and the step sizes; :func:`parameter_groups` gives these a learning rate of
    their own.

    Args:
        input_size: D, width of the input.
        size: S, width of the block; the input's where None.
        head: ``head(y, targets) -> loss`` of N predictions, (N, output_size) and (N, ...) to (N,),
            each independent of the others. Its gradient must be differentiable, unless
            ``second_order=False``. As a module it becomes part of this one; a softmax that belongs
            to the model around is better passed as a method or function.
        chunk_size: Positions that attend to one another; longer sequences are run chunk after
            chunk. None takes each sequence whole.
        normaliser: A constant that every loss is divided by inside, so that step sizes do not
            depend on the size of a batch or on its length.
        initial_step_size: Where each of the six step sizes eta starts. With 1e-4 and untrained
            weights, hundreds of positions change the logits by some per cent, at any width.
        second_order: Whether gradients flow through what is written. False treats it as constant,
            as first-order MAML does; the slow pass then needs no backward pass.
        residual: Whether the output is x_t + Pᵀ h_t with a matrix P (S, D) that starts at zero and
            is not adapted, instead of h_t. For a model that was trained without the layer: it is
            as before, to the last bit, until training moves P.
        eps: Added to the variance in the normalisation.

    Attributes:
        log_step_size: (6,) logarithms of the step sizes, in the order of :class:`BlockParameters`.
            One at -inf switches off the adaptation of its parameter for good.

    Raises:
        TypeError: A size is not an integer, or ``head`` is not callable.
        ValueError: A size is below 1, or a number is not positive.
    """

    state_type = BlockParameters

    def __init__(
        self,
        input_size: int,
        size: int | None = None,
        *,
        head: LossHead,
        chunk_size: int | None = 128,
        normaliser: float = 1.0,
        initial_step_size: float = 1e-4,
        second_order: bool = True,
        residual: bool = False,
        eps: float = 1e-5,
    ) -> None:
        size = input_size if size is None else size
        check_sizes(input_size=input_size, size=size)
        if chunk_size is not None:
            check_sizes(chunk_size=chunk_size)
        numbers = {"normaliser": normaliser, "initial_step_size": initial_step_size, "eps": eps}
        for name, number in numbers.items():
            if not 0.0 < number < float("inf"):
                raise ValueError(f"{name} must be positive and finite, got {number}")
        super().__init__(input_size, input_size if residual else size, head)
        self.size, self.chunk_size, self.normaliser = size, chunk_size, normaliser
        self.second_order, self.eps = second_order, eps

        hidden_size = 4 * size
        self.hidden_weight = nn.Parameter(torch.randn(input_size, hidden_size) / input_size**0.5)
        self.hidden_bias = nn.Parameter(torch.zeros(hidden_size))
        self.output_weight = nn.Parameter(torch.randn(hidden_size, size) / hidden_size**0.5)
        self.output_bias = nn.Parameter(torch.zeros(size))
        self.gain = nn.Parameter(torch.ones(size))
        self.offset = nn.Parameter(torch.zeros(size))
        steps = torch.full((len(BlockParameters._fields),), initial_step_size)
        self.log_step_size = nn.Parameter(steps.log())
        self.residual = nn.Parameter(torch.zeros(size, input_size)) if residual else None

    @property
    def step_sizes(self) -> BlockParameters:
        """The step sizes eta, one number for each parameter tensor."""
        return BlockParameters(*self.log_step_size.exp().unbind())

    def initial_state(self, batch_size: int) -> BlockParameters:
        """Gradient sums of zero for each of ``batch_size`` rows, in float32 or wider."""
        return BlockParameters(*(
            torch.zeros(batch_size, *p.shape, dtype=_wide(p), device=p.device)
            for p in (getattr(self, name) for name in BlockParameters._fields)
        ))  # fmt: skip

    def slow(self, x: Tensor) -> Tensor:
        """The block without adaptation: (..., D) to (..., output_size)."""
        h, _ = self._normalise(self._output(_squared_relu(self._hidden(x))))
        return self._emit(x, self.gain * h + self.offset)

    def read(self, x: Tensor, state: BlockParameters | None) -> Tensor:
        """Run the block with the fast weights (see :class:`TargetMemory`)."""
        self._check_read(x, state)
        if state is None:
            return self.slow(x)
        sums, eta = BlockParameters(*(part.to(x.dtype) for part in state)), self.step_sizes
        a = self._hidden(x) - eta.hidden_bias * sums.hidden_bias
        a = a - eta.hidden_weight * torch.einsum("bd,bdh->bh", x, sums.hidden_weight)
        r = _squared_relu(a)
        o = self._output(r) - eta.output_bias * sums.output_bias
        o = o - eta.output_weight * torch.einsum("bh,bhs->bs", r, sums.output_weight)
        n, _ = self._normalise(o)
        h = (self.gain - eta.gain * sums.gain) * n + self.offset - eta.offset * sums.offset
        return self._emit(x, h)

    def write(
        self, x: Tensor, targets: Tensor, weights: Tensor | None, state: BlockParameters | None
    ) -> BlockParameters:
        """Add the gradients of one more loss, all at the slow weights."""
        self._check_write(x, targets, weights, state)
        state = self.initial_state(x.shape[0]) if state is None else state
        g = self._gradients(x, self._hidden(x), targets, weights)
        return BlockParameters(
            state.hidden_weight + torch.einsum("bd,bh->bdh", g.input, g.of_hidden),
            state.hidden_bias + g.of_hidden,
            state.output_weight + torch.einsum("bh,bs->bhs", g.hidden, g.of_output),
            state.output_bias + g.of_output,
            state.gain + g.of_block * g.normalised,
            state.offset + g.of_block,
        )

    def forward(
        self,
        x: Tensor,
        targets: Tensor,
        weights: Tensor | None = None,
        state: State = None,
        starts: Tensor | None = None,
    ) -> tuple[Tensor, BlockParameters]:
        """Run over a sequence, chunk by chunk (see :class:`TargetMemory`)."""
        self._check_sequence(x, targets, weights, state, starts)
        size = self.chunk_size or x.shape[1]
        pieces = x.split(size, 1)
        others = (split_time(part, size, len(pieces)) for part in (targets, weights, starts))
        outputs = []
        for x_, targets_, weights_, starts_ in zip(pieces, *others, strict=True):
            y, state = self._chunk(x_, targets_, weights_, state, starts_)
            outputs.append(y)
        return torch.cat(outputs, 1), state

    def _chunk(
        self,
        x: Tensor,
        targets: Tensor,
        weights: Tensor | None,
        state: BlockParameters | None,
        starts: Tensor | None,
    ) -> tuple[Tensor, BlockParameters]:
        """All positions of a chunk at once: the slow pass, then the fast pass as attention."""
        a, past, eta = self._hidden(x), Past(x, starts), self.step_sizes
        sums: Any = BlockParameters._make([None] * 6) if state is None else state
        g = self._gradients(x, a, targets, weights)
        of_gain = g.of_block * g.normalised

        query = eta.hidden_weight * x
        a = a - past.attend(
            query, g.input, g.of_hidden, eta.hidden_bias, sums.hidden_weight, sums.hidden_bias
        )
        r = _squared_relu(a)
        query = eta.output_weight * r
        o = self._output(r) - past.attend(
            query, g.hidden, g.of_output, eta.output_bias, sums.output_weight, sums.output_bias
        )
        n, _ = self._normalise(o)
        gain = self.gain - eta.gain * past.total(of_gain, sums.gain)
        offset = self.offset - eta.offset * past.total(g.of_block, sums.offset)

        after = BlockParameters(
            past.carry(g.input, g.of_hidden, sums.hidden_weight),
            past.carry(None, g.of_hidden, sums.hidden_bias),
            past.carry(g.hidden, g.of_output, sums.output_weight),
            past.carry(None, g.of_output, sums.output_bias),
            past.carry(None, of_gain, sums.gain),
            past.carry(None, g.of_block, sums.offset),
        )
        return self._emit(x, gain * n + offset), after

    def _gradients(
        self, x: Tensor, a: Tensor, targets: Tensor, weights: Tensor | None
    ) -> Gradients:
        """The slow pass, from x and a = W1ᵀ x + b1 forward to the loss and back to a."""
        x, a = (x, a) if self.second_order else (x.detach(), a.detach())
        with torch.set_grad_enabled(self.second_order and torch.is_grad_enabled()):
            r = _squared_relu(a)
            n, inverse_deviation = self._normalise(self._output(r))
            y = self._emit(x, self.gain * n + self.offset)
            gy = loss_gradients(self.head, y, targets) / self.normaliser
            gy = gy if weights is None else weights.unsqueeze(-1) * gy
            gh = gy if self.residual is None else gy @ self.residual.mT
            gn = gh * self.gain
            projected = gn.mean(-1, keepdim=True) + n * (gn * n).mean(-1, keepdim=True)
            go = inverse_deviation * (gn - projected)
            ga = (go @ self.output_weight.mT) * (2.0 * F.relu(a))
            return Gradients(x, r, n, ga, go, gh)

    def _hidden(self, x: Tensor) -> Tensor:
        return F.linear(x, self.hidden_weight.mT, self.hidden_bias)

    def _output(self, r: Tensor) -> Tensor:
        return F.linear(r, self.output_weight.mT, self.output_bias)

    def _normalise(self, o: Tensor) -> tuple[Tensor, Tensor]:
        """Zero mean, unit variance; and one over the deviation, through which gradients flow."""
        centred = o - o.mean(-1, keepdim=True)
        inverse = (centred.square().mean(-1, keepdim=True) + self.eps).rsqrt()
        return centred * inverse, inverse

    def _emit(self, x: Tensor, h: Tensor) -> Tensor:
        return h if self.residual is None else x + h @ self.residual


def _squared_relu(a: Tensor) -> Tensor:
    return F.relu(a).square()


def _wide(parameter: Tensor) -> torch.dtype:
    return torch.promote_types(parameter.dtype, torch.float32)
