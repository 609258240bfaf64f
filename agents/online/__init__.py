"""Agents whose weights go on learning while they act, by masked policy-gradient steps."""

from .config import METHODS, OnlineConfig
from .finetuning import FINETUNING, FinishedEpisode, OnlineFinetuning
from .learner import OnlineLearner
from .mask_training import train_update_mask
from .player import OnlinePlayer
from .recipes import RECIPES
from .training import (
    find_online_learner,
    load_online_learner,
    save_online_learner,
    train_online,
)

__all__ = [
    "FINETUNING",
    "METHODS",
    "RECIPES",
    "FinishedEpisode",
    "OnlineConfig",
    "OnlineFinetuning",
    "OnlineLearner",
    "OnlinePlayer",
    "find_online_learner",
    "load_online_learner",
    "save_online_learner",
    "train_online",
    "train_update_mask",
]
