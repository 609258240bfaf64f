"""From a configuration to a model."""

from torch import nn

from .config import LSTMConfig, ModelConfig, check_config
from .fast_block import FastBlockLanguageModel
from .language_model import LanguageModel
from .lstm import LSTMLanguageModel
from .transformer import TransformerLanguageModel


def build_model(config: ModelConfig, vocab_size: int) -> LanguageModel:
    """The language model that ``config`` describes, with new weights.

    Args:
        config: Sizes and parts.
        vocab_size: V.

    Raises:
        ValueError: A field is out of range, or of no use with the others.
    """
    check_config(config)
    body: LanguageModel
    if isinstance(config, LSTMConfig):
        body = LSTMLanguageModel(config, vocab_size)
    else:
        body = TransformerLanguageModel(config, vocab_size)
    return body if config.fast_block is None else FastBlockLanguageModel(body, config.fast_block)


def count_parameters(model: nn.Module) -> int:
    """Trainable numbers of a model, shared ones counted once."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
