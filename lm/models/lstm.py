"""The LSTM language model."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple, cast

from torch import Tensor, nn

from ...memory import LSTM, FastWeightState, LSTMState
from ..losses import make_softmax
from .config import LSTMConfig
from .drop_connect import DropConnectLSTM
from .dropout import locked_dropout, word_dropout
from .factor import TiedProjection
from .language_model import LanguageModel
from .sparse_layer import initial_states, sparse_layers


class LSTMModelState(NamedTuple):
    """State of an :class:`LSTMLanguageModel`: of its LSTM layers, and of its sparse layers."""

    layers: tuple[LSTMState, ...]
    sparse: tuple[FastWeightState, ...]


class LSTMLanguageModel(LanguageModel):
    """LSTM layers between an embedding and a softmax.

    With the default configuration it is the model of Rae et al. (2018, arXiv:1803.10049): one layer
    of 2,048 units, embeddings of 512 tied to the softmax, one projection for both ways. With three
    layers, all kinds of dropout and no projection it is the AWD-LSTM (:func:`.recipes.awd_lstm`).

    Args:
        config: Sizes and parts; ``config.fast_block`` is for :func:`build_model`.
        vocab_size: V.
    """

    def __init__(self, config: LSTMConfig, vocab_size: int) -> None:
        super().__init__()
        self.head = make_softmax(config.softmax, config.embedding_size, vocab_size)
        self.dropout = config.dropout
        self.embedding = None
        if not config.softmax.tied:
            self.embedding = nn.Embedding(vocab_size, config.embedding_size)
        outer = config.hidden_size if config.projection else config.embedding_size
        self.projection = TiedProjection(config.embedding_size, outer)
        widths = [outer, *[config.hidden_size] * (config.num_layers - 1), outer]
        self.layers = nn.ModuleList(
            DropConnectLSTM(*sizes, config.dropout.recurrent)
            if config.dropout.recurrent
            else LSTM(*sizes)
            for sizes in pairwise(widths)
        )
        self.sparse_after, self.sparse = sparse_layers(config.sparse_layers, widths[1:])

    def initial_state(self, batch_size: int) -> LSTMModelState:
        """Zeros, and the learned initial weights of sparse layers."""
        return LSTMModelState(
            tuple(cast(LSTM, layer).initial_state(batch_size) for layer in self.layers),
            initial_states(self.sparse, batch_size),
        )

    def _run(
        self, inputs: Tensor, state: LSTMModelState | None, starts: Tensor | None
    ) -> tuple[Tensor, LSTMModelState]:
        outputs, state = self.outputs(inputs, state, starts)
        return self.to_hidden(outputs), state

    def to_hidden(self, outputs: Tensor) -> Tensor:
        """Hidden vectors for the softmax out of what the last layer made (dropout, projection)."""
        return self.projection.down(locked_dropout(outputs, self.dropout.output, self.training))

    def outputs(
        self, inputs: Tensor, state: LSTMModelState | None, starts: Tensor | None
    ) -> tuple[Tensor, LSTMModelState]:
        """What the last layer makes of words, (B, T, its width), and the state; see ``forward``."""
        drop = self.dropout
        x = self.head.embed(inputs) if self.embedding is None else self.embedding(inputs)
        x = word_dropout(x, inputs, self.vocab_size, drop.embedding, self.training)
        x = self.projection.up(locked_dropout(x, drop.input, self.training))
        layers, sparse = [], []
        for index, (layer, number) in enumerate(zip(self.layers, self.sparse_after, strict=True)):
            x = x if index == 0 else locked_dropout(x, drop.hidden, self.training)
            x, after = layer(x, None if state is None else state.layers[index], starts)
            layers.append(after)
            if number is not None:
                before = None if state is None else state.sparse[number]
                x, written = self.sparse[number](x, before, starts)
                sparse.append(written)
        return x, LSTMModelState(tuple(layers), tuple(sparse))
