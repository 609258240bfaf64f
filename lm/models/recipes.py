"""Models as plain functions that return their configuration."""

from collections.abc import Callable

from .config import DropoutConfig, LSTMConfig, ModelConfig


def rae_lstm() -> LSTMConfig:
    """The model of Rae et al. (2018): 172 million parameters over 267,735 words."""
    return LSTMConfig(dropout=DropoutConfig(input=0.5))


RECIPES: dict[str, Callable[[], ModelConfig]] = {"rae-lstm": rae_lstm}
