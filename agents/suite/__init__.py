"""The suite ``driftwise-8``: eight worlds that change, fixed, with one score."""

from .compare import compare_submissions, list_worlds, score_difference
from .entrants import (
    Entrant,
    EnvMaker,
    named_entrant,
    oracle_entrant,
    random_entrant,
    trained_entrant,
)
from .run import run_suite
from .score import definition_hash
from .submission import Submission, check_submission, load_submission
from .training import memory_entrant, suite_config
from .worlds import FIRST_SEED, NUM_EPISODES, SUITE, VERSION, WORLDS, World

__all__ = [
    "FIRST_SEED",
    "NUM_EPISODES",
    "SUITE",
    "VERSION",
    "WORLDS",
    "Entrant",
    "EnvMaker",
    "Submission",
    "World",
    "check_submission",
    "compare_submissions",
    "definition_hash",
    "list_worlds",
    "load_submission",
    "memory_entrant",
    "named_entrant",
    "oracle_entrant",
    "random_entrant",
    "run_suite",
    "score_difference",
    "suite_config",
    "trained_entrant",
]
