"""Optimisers of language models: which parameter goes where, and learning rates over time."""

from .config import OptimizerConfig
from .make import check_claims, make_optimizers, roles
from .schedules import cosine, set_learning_rates, trapezoid

__all__ = [
    "OptimizerConfig",
    "check_claims",
    "cosine",
    "make_optimizers",
    "roles",
    "set_learning_rates",
    "trapezoid",
]
