"""Few-shot learners: MAML and its relatives, which learn where, and how far, to adapt."""

from .config import FewShotConfig
from .conv4 import Conv4
from .learner import FewShotLearner
from .methods import METHODS, Method
from .recipes import RECIPES
from .training import (
    load_few_shot_learner,
    measure,
    save_few_shot_learner,
    sparsity_by_layer,
    train_few_shot,
)

__all__ = [
    "METHODS",
    "RECIPES",
    "Conv4",
    "FewShotConfig",
    "FewShotLearner",
    "Method",
    "load_few_shot_learner",
    "measure",
    "save_few_shot_learner",
    "sparsity_by_layer",
    "train_few_shot",
]
