"""The Transformer language model."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...memory import FastWeightState
from ..losses import make_softmax
from .attention import rotary_table, rotate, window_mask
from .config import DropoutConfig, TransformerConfig
from .dropout import locked_dropout, word_dropout
from .factor import TiedProjection
from .language_model import LanguageModel
from .sparse_layer import initial_states, sparse_layers

Table = tuple[Tensor, Tensor]


class KeyValues(NamedTuple):
    """Keys (not yet rotated) and values of one block, each (B, heads, positions, head_size)."""

    keys: Tensor
    values: Tensor


class TransformerState(NamedTuple):
    """State of a :class:`TransformerLanguageModel`.

    Attributes:
        layers: Keys and values of the last W positions, the latest last, for every block.
        known: (B, W) bool, which of these positions hold something that may be seen.
        sparse: States of the sparse layers.
    """

    layers: tuple[KeyValues, ...]
    known: Tensor
    sparse: tuple[FastWeightState, ...]


class TransformerLanguageModel(LanguageModel):
    """Blocks of attention and squared ReLU between an embedding and a softmax.

    Attention reaches ``window`` positions back and never into another document. The state holds the
    keys and values of the last ``window`` positions; since they are kept before the rotation and
    positions are counted from the oldest of them, a text may be as long as it likes.

    Args:
        config: Sizes and parts; ``config.fast_block`` is for :func:`build_model`.
        vocab_size: V.
    """

    def __init__(self, config: TransformerConfig, vocab_size: int) -> None:
        size = config.hidden_size if config.embedding_size is None else config.embedding_size
        super().__init__(config.max_length)
        self.head = make_softmax(config.softmax, size, vocab_size)
        self.dropout, self.window = config.dropout, config.window
        self.num_heads, self.head_size = config.num_heads, config.hidden_size // config.num_heads
        self.embedding = None if config.softmax.tied else nn.Embedding(vocab_size, size)
        self.projection = TiedProjection(size, config.hidden_size)
        self.blocks = nn.ModuleList(
            Block(config.hidden_size, config.num_heads, config.window, config.dropout)
            for _ in range(config.num_layers)
        )
        # New blocks add nothing, so that a new model would predict the very word that it reads if
        # its row were as long as elsewhere. As an embedding it is normalised: any length will do.
        with torch.no_grad():
            for rows in self.head.row_weights:
                rows.mul_(rows.shape[1] ** -0.5)
        self.sparse_after, self.sparse = sparse_layers(
            config.sparse_layers, [config.hidden_size] * config.num_layers
        )

    def initial_state(self, batch_size: int) -> TransformerState:
        """Nothing that may be seen, and the learned initial weights of sparse layers."""
        like = next(self.blocks.parameters())
        nothing = like.new_zeros(batch_size, self.num_heads, self.window, self.head_size)
        return TransformerState(
            tuple(KeyValues(nothing.clone(), nothing.clone()) for _ in self.blocks),
            torch.zeros(batch_size, self.window, dtype=torch.bool, device=like.device),
            initial_states(self.sparse, batch_size),
        )

    def attention_flops(self, length: int, carried: bool) -> float:
        """See :class:`LanguageModel`: scores and weighted sums over the positions seen."""
        full = self.window + 1
        seen = full if carried else sum(min(t + 1, full) for t in range(length)) / length
        return 4.0 * seen * self.num_heads * self.head_size * len(self.blocks)

    def _run(
        self, inputs: Tensor, state: TransformerState | None, starts: Tensor | None
    ) -> tuple[Tensor, TransformerState]:
        drop, length = self.dropout, inputs.shape[1]
        x = self.head.embed(inputs) if self.embedding is None else self.embedding(inputs)
        x = word_dropout(x, inputs, self.vocab_size, drop.embedding, self.training)
        x = _norm(self.projection.up(locked_dropout(x, drop.input, self.training)))

        known = None if state is None else state.known
        # Without a mask, torch has faster kernels for what is causal and nothing else.
        mask = None
        if state is not None or starts is not None or length > self.window + 1:
            mask = window_mask(starts, known, length, self.window).to(x.device)
        table = rotary_table(length + (0 if state is None else self.window), self.head_size, x)
        layers, sparse = [], []
        for index, (block, number) in enumerate(zip(self.blocks, self.sparse_after, strict=True)):
            x, after = block(x, table, mask, None if state is None else state.layers[index])
            layers.append(after)
            if number is not None:
                before = None if state is None else state.sparse[number]
                x, written = self.sparse[number](x, before, starts)
                sparse.append(written)
        x = locked_dropout(_norm(x), drop.output, self.training)
        known = self._known(inputs, known, starts)
        return self.projection.down(x), TransformerState(tuple(layers), known, tuple(sparse))

    def _known(self, inputs: Tensor, known: Tensor | None, starts: Tensor | None) -> Tensor:
        """Which of the last W positions are of the document that a row is in at the end."""
        if known is None:
            known = torch.zeros(len(inputs), self.window, dtype=torch.bool, device=inputs.device)
        read = torch.ones_like(inputs, dtype=torch.bool)
        if starts is not None:
            later = starts.flip(1).cumsum(1).flip(1) - starts.long()  # starts after position t
            read = later == 0
            known = known & ~starts.any(1, keepdim=True)
        return torch.cat((known, read), 1)[:, -self.window :]


class Block(nn.Module):
    """Attention, then a layer of squared ReLUs, each added to the residual stream.

    Args:
        size: Width of the residual stream.
        num_heads: Heads of attention.
        window: Positions of which keys and values are kept.
        dropout: What training leaves out, of which ``hidden`` and ``attention`` happen here.
    """

    def __init__(self, size: int, num_heads: int, window: int, dropout: DropoutConfig) -> None:
        super().__init__()
        self.num_heads, self.window, self.dropout = num_heads, window, dropout
        # Apart, and not as one matrix: an optimiser that makes updates orthogonal needs them so.
        self.query, self.key, self.value = (_linear(size, size) for _ in range(3))
        self.attended = _linear(size, size)
        self.inner = _linear(size, 4 * size)
        self.outer = _linear(4 * size, size)
        nn.init.zeros_(self.attended.weight)
        nn.init.zeros_(self.outer.weight)

    def forward(
        self, x: Tensor, table: Table, mask: Tensor | None, past: KeyValues | None
    ) -> tuple[Tensor, KeyValues]:
        """Run over a piece of text.

        Args:
            x: (B, T, size).
            table: Cosines and sines for all positions, those in ``past`` first.
            mask: (B or 1, 1, T, positions) bool, what is seen; None for all up to t.
            past: Keys and values of the W positions before; None where there are none.

        Returns:
            (B, T, size), and the keys and values of the last W positions.
        """
        y, after = self._attend(_norm(x), table, mask, past)
        x = x + locked_dropout(y, self.dropout.hidden, self.training)
        y = self.outer(F.relu(self.inner(_norm(x))).square())
        return x + locked_dropout(y, self.dropout.hidden, self.training), after

    def _attend(
        self, x: Tensor, table: Table, mask: Tensor | None, past: KeyValues | None
    ) -> tuple[Tensor, KeyValues]:
        length, window = x.shape[1], self.window
        parts = (part(x) for part in (self.query, self.key, self.value))
        query, key, value = (
            part.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for part in parts
        )
        query, key = _norm(query), _norm(key)
        if past is not None:
            key = torch.cat((past.keys.to(key.dtype), key), 2)
            value = torch.cat((past.values.to(value.dtype), value), 2)
        cos, sin = table
        y = F.scaled_dot_product_attention(
            rotate(query, (cos[-length:], sin[-length:])),
            rotate(key, table),
            value,
            attn_mask=mask,
            dropout_p=self.dropout.attention if self.training else 0.0,
            is_causal=mask is None,
        )
        missing = (0, 0, max(0, window - key.shape[2]), 0)  # positions before the first
        after = KeyValues(*(F.pad(part, missing)[:, :, -window:] for part in (key, value)))
        return self.attended(y.transpose(1, 2).flatten(2)), after


def _norm(x: Tensor) -> Tensor:
    """Scale vectors to a root mean square of 1."""
    return F.rms_norm(x, x.shape[-1:])


def _linear(in_features: int, out_features: int) -> nn.Linear:
    linear = nn.Linear(in_features, out_features, bias=False)
    nn.init.normal_(linear.weight, std=in_features**-0.5)
    return linear
