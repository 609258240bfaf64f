"""Training of language models: a configuration, recipes, and one loop for one process or many."""

from .config import TrainConfig
from .loop import train_language_model
from .objective import Objective, static_loss
from .recipes import RECIPES
from .weight_average import WeightAverage

__all__ = [
    "RECIPES",
    "Objective",
    "TrainConfig",
    "WeightAverage",
    "static_loss",
    "train_language_model",
]
