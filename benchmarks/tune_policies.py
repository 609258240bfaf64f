"""Tunes the classic bandit policies as hard as ours: random search, refined, on training worlds.

    python benchmarks/tune_policies.py            # all policies: a few minutes on one core
    python benchmarks/tune_policies.py --policies discounted_ucb exp3s

Every candidate of a stage meets the same worlds; the stages meet different ones. All have seeds
between `TRAINING_SEED` and `HELD_OUT_WORLDS`, from which on evaluations choose theirs. The
constants found are written to `results/tuned_policies.json`; those of record are copied to
`driftwise.agents.bandits.tuned`, and a test compares the two.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

import driftwise  # noqa: F401  (registers the environments)
from driftwise.agents import HELD_OUT_WORLDS
from driftwise.agents.bandits import SETTINGS, TRAINING_SEED, Setting, make_policy, play
from driftwise.tracking.environment import machine, versions


class Log(NamedTuple):
    """A number searched between two bounds on a logarithmic scale."""

    low: float
    high: float
    decode: Callable[[float], float] = lambda value: value

    def at(self, position: float) -> float:
        """The value at `position` in [0, 1]."""
        value = math.exp(math.log(self.low) + position * math.log(self.high / self.low))
        return float(f"{self.decode(value):.3g}")


DISCOUNT = Log(0.003, 0.4, lambda gap: 1.0 - gap)
SCALE = Log(0.002, 3.0)
PSEUDO_COUNT = Log(0.01, 20.0)
PRIOR = {"prior_a": PSEUDO_COUNT, "prior_b": PSEUDO_COUNT}
WINDOW = Log(4, 200, round)

SPACES: dict[str, dict[str, Log]] = {
    "epsilon_greedy": {"epsilon": Log(1e-4, 0.5), "discount": DISCOUNT, **PRIOR},
    "ucb1": {"scale": SCALE},
    "ucb1_posterior": {"scale": SCALE, **PRIOR},
    "restart_ucb": {"scale": SCALE},
    "restart_ucb_posterior": {"scale": SCALE, **PRIOR},
    "discounted_ucb": {"discount": DISCOUNT, "scale": SCALE},
    "discounted_ucb_posterior": {"discount": DISCOUNT, "scale": SCALE, **PRIOR},
    "sliding_window_ucb": {"window": WINDOW, "scale": SCALE},
    "sliding_window_ucb_posterior": {"window": WINDOW, "scale": SCALE, **PRIOR},
    "discounted_thompson": {"discount": DISCOUNT, **PRIOR},
    "exp3s": {"gamma": Log(0.01, 1.0), "alpha": Log(1e-5, 0.5)},
    "glr_ucb": {"delta": Log(1e-4, 0.99), "exploration": Log(0.001, 0.3)},
    "bayes_ucb": {"scale": Log(0.3, 4.0)},
}
STATIONARY = ("ucb1", "ucb1_posterior")  # what is tuned for the stationary settings
SLOW = ("glr_ucb", "bayes_ucb")  # these meet a quarter of the worlds

# Candidates and worlds of each stage.
EXPLORE = (120, 400)
REFINE = (30, 2_000)
REFINE_ROUNDS = 2
CHOOSE = (6, 8_000)


class Candidate(NamedTuple):
    """A point of the search space and the mean and standard error of its regret per step."""

    position: np.ndarray
    regret: float
    error: float


def arguments_at(space: dict[str, Log], position: np.ndarray) -> dict[str, Any]:
    """Policy arguments at a position (len(space),) in the unit cube."""
    values: dict[str, Any] = {
        name: axis.at(x) for (name, axis), x in zip(space.items(), position, strict=True)
    }
    if "prior_a" in values:
        values["prior"] = (values.pop("prior_a"), values.pop("prior_b"))
    if "window" in values:
        values["window"] = int(values["window"])
    return values


def mean_regret(
    policy: str, arguments: dict[str, Any], setting: Setting, num_worlds: int, seed: int
) -> tuple[float, float]:
    """Mean dynamic regret per step over `num_worlds` worlds, and its standard error."""
    env = gym.make_vec("driftwise/ShiftingBandit-v0", num_envs=num_worlds, **setting.env_kwargs)
    player = make_policy(policy, setting.num_arms, num_worlds, seed=seed, **arguments)
    per_world = play(player, env, num_episodes=1, seed=seed).regret.mean(axis=1)
    return float(per_world.mean()), float(per_world.std(ddof=1) / math.sqrt(num_worlds))


def tune(policy: str, setting: Setting) -> tuple[dict[str, Any], Candidate]:
    """The best arguments found, with their regret on the worlds of the last stage."""
    space = SPACES[policy]
    rng = np.random.default_rng(0)
    share = 4 if policy in SLOW else 1

    def score(positions: np.ndarray, num_worlds: int, stage: int) -> list[Candidate]:
        seed = TRAINING_SEED * (1 + stage)
        candidates = []
        for position in positions:
            arguments = arguments_at(space, position)
            regret = mean_regret(policy, arguments, setting, num_worlds // share, seed)
            candidates.append(Candidate(position, *regret))
        return sorted(candidates, key=lambda candidate: candidate.regret)

    found = score(rng.random((EXPLORE[0], len(space))), EXPLORE[1], 0)
    for refinement in range(REFINE_ROUNDS):
        parents = np.array([candidate.position for candidate in found[:5]])
        children = parents[np.arange(REFINE[0]) % len(parents)].copy()
        # The parents themselves compete again; their children differ less in the second round.
        width = 0.08 / 2**refinement
        children[len(parents) :] += rng.normal(0.0, width, children[len(parents) :].shape)
        found = score(children.clip(0.0, 1.0), REFINE[1], 1 + refinement)
    finalists = np.array([candidate.position for candidate in found[: CHOOSE[0]]])
    best = score(finalists, CHOOSE[1], 1 + REFINE_ROUNDS)[0]
    return arguments_at(space, best.position), best


def main() -> None:
    """Runs the search and writes the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--policies", nargs="+", choices=SPACES, default=list(SPACES))
    parser.add_argument("--out", type=Path, default=Path("results/tuned_policies.json"))
    args = parser.parse_args()
    tuned: dict[str, dict[str, Any]] = {}
    table = []
    for setting_name, setting in SETTINGS.items():
        tuned[setting_name] = {}
        for policy in args.policies:
            if setting.env_kwargs["schedule"] == "Never()" and policy not in STATIONARY:
                continue
            start = time.perf_counter()
            arguments, best = tune(policy, setting)
            tuned[setting_name][policy] = arguments
            table.append(
                {
                    "row": policy,
                    "setting": setting_name,
                    "metric": "dynamic_regret",
                    "value": round(best.regret, 5),
                    "low": round(best.regret - 1.96 * best.error, 5),
                    "high": round(best.regret + 1.96 * best.error, 5),
                    "n": CHOOSE[1] // (4 if policy in SLOW else 1),
                }
            )
            seconds = time.perf_counter() - start
            print(
                f"{setting_name:22s} {policy:30s} {best.regret:.4f}  {arguments}  {seconds:.0f} s"
            )
    record = {
        "name": "tuned_policies",
        "command": "python benchmarks/tune_policies.py",
        "date": date.today().isoformat(),
        "machine": machine(),
        "versions": versions(),
        "protocol": (
            f"{EXPLORE[0]} random candidates on {EXPLORE[1]} worlds, {REFINE_ROUNDS} rounds of "
            f"{REFINE[0]} around the best 5 on {REFINE[1]}, best {CHOOSE[0]} on {CHOOSE[1]} "
            f"(a quarter of the worlds for {' and '.join(SLOW)}); regret per step on the worlds of "
            "the last stage, by which the best was chosen"
        ),
        "seeds": f"worlds from {TRAINING_SEED} on; evaluations use those from {HELD_OUT_WORLDS} on",
        "tuned": tuned,
        "table": table,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
