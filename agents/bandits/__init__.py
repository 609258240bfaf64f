"""Classic bandit policies, vectorised over seeds, and exact values to judge them by."""

from .change_point import BayesChangePoint
from .exact import (
    GittinsTable,
    TwoArmSolution,
    bayes_optimal_two_arms,
    gittins_table,
)
from .exp3s import Exp3S
from .glr_ucb import GLRUCB
from .oracle import Clairvoyant, RecallBayes
from .play import PlayRecord, play
from .policy import BanditPolicy, CountingPolicy
from .registry import POLICIES, make_policy
from .simple import EpsilonGreedy, Random
from .stationary import BayesOptimal, Gittins
from .thompson import Thompson
from .tuned import SETTINGS, TRAINING_SEED, TUNED, Setting
from .ucb import KLUCB, UCB, RestartUCB, SlidingWindowUCB

__all__ = [
    "GLRUCB",
    "KLUCB",
    "POLICIES",
    "SETTINGS",
    "TRAINING_SEED",
    "TUNED",
    "UCB",
    "BanditPolicy",
    "BayesChangePoint",
    "BayesOptimal",
    "Clairvoyant",
    "CountingPolicy",
    "EpsilonGreedy",
    "Exp3S",
    "Gittins",
    "GittinsTable",
    "PlayRecord",
    "Random",
    "RecallBayes",
    "RestartUCB",
    "Setting",
    "SlidingWindowUCB",
    "Thompson",
    "TwoArmSolution",
    "bayes_optimal_two_arms",
    "gittins_table",
    "make_policy",
    "play",
]
