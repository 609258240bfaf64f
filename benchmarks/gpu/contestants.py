"""What is timed, forward and backward: memories, attention, softmaxes, and those of others."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from driftwise.benchmarks.gpu.training_step import random_words
from driftwise.lm.losses import FullSoftmax, SoftmaxConfig, make_softmax
from driftwise.lm.precision import autocast
from driftwise.lm.training.gpu_recipes import ALL_LOGITS
from driftwise.memory import LSTM, FastWeightLayer, SparseFastWeights, fast_weight_flops

HEAD_SIZE = 128
WORDS = 256  # of the loss of a fast weight layer: next to nothing, so that the layer shows


class Shape(NamedTuple):
    """Rows, positions and width of what goes in."""

    rows: int
    length: int
    width: int

    @property
    def tokens(self) -> int:
        """Positions in all."""
        return self.rows * self.length


class Contestant(NamedTuple):
    """A forward and a backward pass.

    Attributes:
        run: Does both, with gradients of inputs and parameters.
        tokens: Positions that it reads.
        flops: Operations of one position, forward and backward; NaN where they are not counted.
    """

    run: Callable[[], None]
    tokens: int
    flops: float = math.nan


class Attention(nn.Module):
    """Causal attention of torch with its four projections."""

    def __init__(self, width: int, head_size: int) -> None:
        super().__init__()
        self.head_size = head_size
        self.inputs = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        parts = self.inputs(x).unflatten(-1, (3, -1, self.head_size)).transpose(1, 3)
        q, k, v = parts.unbind(2)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.output(y.transpose(1, 2).flatten(2))


class DeltaNet(nn.Module):
    """The delta rule of flash-linear-attention with projections like those of attention."""

    def __init__(self, width: int, head_size: int) -> None:
        super().__init__()
        from fla.ops.delta_rule import chunk_delta_rule

        self.rule, self.head_size = chunk_delta_rule, head_size
        self.inputs = nn.Linear(width, 3 * width, bias=False)
        self.rate = nn.Linear(width, width // head_size)
        self.output = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        q, k, v = self.inputs(x).unflatten(-1, (3, -1, self.head_size)).unbind(2)
        rate = self.rate(x).sigmoid().to(q.dtype)
        y, _ = self.rule(F.silu(q), F.silu(k), v, rate, use_qk_l2norm_in_kernel=True)
        return self.output(y.flatten(2))


def memories(shape: Shape, device: torch.device, tiny: bool = False) -> dict[str, Contestant]:
    """Every memory over whole sequences, attention beside them, and DeltaNet where it is there.

    ``sparse`` is that of the recipe ``wiki-s-sparse``, ``sparse_16x`` has 16 times its slots, and
    ``dense`` one, with keys as wide as its heads.
    """
    width, head = shape.width, 8 if tiny else HEAD_SIZE
    slots: dict[str, Any] = {"num_heads": 8, "key_size": 16, "value_size": 16}
    if tiny:
        slots = {"num_heads": 2, "key_size": 4, "value_size": 4, "chunk_size": 8}
    dense = {"num_heads": width // head, "key_size": head, "value_size": head, "chunk_size": 64}
    chunk = min(256, shape.length)
    x = torch.randn(shape, device=device, requires_grad=True)
    targets = torch.randint(WORDS, shape[:2], device=device)

    def over_sequences(module: nn.Module, forward: float) -> Contestant:
        return _pass(module, lambda: module(x), x, 3 * forward)

    def block(size: int | None) -> Contestant:
        layer = FastWeightLayer(
            width,
            size,
            residual=size is not None,
            head=FullSoftmax(width, WORDS),
            chunk_size=chunk,
        )
        cost = fast_weight_flops(layer, shape.length, carried=False, head=2.0 * width * WORDS)
        return _pass(layer, lambda: layer(x, targets), x, 3 * cost.total)

    def sparse(**options: Any) -> Contestant:
        layer = SparseFastWeights(width, **options)
        weights = sum(p.numel() for p in layer.parameters() if p.ndim == 2)
        access = layer.num_heads * layer.top_k * layer.key_size * layer.value_size
        return over_sequences(layer, 2.0 * weights + 6.0 * access)

    seen = (shape.length + 1) / 2
    found = {
        "attention": over_sequences(Attention(width, head), 8.0 * width**2 + 4.0 * seen * width),
        "fwl": block(None),
        "fwl_narrow": block(width // 2),
        "sparse": sparse(num_slots=16, **slots),
        "sparse_16x": sparse(num_slots=256, **slots),
        "dense": sparse(num_slots=1, top_k=1, **dense),
        "lstm": over_sequences(LSTM(width, width), 16.0 * width**2),
    }
    if device.type == "cuda" and has_fla():
        found["fla_delta_net"] = over_sequences(DeltaNet(width, head), math.nan)
    return found


def softmaxes(shape: Shape, device: torch.device, tiny: bool = False) -> dict[str, Contestant]:
    """Losses over the words of WikiText-103 and over 16,384 byte pairs, and that of torch."""
    words, pairs = (200, 64) if tiny else (267_735, 16_384)
    cutoffs = (20, 60) if tiny else (20_000, 60_000)
    at_once = SoftmaxConfig(cutoffs=cutoffs, capacities=(0.1, 0.08), max_logits=ALL_LOGITS)
    hidden = torch.randn(shape.tokens, shape.width, device=device, requires_grad=True)
    targets = random_words((shape.tokens,), at_once, words).to(device)

    def ours(config: SoftmaxConfig, vocab_size: int, compiled: bool = False) -> Contestant:
        head = make_softmax(config, shape.width, vocab_size).to(device)
        if compiled:
            head.compile()
        y = targets if vocab_size == words else targets % vocab_size
        return _pass(head, lambda: head.loss(hidden, y), hidden)

    theirs = nn.AdaptiveLogSoftmaxWithLoss(shape.width, words, list(cutoffs))
    chunks = 8 * 64 if tiny else 2**26
    found = {
        "adaptive": ours(at_once, words),
        "adaptive_chunks": ours(SoftmaxConfig(cutoffs=cutoffs, max_logits=chunks), words),
        "adaptive_torch": _pass(theirs, lambda: theirs(hidden, targets).output, hidden),
        "byte_pairs": ours(SoftmaxConfig(max_logits=ALL_LOGITS), pairs),
        "byte_pairs_chunks": ours(SoftmaxConfig(max_logits=chunks), pairs),
    }
    if device.type == "cuda":  # elsewhere compiling takes longer than all the rest
        found["adaptive_compiled"] = ours(at_once, words, compiled=True)
        found["byte_pairs_compiled"] = ours(SoftmaxConfig(max_logits=ALL_LOGITS), pairs, True)
    return found


def has_fla() -> bool:
    """Whether flash-linear-attention is installed, and can be imported."""
    try:
        import fla.ops.delta_rule  # noqa: F401
    except Exception:  # whatever its own dependencies and guards raise
        return False
    return True


def _pass(
    module: nn.Module, call: Callable[[], Any], x: Tensor, flops: float = math.nan
) -> Contestant:
    """``call`` runs the module over x (..., D), or returns a tuple that begins with the outputs."""
    module.to(x.device)

    def run() -> None:
        module.zero_grad()
        x.grad = None
        with autocast(x.device):
            y = call()
        y = y[0] if isinstance(y, tuple) else y
        y.float().square().mean().backward()

    return Contestant(run, math.prod(x.shape[:-1]), flops)
