"""Language models with one contract: ids and a state in, hidden vectors and a state out."""

from .build import build_model, count_parameters
from .config import (
    DropoutConfig,
    FastBlockConfig,
    LSTMConfig,
    ModelConfig,
    SparseLayersConfig,
    TransformerConfig,
    config_from_dict,
)
from .fast_block import FastBlockLanguageModel, FastBlockState
from .flops import ModelFlops, flops_per_token, model_flops
from .language_model import LanguageModel
from .lstm import LSTMLanguageModel, LSTMModelState
from .recipes import awd_lstm, rae_lstm, small_lstm, small_transformer
from .sampling import sample
from .transformer import KeyValues, TransformerLanguageModel, TransformerState

__all__ = [
    "DropoutConfig",
    "FastBlockConfig",
    "FastBlockLanguageModel",
    "FastBlockState",
    "KeyValues",
    "LSTMConfig",
    "LSTMLanguageModel",
    "LSTMModelState",
    "LanguageModel",
    "ModelConfig",
    "ModelFlops",
    "SparseLayersConfig",
    "TransformerConfig",
    "TransformerLanguageModel",
    "TransformerState",
    "awd_lstm",
    "build_model",
    "config_from_dict",
    "count_parameters",
    "flops_per_token",
    "model_flops",
    "rae_lstm",
    "sample",
    "small_lstm",
    "small_transformer",
]
