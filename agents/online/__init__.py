"""Agents whose weights go on learning while they act, by masked policy-gradient steps."""

from .config import METHODS, OnlineConfig
from .learner import OnlineLearner
from .player import OnlinePlayer
from .recipes import RECIPES
from .training import (
    find_online_learner,
    load_online_learner,
    save_online_learner,
    train_online,
)

__all__ = [
    "METHODS",
    "RECIPES",
    "OnlineConfig",
    "OnlineLearner",
    "OnlinePlayer",
    "find_online_learner",
    "load_online_learner",
    "save_online_learner",
    "train_online",
]
