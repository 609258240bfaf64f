"""The policies by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from .change_point import BayesChangePoint
from .exp3s import Exp3S
from .glr_ucb import GLRUCB
from .oracle import Clairvoyant, RecallBayes
from .policy import BanditPolicy
from .simple import EpsilonGreedy, Random
from .stationary import BayesOptimal, Gittins
from .thompson import Thompson
from .ucb import KLUCB, UCB, RestartUCB, SlidingWindowUCB

POLICIES: dict[str, Callable[..., BanditPolicy]] = {
    "random": Random,
    "clairvoyant": Clairvoyant,
    "recall_bayes": RecallBayes,
    "restart_ucb": RestartUCB,
    "greedy": partial(EpsilonGreedy, epsilon=0.0),
    "epsilon_greedy": EpsilonGreedy,
    "ucb1": UCB,
    "kl_ucb": KLUCB,
    "thompson": Thompson,
    # 1 - sqrt(changes / T) / (4 B) for T = 200 steps with 4 changes: Garivier & Moulines.
    "discounted_ucb": partial(UCB, discount=0.965),
    "sliding_window_ucb": SlidingWindowUCB,
    # As the policies without "posterior", with the posterior mean under a uniform prior in the
    # place of the sample mean: no forced first pulls, and forgotten arms drift back to 1/2.
    "restart_ucb_posterior": partial(RestartUCB, prior=(1.0, 1.0)),
    "ucb1_posterior": partial(UCB, prior=(1.0, 1.0)),
    "discounted_ucb_posterior": partial(UCB, discount=0.965, prior=(1.0, 1.0)),
    "sliding_window_ucb_posterior": partial(SlidingWindowUCB, prior=(1.0, 1.0)),
    "discounted_thompson": partial(Thompson, discount=0.95),
    "exp3s": Exp3S,
    "glr_ucb": GLRUCB,
    "bayes_greedy": partial(BayesChangePoint, rule="greedy"),
    "bayes_thompson": partial(BayesChangePoint, rule="thompson"),
    "bayes_ucb": partial(BayesChangePoint, rule="ucb"),
    "gittins": Gittins,
    "bayes_optimal": BayesOptimal,
}
"""Every policy by name. Add your own: ``POLICIES["mine"] = MyPolicy``."""


def make_policy(
    name: str, num_arms: int, num_envs: int, seed: int | None = None, **kwargs: Any
) -> BanditPolicy:
    """Makes the policy called `name`.

    Args:
        name: A key of `POLICIES`.
        num_arms: Number of arms.
        num_envs: Number of bandits played side by side.
        seed: Seed of the policy's own random numbers.
        **kwargs: Arguments of that policy; see its class.

    Raises:
        ValueError: If there is no such policy, or an argument is out of range.
        TypeError: If the policy has no such argument, or one that it needs is missing.
    """
    if name not in POLICIES:
        raise ValueError(f"name must be one of {', '.join(POLICIES)}; got {name!r}")
    parameters = inspect.signature(POLICIES[name]).parameters
    own = [key for key in parameters if key not in ("num_arms", "num_envs", "seed")]
    if unknown := kwargs.keys() - set(own):
        takes = f"it takes {', '.join(own)}" if own else "it takes none"
        raise TypeError(f"policy {name!r} has no argument {', '.join(sorted(unknown))}; {takes}")
    needed = [key for key in own if parameters[key].default is inspect.Parameter.empty]
    if missing := [key for key in needed if key not in kwargs]:
        raise TypeError(f"policy {name!r} needs the argument {', '.join(missing)}")
    return POLICIES[name](num_arms, num_envs, seed=seed, **kwargs)
