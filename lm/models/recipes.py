"""Models as plain functions that return their configuration.

Sizes and speeds are over the 10,000 words of the Penn Treebank (PTB); speeds are of training, in 32
rows of 64 words, per second of one core of an AMD EPYC (Turin). Settings to train them with are in
docs/language_models.md.
"""

from ..losses import SoftmaxConfig
from .config import DropoutConfig, LSTMConfig, TransformerConfig


def small_lstm() -> LSTMConfig:
    """2.6 million parameters, 11,000 words a second: fourteen epochs of PTB in 20 minutes."""
    return LSTMConfig(
        hidden_size=256,
        embedding_size=256,
        num_layers=2,
        softmax=SoftmaxConfig(cutoffs=(2_000,), div_value=2.0),
        dropout=DropoutConfig(input=0.1, hidden=0.2, output=0.3),
    )


def small_transformer() -> TransformerConfig:
    """2.5 million parameters, 5,000 words a second: six epochs of PTB in 20 minutes."""
    return TransformerConfig(
        num_layers=3,
        hidden_size=192,
        num_heads=3,
        window=64,
        max_length=256,
        softmax=SoftmaxConfig(cutoffs=(2_000,), div_value=2.0, logit_cap=30.0),
        dropout=DropoutConfig(input=0.1, hidden=0.1, output=0.2),
    )


def awd_lstm() -> LSTMConfig:
    """That of Merity et al. (2018, arXiv:1708.02182): 33.6 million parameters over 33,278 words.

    Shares of dropout are theirs for WikiText-2.
    """
    return LSTMConfig(
        hidden_size=1150,
        embedding_size=400,
        num_layers=3,
        projection=False,
        softmax=SoftmaxConfig(bias=True),
        dropout=DropoutConfig(embedding=0.1, input=0.65, hidden=0.2, output=0.4, recurrent=0.5),
    )


def rae_lstm() -> LSTMConfig:
    """The model of Rae et al. (2018): 172 million parameters over 267,735 words."""
    return LSTMConfig(dropout=DropoutConfig(input=0.5))
