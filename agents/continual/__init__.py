"""Continual learners on streams of tasks: La-MAML, continual MAML, and their masked forms."""

from ..classifiers import LA_MAML_METHODS, LaMAML, LaMAMLMethod
from .config import STREAMS, ContinualConfig
from .mlp import MLP
from .online_maml import OnlineMAML
from .online_methods import ONLINE_METHODS, OnlineConfig, OnlineMethod
from .recipes import RECIPES
from .record import TaskRecord
from .running import run_continual

__all__ = [
    "LA_MAML_METHODS",
    "MLP",
    "ONLINE_METHODS",
    "RECIPES",
    "STREAMS",
    "ContinualConfig",
    "LaMAML",
    "LaMAMLMethod",
    "OnlineConfig",
    "OnlineMAML",
    "OnlineMethod",
    "TaskRecord",
    "run_continual",
]
